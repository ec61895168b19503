//! Rows of a CSV file, and differences written as one. Follows the rules of the `csv` crate, by its own core.
//!
//! Lines without a quote, which is most files from end to end, are cut at commas; from the first block with a quote or a
//! carriage return on, `csv-core` reads the rest. Amounts are read digit by digit into integers. Must not guess: a row
//! with a wrong number of fields, amount or day is an invalid row with its reason.

mod columns;
mod records;
mod report;

pub use columns::{AmountFormat, Columns, ColumnsError};
pub use records::{FIELDS_MAX, RECORD_BYTES_MAX, RecordError};
pub use report::write_differences;

use crate::keyed::{Read, Row, Rows, SourceError};
use columns::Places;
use records::Records;

/// A CSV file as one side of a comparison. Its first record names the columns.
#[derive(Debug)]
pub struct CsvRows<R> {
    records: Records<R>,
    places: Places,
    amounts: AmountFormat,
}

impl<R: std::io::Read> CsvRows<R> {
    /// Reads the header. The reader needs no buffer of its own.
    ///
    /// # Errors
    /// [`CsvError`]: the file cannot be read, or lacks a column.
    pub fn try_new(reader: R, columns: &Columns) -> Result<CsvRows<R>, CsvError> {
        let mut records = Records::new(reader);
        let header: Vec<Vec<u8>> = match records.next_record()? {
            Some(record) => record.iter().map(<[u8]>::to_vec).collect(),
            None => Vec::new(),
        };
        Ok(CsvRows { records, places: columns.find(&header)?, amounts: columns.amounts })
    }
}

/// Why a file is no side of a comparison.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    #[error("the file cannot be read")]
    Record(#[from] RecordError),
    #[error("the header does not fit")]
    Columns(#[from] ColumnsError),
}

impl<R: std::io::Read> Rows for CsvRows<R> {
    fn next_row(&mut self) -> Result<Option<Read<'_>>, SourceError> {
        let CsvRows { records, places, amounts } = self;
        let Some(record) = records.next_record()? else { return Ok(None) };
        if record.len() != places.fields {
            let reason = format!("{} fields instead of {}", record.len(), places.fields);
            return Ok(Some(Read::Invalid(reason)));
        }
        let field = |place: Option<usize>| place.and_then(|place| record.field(place)).unwrap_or_default();
        let (amount, day) = (field(Some(places.amount)), field(Some(places.day)));
        let Some(amount_minor) = amounts.parse(amount) else {
            return Ok(Some(Read::Invalid(format!("{:?} is no amount", String::from_utf8_lossy(amount)))));
        };
        let Some(day) = crate::day::parse(day) else {
            return Ok(Some(Read::Invalid(format!("{:?} is no day", String::from_utf8_lossy(day)))));
        };
        let key = field(Some(places.key));
        if key.is_empty() {
            return Ok(Some(Read::Invalid("no key".to_owned())));
        }
        Ok(Some(Read::Row(Row {
            key,
            account: field(places.account),
            amount_minor,
            currency: field(Some(places.currency)),
            status: field(places.status),
            day,
        })))
    }
}
