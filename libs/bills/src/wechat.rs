//! WeChat Pay merchant bills: the trade bill, the fund bill, and a writer of the trade bill for sandboxes.
//!
//! Every field of a row begins with a backtick; headers do not. Times are China Standard Time (UTC+8).
//! A totals header and one totals row end the file.

pub(crate) mod fund;
pub(crate) mod trade;
pub mod write;

use crate::error::{BillError, Flaw, Place};
use crate::fields::{Row, cut_backticked};
use crate::header::{Header, plain};
use crate::lines::Lines;
use crate::{Limits, source::Digested};
use std::io::Read;
use std::ops::Range;

/// What a bill does with its rows and its totals; the shape around them is the same for both bills.
pub(crate) trait Table {
    /// The name that begins the totals header.
    const TOTALS_BEGIN: &'static str;

    fn row(&mut self, row: Row<'_>) -> Result<(), BillError>;

    /// The header of the totals and their one row.
    fn totals(&mut self, header: &Header, row: Row<'_>) -> Result<(), BillError>;
}

/// Reads the header; the first line must be one.
pub(crate) fn read_header<R: Read>(lines: &mut Lines<R>, limits: &Limits) -> Result<Header, BillError> {
    match lines.next()? {
        Some((line, text)) => Header::of(line, text.split(','), limits),
        None => Err(BillError::Truncated { place: Place::line(1), awaited: "its header".into() }),
    }
}

/// Reads everything behind the header.
pub(crate) fn read_table<R: Read, T: Table>(
    mut lines: Lines<R>,
    header: &Header,
    limits: &Limits,
    table: &mut T,
) -> Result<Digested, BillError> {
    let mut ranges: Vec<Range<usize>> = Vec::with_capacity(header.len());
    let totals = loop {
        let Some((line, text)) = lines.next()? else { return Err(cut_short(&lines, "its totals")) };
        if cut_backticked(&text, &mut ranges).is_some() && !is_totals::<T>(&text) {
            header.check_width(line, ranges.len(), &text)?;
            table.row(Row { line, text: &text, ranges: &ranges })?;
        } else if is_totals::<T>(&text) {
            break Header::of(line, text.split(','), limits)?;
        } else {
            return Err(BillError::broken(Place::line(line), "the row", Flaw::NoBacktick, &text));
        }
    };
    let Some((line, text)) = lines.next()? else { return Err(cut_short(&lines, "its totals row")) };
    if cut_backticked(&text, &mut ranges).is_none() {
        return Err(BillError::broken(Place::line(line), "the totals", Flaw::NoBacktick, &text));
    }
    totals.check_width(line, ranges.len(), &text)?;
    table.totals(&totals, Row { line, text: &text, ranges: &ranges })?;
    lines.finish()
}

fn is_totals<T: Table>(text: &str) -> bool {
    text.trim_start_matches('`').starts_with(T::TOTALS_BEGIN)
        && text.split(',').next().map(plain).as_deref() == Some(T::TOTALS_BEGIN)
}

fn cut_short<R: Read>(lines: &Lines<R>, awaited: &'static str) -> BillError {
    BillError::Truncated { place: Place::line(lines.line() + 1), awaited: awaited.into() }
}
