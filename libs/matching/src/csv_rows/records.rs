//! Records of a CSV file in bounded memory: cut at commas while no quote has been seen, by `csv-core` from there on.

use csv_core::ReadRecordResult;
use std::io::{self, ErrorKind, Read};

/// The longest record, in bytes.
pub const RECORD_BYTES_MAX: usize = 1 << 20;
/// The most fields of a record.
pub const FIELDS_MAX: usize = 1_024;

/// Bytes that are read at once.
const BLOCK_BYTES: usize = 256 << 10;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why there is no next record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("reading failed")]
    Read(#[from] io::Error),
    #[error("a record is longer than {RECORD_BYTES_MAX} bytes: a quote may be open")]
    TooLong,
    #[error("a record has more than {FIELDS_MAX} fields")]
    TooManyFields,
}

/// One record: its bytes, and where each field lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    ends: &'a [usize],
    /// Bytes between two fields: the comma, where it is still there.
    gap: usize,
}

impl<'a> Fields<'a> {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn field(&self, at: usize) -> Option<&'a [u8]> {
        let end = *self.ends.get(at)?;
        let start =
            at.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| end + self.gap);
        self.bytes.get(start..end)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &'a [u8]> + '_ {
        (0..self.len()).filter_map(|at| self.field(at))
    }
}

/// The records of a reader.
#[derive(Debug)]
pub(super) struct Records<R> {
    reader: R,
    buffer: Vec<u8>,
    /// What of the buffer has not been given yet.
    from: usize,
    filled: usize,
    at_end: bool,
    /// Up to here the buffer is whole lines without quotes.
    plain_until: usize,
    /// Set for good when the first quote or carriage return is met.
    core: Option<Box<Quoted>>,
    ends: Vec<usize>,
}

/// The state of `csv-core`, and the record it unpacks.
#[derive(Debug)]
struct Quoted {
    core: csv_core::Reader,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl<R: Read> Records<R> {
    pub(super) fn new(reader: R) -> Records<R> {
        Records {
            reader,
            buffer: vec![0; BLOCK_BYTES],
            from: 0,
            filled: 0,
            at_end: false,
            plain_until: 0,
            core: None,
            ends: Vec::new(),
        }
    }

    /// The next record; empty lines are none.
    pub(super) fn next_record(&mut self) -> Result<Option<Fields<'_>>, RecordError> {
        while self.core.is_none() {
            if self.from == self.plain_until {
                if self.from == self.filled && self.at_end {
                    return Ok(None);
                }
                self.find_lines()?;
                continue;
            }
            let start = self.from;
            let rest = &self.buffer[start..self.plain_until];
            let len = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            self.from = (start + len + 1).min(self.plain_until);
            if len == 0 {
                continue;
            }
            return self.cut(start, start + len).map(Some);
        }
        self.next_quoted()
    }

    fn cut(&mut self, start: usize, end: usize) -> Result<Fields<'_>, RecordError> {
        let bytes = &self.buffer[start..end];
        self.ends.clear();
        self.ends.extend(memchr::memchr_iter(b',', bytes).take(FIELDS_MAX));
        self.ends.push(bytes.len());
        if self.ends.len() > FIELDS_MAX {
            return Err(RecordError::TooManyFields);
        }
        Ok(Fields { bytes, ends: &self.ends, gap: 1 })
    }

    /// Fills the buffer and finds whole lines in it; the first quote or carriage return ends plain cutting.
    fn find_lines(&mut self) -> Result<(), RecordError> {
        let first = self.from == 0 && self.filled == 0;
        let seen = self.filled - self.from;
        if !self.at_end {
            self.fill()?;
        }
        if first && self.buffer[..self.filled].starts_with(BYTE_ORDER_MARK) {
            self.from = BYTE_ORDER_MARK.len();
        }
        let fresh = &self.buffer[self.from..self.filled];
        if memchr::memchr2(b'"', b'\r', fresh).is_some() {
            self.core = Some(Box::new(Quoted {
                core: csv_core::Reader::new(),
                bytes: vec![0; RECORD_BYTES_MAX],
                ends: vec![0; FIELDS_MAX],
            }));
            return Ok(());
        }
        self.plain_until = match memchr::memrchr(b'\n', fresh) {
            _ if self.at_end => self.filled,
            Some(last) => self.from + last + 1,
            None if seen.max(fresh.len()) > RECORD_BYTES_MAX => return Err(RecordError::TooLong),
            None => self.from,
        };
        Ok(())
    }

    /// Moves what is left to the front and reads more behind it.
    fn fill(&mut self) -> Result<(), RecordError> {
        self.buffer.copy_within(self.from..self.filled, 0);
        self.filled -= self.from;
        self.from = 0;
        self.plain_until = 0;
        if self.buffer.len() - self.filled < BLOCK_BYTES / 2 {
            self.buffer.resize(self.buffer.len() + BLOCK_BYTES, 0);
        }
        while self.filled < self.buffer.len() {
            match self.reader.read(&mut self.buffer[self.filled..]) {
                Ok(0) => {
                    self.at_end = true;
                    break;
                }
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(RecordError::Read(error)),
            }
        }
        Ok(())
    }

    fn next_quoted(&mut self) -> Result<Option<Fields<'_>>, RecordError> {
        let (mut out, mut fields) = (0, 0);
        loop {
            if self.from == self.filled && !self.at_end {
                self.fill()?;
            }
            let Some(Quoted { core, bytes, ends }) = self.core.as_deref_mut() else { return Ok(None) };
            let input = &self.buffer[self.from..self.filled];
            let (result, read, written, ended) =
                core.read_record(input, &mut bytes[out..], &mut ends[fields..]);
            self.from += read;
            out += written;
            fields += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => return Err(RecordError::TooLong),
                ReadRecordResult::OutputEndsFull => return Err(RecordError::TooManyFields),
                ReadRecordResult::Record => break,
                ReadRecordResult::End => return Ok(None),
            }
        }
        // Borrowed anew, because the loop above may not keep what it returns.
        Ok(self.core.as_deref().map(|quoted| Fields {
            bytes: &quoted.bytes[..out],
            ends: &quoted.ends[..fields],
            gap: 0,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::{RECORD_BYTES_MAX, RecordError, Records};
    use proptest::prelude::*;
    use std::io::Read;

    fn read(bytes: impl Read) -> Vec<Vec<Vec<u8>>> {
        let mut records = Records::new(bytes);
        let mut all = Vec::new();
        while let Some(record) = records.next_record().expect("short records") {
            all.push(record.iter().map(<[u8]>::to_vec).collect());
        }
        all
    }

    /// The same by `csv-core` alone: a quote in a first record of its own makes it read everything.
    fn read_quoted(text: &str) -> Vec<Vec<Vec<u8>>> {
        read(format!("\"x\"\n{text}").as_bytes()).split_off(1)
    }

    proptest! {
        #[test]
        fn cutting_at_commas_gives_what_csv_core_gives(text in "([ab,\n]{0,8}(\"[a,\n]{0,3}\")?\r?){0,20}") {
            prop_assert_eq!(read(text.as_bytes()), read_quoted(&text));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn blocks_do_not_show(lines in prop::collection::vec("[ab,]{1,30}", 0..40), quoted_at in 0_usize..80) {
            // Far longer than a block, so that lines lie across its ends; a quote comes late or never.
            let mut text = String::new();
            for (at, line) in (0..).zip(lines.iter().cycle().take(if lines.is_empty() { 0 } else { 40_000 })) {
                text.push_str(line);
                text.push_str(if at == quoted_at * 1_000 { ",\"q\nq\"\n" } else { "\n" });
            }
            prop_assert_eq!(read(text.as_bytes()), read_quoted(&text));
        }
    }

    #[test]
    fn a_record_that_never_ends_is_refused_in_bounded_memory() {
        for byte in [b"\"".as_slice(), b"a".as_slice()] {
            let endless = byte.chain(std::io::repeat(b'a'));
            let mut records = Records::new(endless);
            assert!(matches!(records.next_record(), Err(RecordError::TooLong)));
            assert!(records.buffer.len() <= 2 * RECORD_BYTES_MAX);
        }
    }

    #[test]
    fn a_byte_order_mark_and_a_missing_last_newline_change_nothing() {
        let plain = [[b"a", b"b"], [b"1", b"2"]];
        for text in ["a,b\n1,2\n", "\u{feff}a,b\n1,2", "a,b\r\n1,2\r\n", "\u{feff}\"a\",b\n\n1,2"] {
            assert_eq!(read(text.as_bytes()), plain, "{text:?}");
        }
    }
}
