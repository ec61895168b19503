//! Why a step of a daily run was not taken. It is tried again, until the run is given up.

use crate::domain::pair_walk::TooManyOpen;
use chrono::NaiveDate;
use contracts::class::{Classed, ErrorClass};
use contracts::log::LogName;
use ids::{Partition, Uuid};
use matching::passes::RunError;
use seqlog::PullError;

/// Differences that one step may find; more are another problem.
pub const FINDINGS_MAX: usize = 10_000;

/// Why a run, or something about runs, did not go on.
#[derive(Debug, thiserror::Error)]
pub enum DailyError {
    #[error("recon's database failed")]
    Db(#[from] sqlx::Error),
    #[error(transparent)]
    Pull(#[from] PullError),
    #[error("clearing does not say how its closed days stand: {0}")]
    NoAnswer(String),
    #[error("partition {partition} of {log} is not closed behind the day yet")]
    NotClosed { log: LogName, partition: Partition },
    #[error(transparent)]
    TooManyOpen(#[from] TooManyOpen),
    #[error("more than {max} {what}: this is no difference but another problem")]
    TooMany { what: &'static str, max: usize },
    #[error("no coin has a face value on {0}: see recon.face_values")]
    NoFaceValue(NaiveDate),
    #[error("there are no matching rules for {0}")]
    NoRules(&'static str),
    #[error("the matching rules do not run")]
    Rules(#[from] RunError),
    #[error("stored rules cannot be read: {0}")]
    BadRules(String),
    #[error("a day is from 2000 to 2199, and not after today")]
    DayOutOfRange,
    #[error("there is no run {0}")]
    NoSuchRun(Uuid),
    #[error("run {0} has no report yet")]
    NoReport(Uuid),
    #[error("this run's id was used for another day")]
    RunReused,
    #[error("nothing is known of this id")]
    NothingKnown,
    #[error("an id is a break's, a payment's, or a bill's row as BILL:ROW")]
    BadId,
}

impl Classed for DailyError {
    fn class(&self) -> ErrorClass {
        match self {
            DailyError::Db(_)
            | DailyError::Pull(_)
            | DailyError::NoAnswer(_)
            | DailyError::NotClosed { .. } => ErrorClass::Transient,
            DailyError::TooManyOpen(_)
            | DailyError::TooMany { .. }
            | DailyError::NoFaceValue(_)
            | DailyError::NoRules(_)
            | DailyError::Rules(_)
            | DailyError::BadRules(_)
            | DailyError::BadId
            | DailyError::DayOutOfRange => ErrorClass::Rejected,
            DailyError::NoSuchRun(_) | DailyError::NothingKnown => ErrorClass::NotFound,
            DailyError::NoReport(_) | DailyError::RunReused => ErrorClass::Conflict,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            DailyError::Db(_) => "database-unavailable",
            DailyError::Pull(_) => "rows-unavailable",
            DailyError::NoAnswer(_) => "clearing-unavailable",
            DailyError::NotClosed { .. } => "day-not-closed",
            DailyError::TooManyOpen(_) | DailyError::TooMany { .. } => "too-many-differences",
            DailyError::NoFaceValue(_) => "no-face-value",
            DailyError::NoRules(_) => "no-matching-rules",
            DailyError::Rules(_) | DailyError::BadRules(_) => "matching-rules-do-not-run",
            DailyError::DayOutOfRange => "day-out-of-range",
            DailyError::NoSuchRun(_) => "no-such-run",
            DailyError::NoReport(_) => "no-report-yet",
            DailyError::RunReused => "request-reused",
            DailyError::NothingKnown => "nothing-known",
            DailyError::BadId => "id-malformed",
        }
    }
}
