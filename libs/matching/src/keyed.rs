//! The big batch: two unsorted sides of rows with a key, compared in bounded memory.
//!
//! Rows go to 256 partitions by a keyed hash of their key, in memory while the budget lasts and to a spill file after
//! that; then partition after partition is sorted by hash and merged. Equality is that of bytes: a hash only says which
//! rows are looked at together. Must not guess: a row that cannot be read, a key that comes twice, and a pair that is
//! not certain are differences of their own kind.

mod difference;
mod join;
mod load;
mod merge;
mod row;
mod settings;
mod source;
mod spool;

pub use difference::{Difference, Field, FoundRow, InvalidRow, Kind, Summary};
pub use row::{KEY_BYTES_MAX, NAME_BYTES_MAX, Row, RowBuf, RowTooLong};
pub use settings::{HashKey, MEMORY_BYTES_MIN, Progress, Settings, SettingsError, THREADS_MAX};
pub use source::{Each, Read, Rows, SourceError};

use crate::Side;
use std::ops::ControlFlow;

/// Why two sides could not be compared. What has gone to the sink before is right, but not all.
#[derive(Debug, thiserror::Error)]
pub enum KeyedError {
    #[error("the settings cannot be used")]
    Settings(#[from] SettingsError),
    #[error("the {side} side could not be read after row {after_row}")]
    Source { side: Side, after_row: u64, source: SourceError },
    #[error("the {side} side has more than {max} rows that cannot be read: it is another format")]
    TooManyInvalid { side: Side, max: usize },
    #[error("no room is left in the spill folder")]
    DiskFull { source: std::io::Error },
    #[error("the spill would take more than {max} bytes")]
    SpillTooLarge { max: u64 },
    #[error("the spill folder failed")]
    Spill { source: std::io::Error },
    #[error("the spill came back other than it was written")]
    SpillDamaged,
    #[error("one key has so many rows ({bytes} bytes) that they do not fit the memory budget")]
    KeyTooHeavy { bytes: u64 },
    #[error("the watcher stopped the comparison")]
    Stopped,
    #[error("a thread of the comparison ended without an answer")]
    ThreadLost,
}

/// Compares two sides and gives every difference to `sink`: invalid rows first (left, then right, by row number), then
/// by (hash of the key, key). The order depends on the rows and the hash key alone: not on threads, memory or time.
///
/// A key should come once on each side. Of a key that comes more often, one pair of rows that are equal in every byte
/// matches and all others are duplicates; where no two are equal, all are ambiguous and none matches.
///
/// # Errors
/// As [`KeyedError`] says. Spill files have no name and are gone when this returns, or when the process dies.
pub fn compare(
    left: impl Rows + Send,
    right: impl Rows + Send,
    settings: &Settings,
    watch: &(dyn Fn(Progress) -> ControlFlow<()> + Sync),
    sink: &mut dyn FnMut(Difference),
) -> Result<Summary, KeyedError> {
    let plan = settings.plan()?;
    let course = settings::Course::new(watch);
    let (left, right) = load::both(left, right, &plan, &course)?;
    let mut summary = Summary {
        left_rows: left.rows,
        right_rows: right.rows,
        spilled_bytes: left.spool.spilled_bytes() + right.spool.spilled_bytes(),
        ..Summary::default()
    };
    for difference in left.invalid.into_iter().chain(right.invalid) {
        summary.count(difference.kind);
        sink(difference);
    }
    join::all((left.spool, right.spool), &plan, &course, &mut |batch| {
        summary.matched += batch.matched;
        summary.spilled_bytes += batch.spilled_bytes;
        for difference in batch.differences {
            summary.count(difference.kind);
            sink(difference);
        }
    })?;
    Ok(summary)
}
