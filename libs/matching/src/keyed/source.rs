//! Where rows come from: anything that gives one after another, and says which could not be read.

use super::row::{Row, RowBuf};

/// Why a side could not be read on.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// One step of a source.
#[derive(Debug)]
pub enum Read<'a> {
    Row(Row<'a>),
    /// A row that is there and cannot be read, with the reason in words. It becomes a difference.
    Invalid(String),
}

/// A side: rows in any order. The n-th call that gives something gives row number n, from 1.
pub trait Rows {
    /// The next row; `None` after the last.
    ///
    /// # Errors
    /// Whatever stops the reading for good; a single bad row is [`Read::Invalid`] instead.
    fn next_row(&mut self) -> Result<Option<Read<'_>>, SourceError>;
}

impl<R: Rows + ?Sized> Rows for &mut R {
    fn next_row(&mut self) -> Result<Option<Read<'_>>, SourceError> {
        (**self).next_row()
    }
}

/// Rows of an iterator.
#[derive(Debug)]
pub struct Each<I> {
    rows: I,
    current: RowBuf,
}

impl<I: Iterator<Item = RowBuf>> Each<I> {
    pub fn new(rows: impl IntoIterator<IntoIter = I>) -> Each<I> {
        Each { rows: rows.into_iter(), current: RowBuf::default() }
    }
}

impl<I: Iterator<Item = RowBuf>> Rows for Each<I> {
    fn next_row(&mut self) -> Result<Option<Read<'_>>, SourceError> {
        let Some(row) = self.rows.next() else { return Ok(None) };
        self.current = row;
        Ok(Some(Read::Row(self.current.as_row())))
    }
}
