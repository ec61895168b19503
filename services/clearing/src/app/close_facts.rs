//! What other services know that closing must ask: open breaks, how far minutes are compared, which bills are there.

use chrono::{DateTime, NaiveDate, Utc};

/// What recon says of some days.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReconFacts {
    /// Breaks of those days that are not closed.
    pub open_breaks: i64,
    /// Those of them that are critical.
    pub critical_breaks: i64,
    /// The ids of the first few critical ones.
    pub critical: Vec<String>,
    /// Everything before this instant is compared, between all pairs of logs; `None` until all have been.
    pub compared_until: Option<DateTime<Utc>>,
    /// Days of those that no daily run has finished since their last file came in.
    pub days_not_run: Vec<NaiveDate>,
}

/// Whose files of a day are imported, whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportedFiles {
    /// Channels whose bill is here.
    pub channels: Vec<String>,
    /// Accounts at banks whose statement is here.
    pub banks: Vec<String>,
}

/// Some days, and the instants they begin and end at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayRange {
    pub first: NaiveDate,
    pub last: NaiveDate,
    pub begins_at: DateTime<Utc>,
    /// The first instant that is no part of them.
    pub ends_at: DateTime<Utc>,
}

/// Nobody could say. What is not known blocks closing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnknownFact(pub String);

/// Asks recon, wherever it runs.
#[async_trait::async_trait]
pub trait CloseFacts: Send + Sync {
    /// Open breaks of some days, how far minutes are compared, and which days no run has been through.
    async fn recon(&self, range: DayRange) -> Result<ReconFacts, UnknownFact>;

    /// The bills and statements of a day that were imported.
    async fn imported_files(&self, day: NaiveDate) -> Result<ImportedFiles, UnknownFact>;
}

/// Where nobody was named to ask: nothing is known, so nothing is closed.
#[derive(Clone, Copy, Debug)]
pub struct NobodyToAsk;

#[async_trait::async_trait]
impl CloseFacts for NobodyToAsk {
    async fn recon(&self, _range: DayRange) -> Result<ReconFacts, UnknownFact> {
        Err(UnknownFact("this process knows no recon to ask".to_owned()))
    }

    async fn imported_files(&self, _day: NaiveDate) -> Result<ImportedFiles, UnknownFact> {
        Err(UnknownFact("this process knows no recon to ask".to_owned()))
    }
}
