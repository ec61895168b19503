//! Why somebody's step on a break was not taken.

use crate::app::commands::CommandError;
use crate::domain::action::ActionRefused;
use crate::domain::break_state::WrongStep;
use contracts::class::{Classed, ErrorClass};
use seqlog::PullError;

/// The longest text of a comment or a reason, in characters.
pub const TEXT_LEN_MAX: usize = 4_000;

/// Why a step was not taken. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    #[error("there is no such break")]
    NoSuchBreak,
    #[error("there is no such proposal to decide")]
    NoSuchProposal,
    #[error(transparent)]
    Step(#[from] WrongStep),
    #[error("somebody else took a step first; look at the break again")]
    Moved,
    #[error("whoever proposed it cannot decide it")]
    MakerIsChecker,
    #[error("the proposal is not the one that was looked at")]
    ProposalChanged,
    #[error(transparent)]
    Action(#[from] ActionRefused),
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error("a text has 1 to {TEXT_LEN_MAX} characters, and no control characters but line ends and tabs")]
    BadText,
    #[error("this key was used for something else")]
    KeyReused,
    #[error("a break about this fact is open already")]
    OpenAlready,
    #[error("the order's own rows do not allow it: {0}")]
    OrderDiffers(&'static str),
    #[error(transparent)]
    Rows(#[from] PullError),
    #[error("the database failed")]
    Db(#[from] sqlx::Error),
}

impl Classed for DeskError {
    fn class(&self) -> ErrorClass {
        match self {
            DeskError::NoSuchBreak | DeskError::NoSuchProposal => ErrorClass::NotFound,
            DeskError::Step(WrongStep::NotYours { .. }) | DeskError::MakerIsChecker => ErrorClass::Denied,
            DeskError::Step(WrongStep::NotNow { .. })
            | DeskError::Moved
            | DeskError::ProposalChanged
            | DeskError::KeyReused
            | DeskError::OpenAlready => ErrorClass::Conflict,
            DeskError::Action(_) | DeskError::BadText | DeskError::OrderDiffers(_) => ErrorClass::Rejected,
            DeskError::Command(error) => error.class(),
            DeskError::Rows(_) | DeskError::Db(_) => ErrorClass::Transient,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            DeskError::NoSuchBreak => "no-such-break",
            DeskError::NoSuchProposal => "no-such-proposal",
            DeskError::Step(WrongStep::NotYours { .. }) => "role-not-allowed",
            DeskError::Step(WrongStep::NotNow { .. }) => "step-not-now",
            DeskError::Moved => "break-moved",
            DeskError::MakerIsChecker => "maker-is-checker",
            DeskError::ProposalChanged => "proposal-changed",
            DeskError::Action(ActionRefused::WriteOffTooLarge { .. }) => "write-off-too-large",
            DeskError::Action(ActionRefused::WriteOffDiffers { .. }) => "write-off-differs",
            DeskError::Action(ActionRefused::GrantOutOfRange { .. }) => "grant-out-of-range",
            DeskError::Action(ActionRefused::WaitOutOfRange { .. }) => "wait-out-of-range",
            DeskError::Action(ActionRefused::VoucherUnbalanced) => "voucher-unbalanced",
            DeskError::Action(ActionRefused::DoesNotFit { .. }) => "action-does-not-fit",
            DeskError::Action(ActionRefused::OtherOrder) => "order-is-not-the-breaks",
            DeskError::Action(ActionRefused::EvidenceOnly { .. }) => "evidence-only",
            DeskError::Command(error) => error.slug(),
            DeskError::BadText => "text-out-of-range",
            DeskError::KeyReused => "request-reused",
            DeskError::OpenAlready => "break-open-already",
            DeskError::OrderDiffers(_) => "order-differs",
            DeskError::Rows(_) => "rows-unavailable",
            DeskError::Db(_) => "database-unavailable",
        }
    }
}

/// A text that people wrote, if it can be kept.
///
/// # Errors
/// [`DeskError::BadText`].
pub fn checked_text(text: &str) -> Result<&str, DeskError> {
    let fits = (1..=TEXT_LEN_MAX).contains(&text.chars().count()) && !text.trim().is_empty();
    let plain = !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t');
    if fits && plain { Ok(text) } else { Err(DeskError::BadText) }
}
