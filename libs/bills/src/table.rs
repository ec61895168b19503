//! CSV tables with quotes, through the csv crate: one row at a time, its length capped, its fields decoded.

use crate::error::{BillError, Flaw, Place};
use crate::source::{Digested, Source, from_io, passed};
use crate::{Intake, Limits};
use csv::{ByteRecord, ReaderBuilder};
use encoding_rs::{Encoding, UTF_8};
use std::borrow::Cow;
use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// Bytes that the csv reader asks for at a time.
const BUFFER_BYTES: usize = 64 << 10;

/// Ends the reading when one row takes more than its share: an open quotation mark would otherwise take the rest
/// of the file into memory.
struct Leash<R> {
    inner: Source<R>,
    left: Rc<Cell<usize>>,
    row_bytes_max: usize,
}

impl<R: Read> Read for Leash<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        match self.left.get().checked_sub(count) {
            Some(left) => self.left.set(left),
            None => {
                let at_most = u64::try_from(self.row_bytes_max).unwrap_or(u64::MAX);
                return Err(passed("row_bytes_max", at_most));
            }
        }
        Ok(count)
    }
}

pub(crate) struct Table<R> {
    reader: csv::Reader<Leash<R>>,
    left: Rc<Cell<usize>>,
    record: ByteRecord,
    encoding: &'static Encoding,
    delimiter: u8,
    limits: Limits,
    line: u64,
}

impl<R: Read> Table<R> {
    pub fn new(bytes: R, intake: &Intake, delimiter: u8, encoding: &'static Encoding) -> Table<R> {
        let left = Rc::new(Cell::new(0));
        let inner = Source::new(bytes, &intake.limits, &intake.expect);
        let leash = Leash { inner, left: left.clone(), row_bytes_max: intake.limits.row_bytes_max };
        let mut builder = ReaderBuilder::new();
        builder.has_headers(false).flexible(true).delimiter(delimiter).buffer_capacity(BUFFER_BYTES);
        Table {
            reader: builder.from_reader(leash),
            left,
            record: ByteRecord::new(),
            encoding,
            delimiter,
            limits: intake.limits,
            line: 0,
        }
    }

    /// Reads the next row; `None` at the end. Empty lines are no rows.
    pub fn next(&mut self) -> Result<Option<u64>, BillError> {
        self.left.set(self.limits.row_bytes_max.saturating_add(BUFFER_BYTES));
        let place = Place::line(self.line + 1);
        let is_row =
            self.reader.read_byte_record(&mut self.record).map_err(|error| match error.into_kind() {
                csv::ErrorKind::Io(error) => from_io(error, place),
                _ => BillError::broken(place, "the row", Flaw::Malformed, ""),
            })?;
        if !is_row {
            return Ok(None);
        }
        self.line = self.record.position().map_or(self.line + 1, csv::Position::line);
        let too_much = |limit, at_most: usize| {
            let at_most = u64::try_from(at_most).unwrap_or(u64::MAX);
            BillError::TooMuch { place: Place::line(self.line), limit, at_most }
        };
        if self.record.as_slice().len() > self.limits.row_bytes_max {
            return Err(too_much("row_bytes_max", self.limits.row_bytes_max));
        }
        if self.record.len() > self.limits.fields_max {
            return Err(too_much("fields_max", self.limits.fields_max));
        }
        Ok(Some(self.line))
    }

    /// The fields of the row that was read last, as text.
    pub fn fields(&self) -> Result<Vec<Cow<'_, str>>, BillError> {
        let decoded = self.record.iter().enumerate().map(|(index, field)| {
            let text = if self.encoding == UTF_8 {
                std::str::from_utf8(field).ok().map(Cow::Borrowed)
            } else {
                self.encoding.decode_without_bom_handling_and_without_replacement(field)
            };
            text.ok_or_else(|| {
                let seen = String::from_utf8_lossy(field);
                BillError::broken(Place::field(self.line, index), "the field", Flaw::NotText, &seen)
            })
        });
        decoded.collect()
    }

    pub fn width(&self) -> usize {
        self.record.len()
    }

    /// The row as one line, quoted where it must be: the csv crate does not keep how it was quoted.
    pub fn raw(&self, fields: &[Cow<'_, str>]) -> String {
        let delimiter = char::from(self.delimiter);
        let mut raw = String::with_capacity(self.record.as_slice().len() + fields.len());
        for (index, field) in fields.iter().enumerate() {
            if index > 0 {
                raw.push(delimiter);
            }
            if field.contains(['"', '\n', '\r', delimiter]) {
                raw.push('"');
                raw.push_str(&field.replace('"', "\"\""));
                raw.push('"');
            } else {
                raw.push_str(field);
            }
        }
        raw
    }

    /// The digest. The csv reader has read to the end when it gave no more rows.
    pub fn finish(self) -> Result<Digested, BillError> {
        self.reader.into_inner().inner.finish()
    }
}
