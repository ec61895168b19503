//! Tables as CSV: UTF-8 with a byte order mark, so that Excel opens Chinese, and no cell that it takes for a formula.

use crate::amount::push_decimal;
use crate::table::{Tally, instant_text};
use crate::{Cell, Column, ExportError, Kind, TableWriter, Written};
use std::borrow::Cow;
use std::io::Write;

/// What tells Excel that the bytes are UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// A table written as CSV (RFC 4180, lines end with CR LF).
///
/// A text or id whose first character would make a spreadsheet compute (`=`, `+`, `-`, `@`, their full-width forms,
/// tab, CR, LF) is written with an apostrophe before it, and so is one that begins with an apostrophe: a reader
/// that drops one leading apostrophe of every text has the text back.
#[derive(Debug)]
pub struct CsvTable<W: Write> {
    csv: csv::Writer<W>,
    tally: Tally,
    amount: String,
}

impl<W: Write> CsvTable<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// [`ExportError::BadColumns`], [`ExportError::ScaleTooLarge`], or writing fails.
    pub fn try_new(mut sink: W, columns: &[Column]) -> Result<CsvTable<W>, ExportError> {
        let tally = Tally::try_new(columns)?;
        sink.write_all(BYTE_ORDER_MARK)?;
        let mut csv = csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .buffer_capacity(1 << 16)
            .from_writer(sink);
        csv.write_record(columns.iter().map(|column| harmless(column.name()).into_owned()))?;
        Ok(CsvTable { csv, tally, amount: String::new() })
    }

    /// Ends the file and gives the sink back.
    ///
    /// # Errors
    /// Writing fails.
    pub fn finish(mut self) -> Result<(W, Written), ExportError> {
        self.csv.flush()?;
        let sink = self.csv.into_inner().map_err(|error| error.into_error())?;
        Ok((sink, self.tally.written))
    }
}

impl<W: Write> TableWriter for CsvTable<W> {
    fn push(&mut self, row: &[Cell<'_>]) -> Result<(), ExportError> {
        self.tally.take(row)?;
        for (column, cell) in self.tally.columns.iter().zip(row) {
            match (cell, column.kind) {
                (Cell::Empty, _) => self.csv.write_field("")?,
                (Cell::Text(text) | Cell::Id(text), _) => self.csv.write_field(harmless(text).as_bytes())?,
                (Cell::Link(link), _) => self.csv.write_field(link)?,
                (Cell::Money(units), Kind::Money { scale }) => {
                    self.amount.clear();
                    push_decimal(&mut self.amount, *units, scale);
                    self.csv.write_field(&self.amount)?;
                }
                // `take` has refused money in a column of another kind.
                (Cell::Money(units), _) => self.csv.write_field(units.to_string())?,
                (Cell::Count(count), _) => self.csv.write_field(count.to_string())?,
                (Cell::Day(day), _) => self.csv.write_field(day.to_string())?,
                (Cell::Instant(at), _) => self.csv.write_field(instant_text(*at))?,
            }
        }
        self.csv.write_record(None::<&[u8]>)?;
        Ok(())
    }
}

/// Whether a spreadsheet takes a text that begins so for a formula, or cleans it until it is one.
pub(crate) fn begins_formula(text: &str) -> bool {
    let first = text.trim_start_matches(' ').chars().next();
    matches!(
        first,
        Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '\u{ff1d}' | '\u{ff0b}' | '\u{ff0d}' | '\u{ff20}')
    )
}

fn harmless(text: &str) -> Cow<'_, str> {
    if begins_formula(text) || text.starts_with('\'') {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}
