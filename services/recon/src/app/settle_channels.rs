//! What channels have paid to us goes into the books: kept with the matches of a day's run, and posted by clearing.
//!
//! The intent is kept before clearing is asked, under an id that follows from it; a crash, or an answer that is lost,
//! costs asking again under the same id. A match that a later run no longer makes is posted the other way round.

use super::act_on_break::Desk;
use super::commands::CommandError;
use super::match_bills::{BillMatching, FILES_MAX};
use crate::domain::bill_line::{WithdrawalSettings, takes_fees};
use crate::domain::channel_paid::{ChannelPaid, PaidAbout, Turn, turns_to_post};
use crate::store::bills::{self, BillView};
use crate::store::channel_settlements::{self, Unposted};
use crate::store::withdrawals;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::owner::SettleChannel;
use ids::Uuid;
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
    /// Keeps what is to be posted of what a bank's statement shows, so that what stands is what is matched now.
    ///
    /// # Errors
    /// Whatever the database says; kept again, it changes nothing.
    pub async fn keep_settlements(&self, bank: &str, paid: &[ChannelPaid]) -> Result<(), sqlx::Error> {
        self.keep((bank, PaidAbout::Payments), paid).await?;
        for channel in self.withdrawn_to(bank) {
            self.keep((channel, PaidAbout::Withdrawals), paid).await?;
        }
        Ok(())
    }

    /// Keeps what is to be posted of the fees that channels took off our balances with them. Where payments are matched
    /// with the bank themselves, the fee is what the bank shows less.
    ///
    /// # Errors
    /// Whatever the database says; kept again, it changes nothing.
    pub async fn keep_fees(&self) -> Result<(), sqlx::Error> {
        let covering = bills::list_covering(self.db, self.day, FILES_MAX).await?;
        let withdrawn = self.withdrawals.iter().filter(|of| of.covers(&of.channel, self.day));
        for WithdrawalSettings { channel, .. } in withdrawn {
            let is_its = |bill: &&BillView| bill.channel == *channel && takes_fees(bill.scope, &bill.format);
            let files: Vec<Uuid> = covering.iter().filter(is_its).map(|bill| bill.bill_id).collect();
            let taken = withdrawals::list_fees(self.db, channel, self.day, &files).await?;
            let fees = taken.iter().map(|fees| (fees.currency.as_str(), fees.minor, fees.rows));
            let fees: Vec<_> = fees.map(|of| ChannelPaid::of_fees(channel, self.day, of)).collect();
            self.keep((channel, PaidAbout::Fees), &fees).await?;
        }
        Ok(())
    }

    async fn keep(&self, of: (&str, PaidAbout), paid: &[ChannelPaid]) -> Result<(), sqlx::Error> {
        let is_of = |paid: &&ChannelPaid| (paid.channel.as_str(), paid.about) == of;
        let paid: Vec<ChannelPaid> = paid.iter().filter(is_of).cloned().collect();
        let newest = channel_settlements::list_newest(self.db, of, self.day).await?;
        channel_settlements::insert(self.db, self.day, &turns_to_post(&paid, &newest)).await
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

fn ask_of(Unposted { turn, .. }: &Unposted) -> SettleChannel {
    let Turn { paid, turn: number } = turn;
    let ChannelPaid { channel, payments, .. } = paid;
    let (told, taken_back) = match paid.about {
        PaidAbout::Payments => (
            format!("the bank shows what {channel} paid to us: {payments} payments and refunds"),
            format!("a later run does not match the {payments} payments and refunds of {channel}"),
        ),
        PaidAbout::Withdrawals => (
            format!("the bank shows {payments} withdrawals from the balance with {channel}"),
            format!("a later run does not match the {payments} withdrawals from the balance with {channel}"),
        ),
        PaidAbout::Fees => (
            format!("{payments} fees that {channel} took off the balance with it on {}", paid.day),
            format!("the fees of {channel} of {} come to another sum", paid.day),
        ),
    };
    let reason = if number % 2 == 1 { told } else { format!("taken back: {taken_back}") };
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
