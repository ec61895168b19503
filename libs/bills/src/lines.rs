//! Lines of a text, streamed: a line is lent until the next is asked for. Memory is one block and one line.

use crate::error::{BillError, Flaw, Place};
use crate::source::{Digested, Source, from_io};
use crate::{Expect, Limits};
use encoding_rs::{Encoding, UTF_8};
use memchr::memchr;
use std::borrow::Cow;
use std::io::Read;

/// Bytes read at a time.
const BLOCK_BYTES: usize = 64 << 10;

/// What stands before the first character of many UTF-8 files.
pub(crate) const BOM: &[u8] = b"\xef\xbb\xbf";

pub(crate) struct Lines<R> {
    source: Source<R>,
    block: Vec<u8>,
    /// What of the block is not lent yet.
    from: usize,
    to: usize,
    at_end: bool,
    line: u64,
    row_bytes_max: usize,
    encoding: &'static Encoding,
}

impl<R: Read> Lines<R> {
    pub fn new(inner: R, limits: &Limits, expect: &Expect, encoding: &'static Encoding) -> Lines<R> {
        Lines {
            source: Source::new(inner, limits, expect),
            block: vec![0; BLOCK_BYTES.max(limits.row_bytes_max.saturating_add(2))],
            from: 0,
            to: 0,
            at_end: false,
            line: 0,
            row_bytes_max: limits.row_bytes_max,
            encoding,
        }
    }

    /// The number of the line that was lent last; 0 before the first.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Lends the next line, without its end. Empty lines are lent too.
    pub fn next(&mut self) -> Result<Option<(u64, Cow<'_, str>)>, BillError> {
        let Some(range) = self.find_line()? else { return Ok(None) };
        self.line += 1;
        let mut bytes = &self.block[range];
        bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        if self.line == 1 {
            bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
        }
        let text = if self.encoding == UTF_8 {
            std::str::from_utf8(bytes).ok().map(Cow::Borrowed)
        } else {
            self.encoding.decode_without_bom_handling_and_without_replacement(bytes)
        };
        let broken = || {
            let seen = String::from_utf8_lossy(bytes);
            BillError::broken(Place::line(self.line), "the line", Flaw::NotText, &seen)
        };
        text.map(|text| Some((self.line, text))).ok_or_else(broken)
    }

    fn find_line(&mut self) -> Result<Option<std::ops::Range<usize>>, BillError> {
        let mut searched = self.from;
        loop {
            if let Some(at) = memchr(b'\n', &self.block[searched..self.to]) {
                let range = self.from..searched + at;
                self.from = range.end + 1;
                return self.check_len(&range).map(|()| Some(range));
            }
            if self.at_end {
                let range = self.from..self.to;
                self.from = self.to;
                return if range.is_empty() {
                    Ok(None)
                } else {
                    self.check_len(&range).map(|()| Some(range))
                };
            }
            self.check_len(&(self.from..self.to.saturating_sub(1)))?;
            searched = self.to - self.from;
            self.fill()?;
        }
    }

    /// Moves what is left to the front and reads behind it. The block holds the longest row allowed, so there
    /// is always room.
    fn fill(&mut self) -> Result<(), BillError> {
        self.block.copy_within(self.from..self.to, 0);
        self.to -= self.from;
        self.from = 0;
        let place = Place::line(self.line + 1);
        loop {
            match self.source.read(&mut self.block[self.to..]) {
                Ok(0) => self.at_end = true,
                Ok(count) => self.to += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(from_io(error, place)),
            }
            return Ok(());
        }
    }

    fn check_len(&self, range: &std::ops::Range<usize>) -> Result<(), BillError> {
        if range.len() <= self.row_bytes_max.saturating_add(1) {
            return Ok(());
        }
        let at_most = u64::try_from(self.row_bytes_max).unwrap_or(u64::MAX);
        Err(BillError::TooMuch { place: Place::line(self.line + 1), limit: "row_bytes_max", at_most })
    }

    /// The digest; the rest of the file must be empty lines.
    pub fn finish(mut self) -> Result<Digested, BillError> {
        while let Some((line, text)) = self.next()? {
            if !text.trim().is_empty() {
                return Err(BillError::broken(
                    Place::line(line),
                    "a line after the end",
                    Flaw::Misplaced,
                    &text,
                ));
            }
        }
        self.source.finish()
    }
}
