//! What channels have paid to us goes into the books: kept with the matches of a day's run, and posted by clearing.
//!
//! The intent is kept before clearing is asked, under an id that follows from it; a crash, or an answer that is lost,
//! costs asking again under the same id. A match that a later run no longer makes is posted the other way round.

use super::act_on_break::Desk;
use super::commands::CommandError;
use super::match_bills::BillMatching;
use crate::domain::channel_paid::turns_to_post;
use crate::domain::channel_paid::{ChannelPaid, Turn};
use crate::store::channel_settlements::{self, Unposted};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::owner::SettleChannel;
use std::time::Duration;

/// Vouchers one turn asks for.
const POSTS_MAX: i64 = 50;

/// How long one answer may take before its outcome counts as unknown.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(20);

/// The longest pause before a command without an answer is asked for again, in seconds.
const PAUSE_MAX_S: i64 = 300;

/// The pause after a refusal: the books' settings are to be put right by people.
const REFUSED_PAUSE_S: i64 = 600;

impl BillMatching<'_> {
    /// Keeps what is to be posted of a channel's day, so that what stands is what is matched now.
    ///
    /// # Errors
    /// Whatever the database says; kept again, it changes nothing.
    pub async fn keep_settlements(&self, channel: &str, paid: &[ChannelPaid]) -> Result<(), sqlx::Error> {
        let newest = channel_settlements::list_newest(self.db, (channel, self.day)).await?;
        let turns = turns_to_post(paid, &newest);
        channel_settlements::insert(self.db, (channel, self.day), &turns).await
    }
}

impl Desk {
    /// Asks clearing for the vouchers that are to be posted.
    ///
    /// # Errors
    /// Whatever the database says; what was posted is found posted when it is asked for again.
    pub async fn post_settlements(&self, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
        for unposted in channel_settlements::list_to_post(&self.db, now, POSTS_MAX).await? {
            let asked = self.commands.settle_channel(ask_of(&unposted));
            let unanswered = |_| Err(CommandError::NoAnswer(format!("nothing within {ANSWER_WAIT_MAX:?}")));
            let outcome = tokio::time::timeout(ANSWER_WAIT_MAX, asked).await.unwrap_or_else(unanswered);
            let label = match &outcome {
                Ok(_) => "done",
                Err(CommandError::NoAnswer(_)) => "unanswered",
                Err(CommandError::Refused(_) | CommandError::NotOffered(_)) => "refused",
            };
            metrics::counter!("largesse_recon_commands_total", "outcome" => label).increment(1);
            let (error, pause_s) = match outcome {
                Ok(posted) => {
                    channel_settlements::end(&self.db, &unposted.turn, &posted).await?;
                    continue;
                }
                Err(error @ CommandError::NoAnswer(_)) => {
                    let pause = 1_i64.checked_shl(unposted.attempts.unsigned_abs()).unwrap_or(PAUSE_MAX_S);
                    (error, pause.clamp(1, PAUSE_MAX_S))
                }
                Err(error) => (error, REFUSED_PAUSE_S),
            };
            let (why, match_id) = (error.to_string(), unposted.turn.paid.match_id);
            tracing::error!(%match_id, why, pause_s, "what a channel paid is not in the books; asked again");
            let next_at = Utc::now() + TimeDelta::seconds(pause_s);
            channel_settlements::put_off(&self.db, &unposted.turn, (&why, next_at)).await?;
        }
        Ok(())
    }
}

fn ask_of(Unposted { turn, channel, .. }: &Unposted) -> SettleChannel {
    let Turn { paid, turn: number } = turn;
    let payments = paid.payments;
    let reason = match number % 2 {
        1 => format!("the bank shows what {channel} paid to us: {payments} payments and refunds"),
        _ => {
            format!("taken back: a later run does not match the {payments} payments and refunds of {channel}")
        }
    };
    SettleChannel {
        request_id: turn.request_id(),
        match_id: paid.match_id,
        day: paid.day,
        currency: paid.currency.clone(),
        gross_minor: paid.gross_minor,
        net_minor: paid.net_minor,
        reason,
    }
}
