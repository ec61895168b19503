//! Tables of typed columns, whatever format they are written in, and the one check that every row passes.

use crate::amount::bounded;
use crate::{ExportError, SCALE_MAX, Written};
use chrono::{DateTime, NaiveDate, Utc};

/// The most columns of a table.
pub const COLUMNS_MAX: usize = 256;
/// The most characters of one text: what a cell of a spreadsheet holds.
pub const TEXT_CHARS_MAX: usize = 32_767;
/// The most characters of a link: what a spreadsheet's formula may quote.
const LINK_CHARS_MAX: usize = 255;

/// What a column's cells are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Words of people: may hold anything, so they are kept from becoming formulas.
    Text,
    /// A key: text, even where it looks like a number.
    Id,
    /// An http or https address; a spreadsheet opens it.
    Link,
    /// An amount, in units of `scale` decimal places (8: millionths of a minor unit with two).
    Money { scale: u8 },
    /// A whole number.
    Count,
    /// An accounting day.
    Day,
    /// An instant, written in UTC.
    Instant,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) totalled: bool,
}

impl Column {
    pub fn new(name: impl Into<String>, kind: Kind) -> Column {
        Column { name: name.into(), kind, totalled: false }
    }

    /// A column whose sum is told at the end. Of money and counts only; of others it changes nothing.
    pub fn totalled(name: impl Into<String>, kind: Kind) -> Column {
        let totalled = matches!(kind, Kind::Money { .. } | Kind::Count);
        Column { name: name.into(), kind, totalled }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }
}

/// One cell. `Empty` fits every column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    Empty,
    Text(&'a str),
    Id(&'a str),
    Link(&'a str),
    /// In units of the column's scale.
    Money(i128),
    Count(i64),
    Day(NaiveDate),
    Instant(DateTime<Utc>),
}

/// Takes the rows of one table, one after the other, and keeps none of them.
pub trait TableWriter {
    /// Writes one row.
    ///
    /// # Errors
    /// [`ExportError`] where the row does not fit the columns, or writing fails. The file is then not whole.
    fn push(&mut self, row: &[Cell<'_>]) -> Result<(), ExportError>;
}

/// Checks rows against the columns, and sums them.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) columns: Vec<Column>,
    pub(crate) written: Written,
}

impl Tally {
    pub(crate) fn try_new(columns: &[Column]) -> Result<Tally, ExportError> {
        let mut names: Vec<String> = columns.iter().map(|column| column.name.to_lowercase()).collect();
        names.sort_unstable();
        names.dedup();
        let are_named = names.len() == columns.len() && names.iter().all(|name| !name.is_empty());
        if !are_named || columns.is_empty() || columns.len() > COLUMNS_MAX {
            return Err(ExportError::BadColumns { columns: columns.len(), max: COLUMNS_MAX });
        }
        for column in columns {
            if let Kind::Money { scale } = column.kind
                && scale > SCALE_MAX
            {
                return Err(ExportError::ScaleTooLarge { place: column.name.clone(), scale, max: SCALE_MAX });
            }
        }
        let totals = columns.iter().map(|column| column.totalled.then_some(0)).collect();
        Ok(Tally { columns: columns.to_vec(), written: Written { rows: 0, totals, amounts_as_text: 0 } })
    }

    /// Checks a row and adds it to the totals. An error leaves the table unfit for further rows.
    pub(crate) fn take(&mut self, row: &[Cell<'_>]) -> Result<(), ExportError> {
        let number = self.written.rows + 1;
        if row.len() != self.columns.len() {
            let (wanted, found) = (self.columns.len(), row.len());
            return Err(ExportError::RowLength { row: number, wanted, found });
        }
        for ((column, total), cell) in self.columns.iter().zip(&mut self.written.totals).zip(row) {
            let units = check(column, cell, number)?;
            if let (Some(total), Some(units)) = (total.as_mut(), units) {
                *total = bounded(total.checked_add(units), || format!("the total of {}", column.name))?;
            }
        }
        self.written.rows = number;
        Ok(())
    }
}

/// Whether the cell fits; the amount or count in it.
fn check(column: &Column, cell: &Cell<'_>, row: u64) -> Result<Option<i128>, ExportError> {
    let name = || column.name.clone();
    match (column.kind, cell) {
        (_, Cell::Empty) | (Kind::Day, Cell::Day(_)) | (Kind::Instant, Cell::Instant(_)) => Ok(None),
        (Kind::Text, Cell::Text(text)) | (Kind::Id, Cell::Id(text)) => {
            // A character takes a byte or more and at most two units of UTF-16: short texts are not counted.
            let is_short = text.len() <= TEXT_CHARS_MAX || text.encode_utf16().count() <= TEXT_CHARS_MAX;
            if is_short {
                return Ok(None);
            }
            Err(ExportError::TextTooLong { row, column: name(), max: TEXT_CHARS_MAX })
        }
        (Kind::Link, Cell::Link(link)) => {
            if is_plain_link(link) {
                return Ok(None);
            }
            Err(ExportError::BadLink { row, column: name(), max: LINK_CHARS_MAX })
        }
        (Kind::Money { .. }, Cell::Money(units)) => {
            bounded(Some(*units), || format!("row {row}, {}", column.name)).map(Some)
        }
        (Kind::Count, Cell::Count(count)) => Ok(Some(i128::from(*count))),
        (
            Kind::Text | Kind::Id | Kind::Link | Kind::Money { .. } | Kind::Count | Kind::Day | Kind::Instant,
            _,
        ) => Err(ExportError::CellKind { row, column: name() }),
    }
}

/// Printable ASCII without what could end a quotation, and a scheme that opens a page and runs nothing.
fn is_plain_link(link: &str) -> bool {
    let has_scheme = link.starts_with("https://") || link.starts_with("http://");
    has_scheme
        && link.len() <= LINK_CHARS_MAX
        && link.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\'))
}

/// An instant as every text format writes it: UTC, to the microsecond.
pub(crate) fn instant_text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}
