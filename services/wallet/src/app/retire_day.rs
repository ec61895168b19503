//! Old days leave the log: a day table whose rows nobody can need any more is detached, in a moment, however long it
//! is.
//!
//! The wallet's own part of the conditions (DESIGN: past every key's age, past the snapshot). Readers' offsets and the
//! close of periods are for whoever sees other services' tables.

use crate::store::{self, DayPart};
use chrono::{DateTime, Days, NaiveDate, Utc};
use pg::Db;

/// Why a day was not retired. It is in the log or it is not, and may be asked for again.
#[derive(Debug, thiserror::Error)]
pub enum RetireError {
    #[error("a database failed")]
    Db(#[from] sqlx::Error),
    #[error("a day is being retired already, or a retirement that was cut off still waits; wait for it")]
    Busy,
}

/// A day table and what keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldDay {
    /// The UTC day of its rows' ids.
    pub day: NaiveDate,
    pub parts: Vec<DayPart>,
    /// Partitions of which a takeover would still read rows of this day: no snapshot covers them yet.
    pub uncovered_partitions: i64,
}

/// The day tables whose ids are all older than `id_age_max_days`: their keys are refused as expired, the refunds of
/// their orders too. The oldest first.
///
/// # Errors
/// Whatever the database says.
pub async fn list_old_days(
    db: &Db,
    now: DateTime<Utc>,
    id_age_max_days: u16,
) -> Result<Vec<OldDay>, sqlx::Error> {
    // The day's last id is a day younger than its first.
    let youngest = now.date_naive().checked_sub_days(Days::new(u64::from(id_age_max_days) + 1));
    let mut old = Vec::new();
    for day in store::list_days(db).await? {
        if youngest.is_some_and(|youngest| day < youngest) {
            let parts = store::list_parts(db, day).await?;
            let uncovered_partitions = store::count_uncovered(db, &parts).await?;
            old.push(OldDay { day, parts, uncovered_partitions });
        }
    }
    Ok(old)
}

/// Detaches a day table and moves it, whole, into the schema `<schema>_retired`. Nobody waits for it. One that was cut
/// off half way is finished.
///
/// # Errors
/// [`RetireError`].
pub async fn retire_day(db: &Db, day: NaiveDate) -> Result<(), RetireError> {
    if store::detach(db, day).await? { Ok(()) } else { Err(RetireError::Busy) }
}
