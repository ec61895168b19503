//! One callback of a payment channel: believed only by its signature, recorded once.

use crate::app::Cashier;
use crate::app::writer::Job;
use crate::domain::callback::Callback;
use crate::domain::ledger::Taken;
use crate::domain::notice::{Notice, NoticeOutcome};
use crate::domain::signature::{Signed, verify};
use crate::error::CallbackError;
use chrono::{DateTime, Utc};
use contracts::class::Classed;
use contracts::wallet::Replay;
use ids::PaymentId;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;
use utoipa::ToSchema;

/// What the channel is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CallbackAnswer {
    pub outcome: NoticeOutcome,
    /// Why nothing was credited, as a stable slug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<PaymentId>,
    pub replay: Replay,
}

impl Cashier {
    /// Verifies a callback, hands it to the writer, and answers after the commit.
    ///
    /// # Errors
    /// [`CallbackError`]; nothing was recorded, or nobody knows yet ([`CallbackError::OutcomeUnknown`]).
    pub(crate) async fn take_callback(
        &self,
        channel: &str,
        signed: Signed<'_>,
        now: DateTime<Utc>,
    ) -> Result<CallbackAnswer, CallbackError> {
        let answer = self.verify_and_submit(channel, signed, now).await;
        let label = match &answer {
            Ok(answer) if answer.replay == Replay::Replayed => "replayed",
            Ok(answer) => outcome_label(answer.outcome),
            Err(error) => error.slug(),
        };
        metrics::counter!("largesse_cashier_callbacks_total", "outcome" => label).increment(1);
        answer
    }

    async fn verify_and_submit(
        &self,
        channel: &str,
        signed: Signed<'_>,
        now: DateTime<Utc>,
    ) -> Result<CallbackAnswer, CallbackError> {
        let secret = self.secrets.get(channel).ok_or(CallbackError::UnknownChannel)?;
        verify(secret, signed, now, self.config.window())?;
        let callback = Callback::parse(channel, signed.body).map_err(CallbackError::Malformed)?;
        let (answer, waiting) = oneshot::channel();
        self.queue.try_send(Job { callback, answer }).map_err(|error| match error {
            TrySendError::Full(_) => CallbackError::Overloaded,
            TrySendError::Closed(_) => CallbackError::Unavailable(None), // Shutting down.
        })?;
        match waiting.await {
            Ok(taken) => answer_of(taken?),
            // The writer went away with the job in hand.
            Err(_) => Err(CallbackError::OutcomeUnknown),
        }
    }
}

fn answer_of(taken: Taken) -> Result<CallbackAnswer, CallbackError> {
    let answer = |notice: Notice, replay| CallbackAnswer {
        outcome: notice.outcome,
        refusal: notice.refusal.map(|refusal| refusal.slug().to_owned()),
        payment_id: notice.payment_id,
        replay,
    };
    match taken {
        Taken::First(notice) => Ok(answer(notice, Replay::First)),
        Taken::Replayed(notice) => Ok(answer(notice, Replay::Replayed)),
        Taken::Contradicts => Err(CallbackError::Contradicts),
        Taken::ShardMoved => Err(CallbackError::ShardMoved),
    }
}

const fn outcome_label(outcome: NoticeOutcome) -> &'static str {
    match outcome {
        NoticeOutcome::Credited => "credited",
        NoticeOutcome::TakenBack => "taken-back",
        NoticeOutcome::KeptAside => "kept-aside",
        NoticeOutcome::Noted => "noted",
        NoticeOutcome::Refused => "refused",
    }
}
