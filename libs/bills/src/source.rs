//! Bytes on their way into a parser: counted, hashed and capped. Owns what a digest is.

use crate::error::{BillError, Place};
use crate::{Expect, Limits};
use sha2::{Digest, Sha256};
use std::io::{self, Read};

/// What the bytes of a bill were, unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digested {
    pub sha256: [u8; 32],
    pub bytes: u64,
}

/// A ceiling passed inside a reader, on its way through [`io::Error`].
#[derive(Debug, thiserror::Error)]
#[error("passes {limit} = {at_most}")]
struct Passed {
    limit: &'static str,
    at_most: u64,
}

pub(crate) fn passed(limit: &'static str, at_most: u64) -> io::Error {
    io::Error::other(Passed { limit, at_most })
}

/// A reader's error, with what was a ceiling told as one. Damaged compression is the file's fault, not the
/// disk's.
pub(crate) fn from_io(error: io::Error, place: Place) -> BillError {
    if let Some(Passed { limit, at_most }) = error.get_ref().and_then(|inner| inner.downcast_ref::<Passed>())
    {
        return BillError::TooMuch { place, limit, at_most: *at_most };
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => BillError::Truncated { place, awaited: "its packed bytes".into() },
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            BillError::broken(place, "packed bytes", crate::error::Flaw::Malformed, &error.to_string())
        }
        _ => BillError::Io(error),
    }
}

/// Counts, hashes and caps what is read through it.
pub(crate) struct Source<R> {
    inner: R,
    sha256: Sha256,
    sha1: Option<sha1::Sha1>,
    bytes: u64,
    bytes_max: u64,
    expect: Expect,
}

impl<R: Read> Source<R> {
    pub fn new(inner: R, limits: &Limits, expect: &Expect) -> Source<R> {
        Source {
            inner,
            sha256: Sha256::new(),
            sha1: expect.sha1.map(|_| sha1::Sha1::new()),
            bytes: 0,
            bytes_max: limits.file_bytes_max,
            expect: expect.clone(),
        }
    }

    /// The digest of everything, after the last byte was read. Compares it with what was expected.
    pub fn finish(self) -> Result<Digested, BillError> {
        let sha256: [u8; 32] = self.sha256.finalize().into();
        let differs = |algorithm, expected: &[u8], found: &[u8]| BillError::Hash {
            algorithm,
            expected: hex(expected),
            found: hex(found),
        };
        if let Some(expected) = self.expect.sha256.filter(|expected| *expected != sha256) {
            return Err(differs("SHA-256", &expected, &sha256));
        }
        if let (Some(expected), Some(hasher)) = (self.expect.sha1, self.sha1) {
            let found: [u8; 20] = hasher.finalize().into();
            if found != expected {
                return Err(differs("SHA-1", &expected, &found));
            }
        }
        Ok(Digested { sha256, bytes: self.bytes })
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes = self.bytes.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        if self.bytes > self.bytes_max {
            return Err(passed("file_bytes_max", self.bytes_max));
        }
        self.sha256.update(&buffer[..count]);
        if let Some(sha1) = &mut self.sha1 {
            sha1.update(&buffer[..count]);
        }
        Ok(count)
    }
}

/// Unpacked bytes may not outgrow the packed ones beyond reason.
pub(crate) struct Unpacked<R> {
    inner: R,
    left: u64,
    limits: Limits,
}

/// Unpacked bytes that are free of the ratio: small texts pack very well.
const UNPACKED_FREE_BYTES: u64 = 1 << 20;

impl<R: Read> Unpacked<R> {
    pub fn new(inner: R, packed_bytes: u64, limits: &Limits) -> Unpacked<R> {
        let left = packed_bytes.saturating_mul(limits.unpack_ratio_max).saturating_add(UNPACKED_FREE_BYTES);
        Unpacked { inner, left, limits: *limits }
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        match self.left.checked_sub(u64::try_from(count).unwrap_or(u64::MAX)) {
            Some(left) => self.left = left,
            None => return Err(passed("unpack_ratio_max", self.limits.unpack_ratio_max)),
        }
        Ok(count)
    }
}

/// Reads a document that must be held whole.
pub(crate) fn whole<R: Read>(source: &mut R, limits: &Limits) -> Result<Vec<u8>, BillError> {
    let mut bytes = Vec::new();
    let at_most = limits.document_bytes_max;
    source.take(at_most + 1).read_to_end(&mut bytes).map_err(|error| from_io(error, Place::default()))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > at_most {
        return Err(BillError::TooMuch { place: Place::default(), limit: "document_bytes_max", at_most });
    }
    Ok(bytes)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
