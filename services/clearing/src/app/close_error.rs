//! Why a step of a period was not taken.

use crate::app::read_trial_balance::TrialBalanceError;
use crate::domain::period::{PeriodState, PeriodStep};
use chrono::NaiveDate;
use contracts::class::{Classed, ErrorClass};
use ids::PeriodRequestId;

/// The longest reason, in characters.
pub const REASON_CHARS_MAX: usize = 4_000;

/// Why a step was not taken. What the message names is as it was.
#[derive(Debug, thiserror::Error)]
pub enum CloseError {
    #[error("a request id is a UUIDv7")]
    BadRequestId,
    #[error("this id was used for another step or period")]
    RequestReused,
    #[error("reopening needs a reason of 1 to {REASON_CHARS_MAX} characters")]
    BadReason,
    #[error("proposing takes a maker of finance")]
    NotAMaker,
    #[error("agreeing takes a checker of finance")]
    NotAChecker,
    #[error("whoever proposed it cannot agree to it; another person must")]
    MakerIsChecker,
    #[error("it was proposed already, as {0}; another person must agree")]
    WaitsAlready(PeriodRequestId),
    #[error("the day {0} is not over yet")]
    NotOver(NaiveDate),
    #[error("the day {day} is {}, so {} cannot be taken; a day is locked softly before it is closed", .state.as_str(), .step.as_str())]
    WrongState { day: NaiveDate, state: PeriodState, step: PeriodStep },
    #[error("there is nothing to change")]
    NothingToChange,
    #[error("the checklist blocks: {}", .0.join(", "))]
    Blocked(Vec<String>),
    #[error("the earlier day {0} is not closed")]
    EarlierOpen(NaiveDate),
    #[error("the sum of account {account} on {day} is not that of its vouchers; run `largesse check`")]
    SumsDiffer { day: NaiveDate, account: String },
    #[error("somebody else took a step first; look at the period again")]
    Moved,
    #[error(transparent)]
    TrialBalance(#[from] TrialBalanceError),
    #[error("the database failed")]
    Db(#[source] sqlx::Error),
}

impl From<sqlx::Error> for CloseError {
    fn from(error: sqlx::Error) -> CloseError {
        let constraint = error.as_database_error().and_then(|found| found.constraint()).map(str::to_owned);
        match constraint.as_deref() {
            Some("period_requests_agreed_by_another") => CloseError::MakerIsChecker,
            Some("period_requests_one_waits" | "period_requests_pkey" | "period_requests_decided_as_key") => {
                CloseError::Moved
            }
            _ => CloseError::Db(error),
        }
    }
}

impl Classed for CloseError {
    fn class(&self) -> ErrorClass {
        match self {
            CloseError::BadRequestId | CloseError::BadReason | CloseError::NotOver(_) => ErrorClass::Rejected,
            CloseError::NotAMaker | CloseError::NotAChecker | CloseError::MakerIsChecker => {
                ErrorClass::Denied
            }
            CloseError::RequestReused
            | CloseError::WaitsAlready(_)
            | CloseError::WrongState { .. }
            | CloseError::NothingToChange
            | CloseError::Blocked(_)
            | CloseError::EarlierOpen(_)
            | CloseError::SumsDiffer { .. }
            | CloseError::Moved => ErrorClass::Conflict,
            CloseError::TrialBalance(error) => error.class(),
            CloseError::Db(_) => ErrorClass::Transient,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            CloseError::BadRequestId => "request-id-not-v7",
            CloseError::RequestReused => "request-reused",
            CloseError::BadReason => "reason-missing",
            CloseError::NotAMaker | CloseError::NotAChecker => "role-not-allowed",
            CloseError::MakerIsChecker => "maker-is-checker",
            CloseError::WaitsAlready(_) => "step-proposed-already",
            CloseError::NotOver(_) => "day-not-over",
            CloseError::WrongState { .. } => "period-state",
            CloseError::NothingToChange => "nothing-to-change",
            CloseError::Blocked(_) => "checklist-blocks",
            CloseError::EarlierOpen(_) => "earlier-day-open",
            CloseError::SumsDiffer { .. } => "sums-differ",
            CloseError::Moved => "period-moved",
            CloseError::TrialBalance(error) => error.slug(),
            CloseError::Db(_) => "database-unavailable",
        }
    }
}
