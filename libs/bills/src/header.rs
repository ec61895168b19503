//! Columns by name, never by place: channels add, drop and reorder columns without notice.

use crate::Limits;
use crate::error::{BillError, Flaw, Place};

/// The names of a table's columns, as written, without white space, backticks and full-width brackets.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub line: u64,
    names: Vec<String>,
}

impl Header {
    pub fn of<'a>(
        line: u64,
        fields: impl Iterator<Item = &'a str>,
        limits: &Limits,
    ) -> Result<Header, BillError> {
        let names: Vec<String> = fields.take(limits.fields_max.saturating_add(1)).map(plain).collect();
        if names.len() > limits.fields_max {
            let at_most = u64::try_from(limits.fields_max).unwrap_or(u64::MAX);
            return Err(BillError::TooMuch { place: Place::line(line), limit: "fields_max", at_most });
        }
        Ok(Header { line, names })
    }

    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// The column of the first of `names` that is there.
    pub fn find(&self, names: &[&str]) -> Result<Option<usize>, BillError> {
        for name in names {
            let mut places = self.names.iter().enumerate().filter(|(_, column)| column == name);
            let Some((index, _)) = places.next() else { continue };
            if let Some((again, column)) = places.next() {
                let place = Place::field(self.line, again);
                return Err(BillError::broken(place, "the column", Flaw::Twice, column));
            }
            return Ok(Some(index));
        }
        Ok(None)
    }

    /// The same, for a column without which nothing can be read.
    pub fn get(&self, names: &[&str]) -> Result<usize, BillError> {
        let missing = || {
            let name = names.first().copied().unwrap_or_default();
            BillError::broken(Place::line(self.line), "the column", Flaw::Missing, name)
        };
        self.find(names)?.ok_or_else(missing)
    }

    pub fn name(&self, index: usize) -> &str {
        self.names.get(index).map_or("", String::as_str)
    }

    pub fn names(&self) -> impl Iterator<Item = (usize, &str)> {
        self.names.iter().map(String::as_str).enumerate()
    }

    /// An error about one field of a row.
    pub fn broken(&self, line: u64, index: usize, flaw: Flaw, found: &str) -> BillError {
        BillError::broken(Place::field(line, index), self.name(index).to_owned(), flaw, found)
    }

    /// A row with another number of fields than the header cannot be told apart.
    pub fn check_width(&self, line: u64, width: usize, row: &str) -> Result<(), BillError> {
        if width == self.len() {
            return Ok(());
        }
        let shorter = width.min(self.len());
        Err(BillError::broken(Place::field(line, shorter), "the row", Flaw::FieldCount, row))
    }
}

/// A column's name without what channels change at will.
pub(crate) fn plain(name: &str) -> String {
    let name = name.trim_start_matches('\u{feff}').trim();
    let name = name.strip_prefix('`').unwrap_or(name).trim();
    name.replace('（', "(").replace('）', ")")
}
