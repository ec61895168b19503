//! Reads both sides into their partitions, a thread for each where there are two.

use super::difference::{Difference, InvalidRow, Kind};
use super::row::Sized;
use super::settings::{Course, PARTITION_BITS, Plan, WATCH_ROWS};
use super::source::{Read, Rows};
use super::spool::{Filled, Radix, Spool};
use super::{KeyedError, RowTooLong};
use crate::Side;

/// One side, read to its end.
pub(super) struct Loaded<'a> {
    pub(super) spool: Filled<'a>,
    /// Rows read, invalid ones included.
    pub(super) rows: u64,
    pub(super) invalid: Vec<Difference>,
}

/// Reads both sides.
///
/// # Errors
/// The first side's that failed by itself; the other one stops.
pub(super) fn both<'a>(
    left: impl Rows + Send,
    right: impl Rows + Send,
    plan: &'a Plan,
    course: &Course<'_>,
) -> Result<(Loaded<'a>, Loaded<'a>), KeyedError> {
    if plan.threads == 1 {
        return Ok((load(Side::Left, left, plan, course)?, load(Side::Right, right, plan, course)?));
    }
    let (left, right) = std::thread::scope(|scope| {
        let left = scope.spawn(|| stopping(course, load(Side::Left, left, plan, course)));
        let right = stopping(course, load(Side::Right, right, plan, course));
        (left.join().unwrap_or(Err(KeyedError::ThreadLost)), right)
    });
    match (left, right) {
        (Ok(left), Ok(right)) => Ok((left, right)),
        // A side that was only told to stop is not the reason.
        (Err(KeyedError::Stopped), Err(reason)) | (Err(reason), _) | (_, Err(reason)) => Err(reason),
    }
}

fn stopping<T>(course: &Course<'_>, done: Result<T, KeyedError>) -> Result<T, KeyedError> {
    if done.is_err() {
        course.stop();
    }
    done
}

fn load<'a>(
    side: Side,
    mut source: impl Rows,
    plan: &'a Plan,
    course: &Course<'_>,
) -> Result<Loaded<'a>, KeyedError> {
    let radix = Radix { used: 0, bits: PARTITION_BITS };
    let mut spool = Spool::new(plan, radix, plan.chunk_bytes);
    let mut invalid = Vec::new();
    let mut rows = 0;
    loop {
        let read = source.next_row();
        let reason = match read.map_err(|source| KeyedError::Source { side, after_row: rows, source })? {
            None => break,
            Some(Read::Invalid(reason)) => Some(reason),
            Some(Read::Row(row)) => match Sized::try_new(rows + 1, row) {
                Ok(sized) => {
                    spool.push(plan.hasher.hash(row.key), &sized)?;
                    None
                }
                Err(too_long @ RowTooLong { .. }) => Some(too_long.to_string()),
            },
        };
        rows += 1;
        if let Some(reason) = reason {
            if invalid.len() == plan.invalid_rows_max {
                return Err(KeyedError::TooManyInvalid { side, max: plan.invalid_rows_max });
            }
            invalid.push(invalid_row(side, rows, reason));
        }
        if rows % WATCH_ROWS == 0 {
            course.advance(WATCH_ROWS, 0)?;
        }
    }
    course.advance(rows % WATCH_ROWS, 0)?;
    Ok(Loaded { spool: spool.fill(), rows, invalid })
}

fn invalid_row(side: Side, number: u64, reason: String) -> Difference {
    let kind = match side {
        Side::Left => Kind::InvalidLeft,
        Side::Right => Kind::InvalidRight,
    };
    Difference { kind, left: None, right: None, invalid: Some(InvalidRow { number, reason }) }
}
