//! The owning services' commands, as recon needs them. Whoever composes recon says which there are.

use crate::domain::action::{Action, ActionKind, Agreed};
use chrono::NaiveDate;
use contracts::class::{Classed, ErrorClass};
use contracts::owner::{Adjusted, ClosedDay, SettleChannel};
use ids::{RequestId, Uuid, derive_id, partition_of};
use serde_json::Value;

/// Why a command has no proof of being done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    #[error("no service here offers {}", .0.as_str())]
    NotOffered(ActionKind),
    /// For good: asking again changes nothing.
    #[error("the owning service refused: {0}")]
    Refused(String),
    /// It may or may not be done; asked again under the same id.
    #[error("the owning service has not answered: {0}")]
    NoAnswer(String),
}

impl Classed for CommandError {
    fn class(&self) -> ErrorClass {
        match self {
            CommandError::NotOffered(_) | CommandError::Refused(_) => ErrorClass::Rejected,
            CommandError::NoAnswer(_) => ErrorClass::Unknown,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            CommandError::NotOffered(_) => "action-not-offered",
            CommandError::Refused(_) => "command-refused",
            CommandError::NoAnswer(_) => "outcome-unknown",
        }
    }
}

/// The commands by which other services put right what differs, each done once per request id, for ever; and what only
/// they can say of their own tables.
#[async_trait::async_trait]
pub trait Commands: Send + Sync {
    /// Whether there is a command for this kind of action.
    fn offers(&self, kind: ActionKind) -> bool;

    /// Does it, or finds that it is done; answers with the owning service's own record of it.
    async fn run(
        &self,
        request_id: RequestId,
        action: &Action,
        agreed: &Agreed,
    ) -> Result<Value, CommandError>;

    /// The owning service's record of it, read again; `None` where it has none.
    async fn find_proof(&self, request_id: RequestId, action: &Action)
    -> Result<Option<Value>, CommandError>;

    /// Posts what a channel has paid to us, or finds that it is posted.
    async fn settle_channel(&self, ask: SettleChannel) -> Result<Adjusted, CommandError>;

    /// Looks at the newest closed day before a day; `None` where none is closed.
    async fn look_at_closed_day(&self, before: NaiveDate) -> Result<Option<ClosedDay>, CommandError>;

    /// Closed days before a day whose balances are not what they were closed with, the oldest first.
    async fn list_changed_balances(&self, before: NaiveDate) -> Result<Vec<NaiveDate>, CommandError>;
}

/// The request id of an approved proposal's command. A refund has its order's own, whoever asks for it; the others
/// have the time of the approval, because a service forgets ids of old days.
pub fn request_of(approved: Uuid, proposal_id: Uuid, action: &Action) -> RequestId {
    let owner = match action {
        Action::RefundOrder { order_id, .. } => return order_id.refund_request(),
        Action::GrantCoins { viewer_id, .. } => viewer_id.uuid(),
        Action::Resettle { order_id, .. } => order_id.uuid(),
        Action::SettleReceivable { viewer_id: Some(viewer_id), .. } => viewer_id.uuid(),
        Action::SettleReceivable { .. }
        | Action::AdjustVoucher { .. }
        | Action::WriteOff { .. }
        | Action::Wait { .. } => proposal_id,
    };
    let parts: [&[u8]; 1] = [proposal_id.as_bytes()];
    RequestId::from_uuid(derive_id(approved, "break-effect", &parts, partition_of(owner)))
}
