//! Bounded lines of a file that may be gzip: no line, file or bomb can fill the memory.
//!
//! Also sums the file's bytes (SHA-256), so that a file that changed between two readings is noticed.

use crate::error::ReplayError;
use crate::format::{LINE_LEN_MAX, UNPACKED_LEN_MAX};
use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

const READ_BUFFER_LEN: usize = 128 * 1024;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The sum of a file's raw bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSum(pub [u8; 32]);

impl std::fmt::Display for FileSum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Reads lines, one at a time.
pub(crate) struct Lines {
    source: Box<dyn BufRead + Send>,
    sum: Arc<Mutex<Sha256>>,
    /// The number of the line that was read last.
    line: u64,
    unpacked_len: u64,
    buffer: Vec<u8>,
}

struct Summing {
    file: File,
    sum: Arc<Mutex<Sha256>>,
}

impl Read for Summing {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let len = self.file.read(buffer)?;
        // A poisoned sum is still a sum: nothing between lock and unlock can leave it half done.
        self.sum.lock().unwrap_or_else(PoisonError::into_inner).update(buffer.get(..len).unwrap_or_default());
        Ok(len)
    }
}

impl Lines {
    pub(crate) fn open(path: &Path) -> Result<Lines, ReplayError> {
        let open_error = |source| ReplayError::Open { path: path.to_owned(), source };
        let file = File::open(path).map_err(open_error)?;
        let sum = Arc::new(Mutex::new(Sha256::new()));
        let mut raw = BufReader::with_capacity(READ_BUFFER_LEN, Summing { file, sum: Arc::clone(&sum) });
        let packed = raw.fill_buf().map_err(open_error)?.starts_with(&GZIP_MAGIC);
        let source: Box<dyn BufRead + Send> = if packed {
            Box::new(BufReader::with_capacity(READ_BUFFER_LEN, MultiGzDecoder::new(raw)))
        } else {
            Box::new(raw)
        };
        Ok(Lines { source, sum, line: 0, unpacked_len: 0, buffer: Vec::new() })
    }

    /// The first bytes, still unread: enough to tell what the file is.
    pub(crate) fn peek(&mut self) -> Result<&[u8], ReplayError> {
        self.source.fill_buf().map_err(|error| read_error(1, error))
    }

    /// The next line without its end, or `None` after the last.
    pub(crate) fn next_line(&mut self) -> Result<Option<(u64, &str)>, ReplayError> {
        self.line += 1;
        let line = self.line;
        self.buffer.clear();
        loop {
            let chunk = self.source.fill_buf().map_err(|error| read_error(line, error))?;
            if chunk.is_empty() {
                if self.buffer.is_empty() {
                    return Ok(None);
                }
                break;
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let taken = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
            if self.buffer.len() + taken.len() > LINE_LEN_MAX {
                return Err(ReplayError::LineTooLong { line });
            }
            self.buffer.extend_from_slice(taken);
            let used = taken.len() + usize::from(end.is_some());
            self.source.consume(used);
            self.unpacked_len = self.unpacked_len.saturating_add(u64::try_from(used).unwrap_or(u64::MAX));
            if self.unpacked_len > UNPACKED_LEN_MAX {
                return Err(ReplayError::UnpackedTooLong { line });
            }
            if end.is_some() {
                break;
            }
        }
        let text = std::str::from_utf8(&self.buffer).map_err(|_| ReplayError::NotText { line })?;
        match text.strip_suffix('\r').unwrap_or(text) {
            empty if empty.trim().is_empty() => Err(ReplayError::EmptyLine { line }),
            text => Ok(Some((line, text))),
        }
    }

    /// The whole of what is left, at most `max` bytes.
    pub(crate) fn read_all(&mut self, max: u64) -> Result<Vec<u8>, ReplayError> {
        let mut all = Vec::new();
        let mut bounded = (&mut self.source).take(max.saturating_add(1));
        bounded.read_to_end(&mut all).map_err(|error| read_error(1, error))?;
        if u64::try_from(all.len()).map_or(true, |len| len > max) {
            return Err(ReplayError::RecordingTooLong { max });
        }
        Ok(all)
    }

    /// The sum of what was read; of the whole file once the last line was.
    pub(crate) fn sum(&self) -> FileSum {
        FileSum(self.sum.lock().unwrap_or_else(PoisonError::into_inner).clone().finalize().into())
    }
}

fn read_error(line: u64, error: std::io::Error) -> ReplayError {
    match error.kind() {
        ErrorKind::UnexpectedEof => ReplayError::Truncated { line },
        ErrorKind::InvalidInput | ErrorKind::InvalidData => {
            ReplayError::Damaged { line, problem: error.to_string() }
        }
        _ => ReplayError::Read { line, source: error },
    }
}
