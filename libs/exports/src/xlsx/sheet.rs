//! The sheets of one table: header, rows, and totals at the end of the last.

use super::cells::{RowText, Style, column_letters};
use super::{FinishedTable, SHEET_NAME_CHARS_MAX, SHEETS_MAX, SheetPart, Workbook, parts};
use crate::table::Tally;
use crate::{Cell, Column, ExportError, Kind, Written};
use std::io::{Seek, Write};

/// Rows' XML is handed to the archive in pieces of about this many bytes.
const PIECE_BYTES: usize = 64 * 1024;

/// One table of a workbook. Until it is finished, the workbook takes no other.
#[derive(Debug)]
pub struct XlsxTable<'a, W: Write + Seek> {
    book: &'a mut Workbook<W>,
    name: String,
    tally: Tally,
    text: RowText,
    piece: String,
    /// The last row written on this sheet; the header is 1.
    row: u32,
    sheets: usize,
}

impl<'a, W: Write + Seek> XlsxTable<'a, W> {
    pub(super) fn try_new(
        book: &'a mut Workbook<W>,
        name: &str,
        tally: Tally,
    ) -> Result<XlsxTable<'a, W>, ExportError> {
        book.is_table_open = true;
        let text = RowText::new(tally.columns.len());
        let name = name.to_owned();
        let mut table = XlsxTable { book, name, tally, text, piece: String::new(), row: 0, sheets: 0 };
        table.begin_sheet()?;
        Ok(table)
    }

    pub(super) fn push_row(&mut self, row: &[Cell<'_>]) -> Result<(), ExportError> {
        self.tally.take(row)?;
        // The last row of every sheet is kept free: nobody knows which of them the totals will need.
        if self.row + 1 >= self.book.rows_max {
            self.end_sheet()?;
            self.begin_sheet()?;
        }
        self.row += 1;
        self.text.begin(self.row);
        for (at, (column, cell)) in self.tally.columns.iter().zip(row).enumerate() {
            let is_text = self.text.cell(at, column.kind(), cell);
            self.tally.written.amounts_as_text += u64::from(is_text);
        }
        self.end_row()
    }

    /// Writes the totals and ends the table.
    ///
    /// # Errors
    /// Writing fails.
    pub fn finish(mut self) -> Result<Written, ExportError> {
        self.push_totals()?;
        self.end_sheet()?;
        let XlsxTable { book, name, tally, sheets, .. } = self;
        book.is_table_open = false;
        let Tally { columns, written } = tally;
        book.tables.push(FinishedTable { name, columns, written: written.clone(), sheets });
        Ok(written)
    }

    fn push_totals(&mut self) -> Result<(), ExportError> {
        if self.tally.written.totals.iter().all(Option::is_none) {
            return Ok(());
        }
        self.text.begin(self.row + 1);
        for (at, (column, total)) in self.tally.columns.iter().zip(&self.tally.written.totals).enumerate() {
            match total {
                Some(total) => {
                    let is_text = self.text.total(at, column.kind(), *total);
                    self.tally.written.amounts_as_text += u64::from(is_text);
                }
                None if at == 0 => self.text.text(0, Style::BoldText, "Total"),
                None => {}
            }
        }
        self.end_row()
    }

    fn begin_sheet(&mut self) -> Result<(), ExportError> {
        // Summary and parameters have places of their own.
        if self.book.sheets.len() + 2 >= SHEETS_MAX {
            return Err(ExportError::TooManySheets { max: SHEETS_MAX });
        }
        self.sheets += 1;
        let number = self.book.sheets.len() + 2;
        self.book.start_part(&parts::sheet_path(number))?;
        self.piece.push_str(&parts::sheet_opening(&self.widths()));
        self.row = 1;
        self.text.begin(1);
        for (at, column) in self.tally.columns.iter().enumerate() {
            self.text.text(at, Style::Header, column.name());
        }
        self.end_row()
    }

    /// Ends the sheet; its filter covers header and rows, never the totals.
    fn end_sheet(&mut self) -> Result<(), ExportError> {
        let last = column_letters(self.tally.columns.len() - 1);
        self.piece.push_str(&parts::sheet_closing(&format!("A1:{last}{}", self.row)));
        self.hand_over()?;
        let name = match self.sheets {
            1 => self.name.clone(),
            number => format!("{} ({number})", self.name),
        };
        debug_assert!(name.encode_utf16().count() <= SHEET_NAME_CHARS_MAX, "a table's name leaves room");
        let filtered = format!("$A$1:${last}${}", self.row);
        self.book.sheets.push(SheetPart { name, filtered });
        Ok(())
    }

    fn end_row(&mut self) -> Result<(), ExportError> {
        self.text.end();
        self.piece.push_str(&self.text.xml);
        if self.piece.len() >= PIECE_BYTES { self.hand_over() } else { Ok(()) }
    }

    fn hand_over(&mut self) -> Result<(), ExportError> {
        self.book.zip.write_all(self.piece.as_bytes())?;
        self.piece.clear();
        Ok(())
    }

    fn widths(&self) -> Vec<usize> {
        let of = |column: &Column| {
            let least = match column.kind() {
                Kind::Text => 24,
                Kind::Id | Kind::Link => 36,
                Kind::Money { .. } => 18,
                Kind::Count | Kind::Day => 12,
                Kind::Instant => 28,
            };
            least.max((column.name().chars().count() + 3).min(60))
        };
        self.tally.columns.iter().map(of).collect()
    }
}
