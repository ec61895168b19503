//! Workbooks as XLSX, written row by row into the archive: no row is kept, and no amount becomes a float.
//!
//! The sheets' XML is our own because every crate for it takes amounts as `f64`; the archive is the crate `zip`'s.
//! A spreadsheet reads its numbers as IEEE doubles, which hold any decimal of up to 15 digits exactly. An amount
//! that needs more is written as text, marked by its alignment and counted on the summary sheet.

mod cells;
mod parts;
mod sheet;

pub use sheet::XlsxTable;

use crate::table::Tally;
use crate::{About, Cell, Column, ExportError, Kind, TableWriter, Written};
use std::io::{Seek, Write};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// The rows of a sheet, header and totals included.
pub const SHEET_ROWS_MAX: u32 = 1_048_576;
/// The sheets of a workbook, summary and parameters included.
pub const SHEETS_MAX: usize = 255;
/// Characters of a sheet's name; a number in brackets still fits behind ours.
const SHEET_NAME_CHARS_MAX: usize = 31;
const TABLE_NAME_CHARS_MAX: usize = 25;
/// A sheet has room for the header, one row and the totals.
const SHEET_ROWS_MIN: u32 = 3;
/// How hard the archive is packed, of 9: past this, time grows faster than files shrink.
const PACKING_LEVEL: i64 = 2;

/// A workbook: a summary sheet first, then each table on one or more sheets, and a sheet of parameters last.
///
/// Each table's sheets have a frozen header and a filter; the last of them ends with a row of totals, summed by us
/// and not by a formula. The same rows give the same bytes.
#[derive(Debug)]
pub struct Workbook<W: Write + Seek> {
    zip: ZipWriter<W>,
    about: About,
    rows_max: u32,
    /// Sheets of tables, in order; the summary stands before them, the parameters after.
    sheets: Vec<SheetPart>,
    tables: Vec<FinishedTable>,
    is_table_open: bool,
}

/// One written sheet of a table.
#[derive(Debug)]
struct SheetPart {
    name: String,
    /// The cells that its filter covers, as `$A$1:$F$9`.
    filtered: String,
}

#[derive(Debug)]
struct FinishedTable {
    name: String,
    columns: Vec<Column>,
    written: Written,
    sheets: usize,
}

impl<W: Write + Seek> Workbook<W> {
    /// Begins a workbook whose sheets have as many rows as the format allows.
    pub fn new(sink: W, about: About) -> Workbook<W> {
        Workbook {
            zip: ZipWriter::new(sink),
            about,
            rows_max: SHEET_ROWS_MAX,
            sheets: Vec::new(),
            tables: Vec::new(),
            is_table_open: false,
        }
    }

    /// The same with fewer rows a sheet, for readers that open no more. Between 3 and [`SHEET_ROWS_MAX`].
    #[must_use]
    pub fn with_sheet_rows_max(mut self, rows: u32) -> Workbook<W> {
        self.rows_max = rows.clamp(SHEET_ROWS_MIN, SHEET_ROWS_MAX);
        self
    }

    /// Begins a table on a sheet of this name, after the tables before it.
    ///
    /// # Errors
    /// [`ExportError::TableNotFinished`] where the one before was not, [`ExportError::BadSheetName`],
    /// [`ExportError::BadColumns`], [`ExportError::TooManySheets`], or writing fails.
    pub fn table(&mut self, name: &str, columns: &[Column]) -> Result<XlsxTable<'_, W>, ExportError> {
        if self.is_table_open {
            return Err(ExportError::TableNotFinished);
        }
        self.check_name(name)?;
        XlsxTable::try_new(self, name, Tally::try_new(columns)?)
    }

    fn check_name(&self, name: &str) -> Result<(), ExportError> {
        let is_taken = |taken: &str| taken.to_lowercase() == name.to_lowercase();
        let has_mark = name.contains(['[', ']', ':', '*', '?', '/', '\\', '\'', '(', ')']);
        let has_control = name.chars().any(char::is_control);
        let length = name.encode_utf16().count();
        let taken = self.tables.iter().map(|table| table.name.as_str()).chain(parts::OWN_SHEETS);
        if has_mark
            || has_control
            || length == 0
            || length > TABLE_NAME_CHARS_MAX
            || taken.into_iter().any(is_taken)
        {
            return Err(ExportError::BadSheetName { name: name.to_owned(), max: TABLE_NAME_CHARS_MAX });
        }
        Ok(())
    }

    /// Writes summary and parameters, ends the archive and gives the sink back.
    ///
    /// # Errors
    /// [`ExportError::TableNotFinished`], or writing fails.
    pub fn finish(mut self) -> Result<W, ExportError> {
        if self.is_table_open {
            return Err(ExportError::TableNotFinished);
        }
        let (summary, parameters) = (self.summary_rows(), self.parameter_rows());
        let last = self.sheets.len() + 2;
        self.write_part(&parts::sheet_path(1), &parts::text_sheet(&summary))?;
        self.write_part(&parts::sheet_path(last), &parts::text_sheet(&parameters))?;
        self.write_part("xl/workbook.xml", &parts::workbook(&self.sheets))?;
        self.write_part("xl/_rels/workbook.xml.rels", &parts::workbook_relations(last))?;
        self.write_part("xl/styles.xml", &parts::styles())?;
        self.write_part("_rels/.rels", parts::ROOT_RELATIONS)?;
        self.write_part("[Content_Types].xml", &parts::content_types(last))?;
        let mut sink = self.zip.finish()?;
        sink.flush()?;
        Ok(sink)
    }

    fn start_part(&mut self, path: &str) -> Result<(), ExportError> {
        // A fixed time of change: the same rows give the same bytes. Sheets may pass 4 GiB before packing.
        let options = SimpleFileOptions::default()
            .compression_level(Some(PACKING_LEVEL))
            .last_modified_time(zip::DateTime::default())
            .large_file(true);
        Ok(self.zip.start_file(path, options)?)
    }

    fn write_part(&mut self, path: &str, text: &str) -> Result<(), ExportError> {
        self.start_part(path)?;
        Ok(self.zip.write_all(text.as_bytes())?)
    }

    fn summary_rows(&self) -> Vec<[String; 3]> {
        let line = |one: &str, two: &str, three: String| [one.to_owned(), two.to_owned(), three];
        let mut rows = vec![line("title", "", self.about.title.clone())];
        for table in &self.tables {
            rows.push(line(&table.name, "rows", table.written.rows.to_string()));
            rows.push(line(&table.name, "sheets", table.sheets.to_string()));
            rows.push(line(
                &table.name,
                "amounts written as text (more than 15 digits)",
                table.written.amounts_as_text.to_string(),
            ));
            for (column, total) in table.columns.iter().zip(&table.written.totals) {
                let Some(total) = total else { continue };
                let scale = match column.kind() {
                    Kind::Money { scale } => scale,
                    _ => 0,
                };
                let total = crate::decimal_text(*total, scale);
                rows.push(line(&table.name, &format!("total of {}", column.name()), total));
            }
        }
        rows
    }

    fn parameter_rows(&self) -> Vec<[String; 3]> {
        let line = |(name, value): (&str, &str)| [name.to_owned(), String::new(), value.to_owned()];
        self.about.lines().map(line).collect()
    }
}

impl<W: Write + Seek> TableWriter for XlsxTable<'_, W> {
    fn push(&mut self, row: &[Cell<'_>]) -> Result<(), ExportError> {
        self.push_row(row)
    }
}
