//! Rows of one side, divided by hash: in memory while the budget lasts, then in one spill file without a name.
//!
//! A partition is a list of chunks that hold whole records. Which chunk lies in memory and which in the file depends
//! on the budget; nobody may rely on their order.

use super::KeyedError;
use super::row::Sized;
use super::settings::{Held, Plan};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Which bits of the hash choose the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Radix {
    /// Bits that were used before.
    pub(super) used: u32,
    pub(super) bits: u32,
}

impl Radix {
    fn len(self) -> usize {
        1 << self.bits
    }

    fn partition(self, hash: u64) -> usize {
        // At most 16 bits are left, which fit.
        usize::try_from((hash << self.used) >> (u64::BITS - self.bits)).unwrap_or(usize::MAX)
    }
}

/// A stretch of the spill file.
#[derive(Clone, Copy, Debug)]
struct Extent {
    at: u64,
    bytes: usize,
}

/// One partition of one side.
#[derive(Debug, Default)]
pub(super) struct Part {
    open: Vec<u8>,
    held: Vec<Vec<u8>>,
    spilled: Vec<Extent>,
    pub(super) bytes: u64,
    pub(super) rows: u64,
}

/// The file that partitions of one spool share; made when the first chunk does not fit into memory.
#[derive(Debug, Default)]
struct SpillFile {
    file: Option<Arc<File>>,
    bytes: u64,
}

/// One side while it is filled.
pub(super) struct Spool<'a> {
    plan: &'a Plan,
    radix: Radix,
    chunk_bytes: usize,
    parts: Vec<Part>,
    spill: SpillFile,
}

/// Partitions that are complete, to be taken one after another.
pub(super) struct Filled<'a> {
    held: &'a Held,
    file: Option<Arc<File>>,
    parts: Vec<Part>,
    spilled_bytes: u64,
}

impl<'a> Spool<'a> {
    pub(super) fn new(plan: &'a Plan, radix: Radix, chunk_bytes: usize) -> Spool<'a> {
        let parts = (0..radix.len()).map(|_| Part::default()).collect();
        Spool { plan, radix, chunk_bytes, parts, spill: SpillFile::default() }
    }

    /// Puts a row where its hash says.
    ///
    /// # Errors
    /// Those of the spill.
    pub(super) fn push(&mut self, hash: u64, row: &Sized<'_>) -> Result<(), KeyedError> {
        self.place(hash, row.bytes, |open| row.append_to(open))
    }

    /// Puts a record where its hash says, as it lies elsewhere.
    pub(super) fn push_bytes(&mut self, hash: u64, record: &[u8]) -> Result<(), KeyedError> {
        self.place(hash, record.len(), |open| open.extend_from_slice(record))
    }

    fn place(
        &mut self,
        hash: u64,
        bytes: usize,
        append: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), KeyedError> {
        let Some(part) = self.parts.get_mut(self.radix.partition(hash)) else {
            return Err(KeyedError::SpillDamaged);
        };
        if !part.open.is_empty() && part.open.len() + bytes > self.chunk_bytes {
            seal(part, &mut self.spill, self.plan, self.chunk_bytes)?;
        }
        append(&mut part.open);
        part.bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
        part.rows += 1;
        Ok(())
    }

    pub(super) fn fill(self) -> Filled<'a> {
        let SpillFile { file, bytes } = self.spill;
        Filled { held: &self.plan.held, file, parts: self.parts, spilled_bytes: bytes }
    }
}

/// Holds a full chunk, or spills it.
fn seal(part: &mut Part, spill: &mut SpillFile, plan: &Plan, chunk_bytes: usize) -> Result<(), KeyedError> {
    if plan.held.try_take(part.open.capacity()) {
        let full = std::mem::replace(&mut part.open, Vec::with_capacity(chunk_bytes));
        part.held.push(full);
        return Ok(());
    }
    let extent = spill.append(&part.open, plan)?;
    part.spilled.push(extent);
    part.open.clear();
    Ok(())
}

impl SpillFile {
    fn append(&mut self, chunk: &[u8], plan: &Plan) -> Result<Extent, KeyedError> {
        let extent = Extent { at: self.bytes, bytes: chunk.len() };
        let end = self.bytes.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        if end > plan.spill_bytes_max {
            return Err(KeyedError::SpillTooLarge { max: plan.spill_bytes_max });
        }
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => {
                // Unlinked at once, so that nothing is left behind even by a process that is killed.
                let file = Arc::new(tempfile::tempfile_in(&plan.spill_folder).map_err(failed)?);
                Arc::clone(self.file.insert(file))
            }
        };
        file.write_all_at(chunk, extent.at).map_err(failed)?;
        self.bytes = end;
        Ok(extent)
    }
}

fn failed(source: io::Error) -> KeyedError {
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            KeyedError::DiskFull { source }
        }
        ErrorKind::UnexpectedEof => KeyedError::SpillDamaged,
        _ => KeyedError::Spill { source },
    }
}

impl Filled<'_> {
    pub(super) fn spilled_bytes(&self) -> u64 {
        self.spilled_bytes
    }

    /// The partition's size in bytes and its rows.
    pub(super) fn size(&self, partition: usize) -> (u64, u64) {
        self.parts.get(partition).map_or((0, 0), |part| (part.bytes, part.rows))
    }

    /// Every `step`-th partition from `first` on goes to a `Filled` of its own, so that a thread owns what it merges.
    pub(super) fn deal(&mut self, first: usize, step: usize) -> Self {
        let deal = |(at, part): (usize, &mut Part)| {
            if at % step == first { std::mem::take(part) } else { Part::default() }
        };
        let parts = self.parts.iter_mut().enumerate().map(deal).collect();
        Filled { held: self.held, file: self.file.clone(), parts, spilled_bytes: 0 }
    }

    /// Gives a partition's chunks, each of whole records, and forgets them.
    ///
    /// # Errors
    /// Those of the spill, and what `give` says.
    pub(super) fn drain(
        &mut self,
        partition: usize,
        scratch: &mut Vec<u8>,
        mut give: impl FnMut(&[u8]) -> Result<(), KeyedError>,
    ) -> Result<(), KeyedError> {
        let Some(part) = self.parts.get_mut(partition).map(std::mem::take) else { return Ok(()) };
        for chunk in part.held {
            give(&chunk)?;
            self.held.give_back(chunk.capacity());
        }
        for extent in part.spilled {
            let Some(file) = &self.file else { return Err(KeyedError::SpillDamaged) };
            scratch.resize(extent.bytes, 0);
            file.read_exact_at(scratch, extent.at).map_err(failed)?;
            give(scratch)?;
        }
        give(&part.open)
    }
}

#[cfg(test)]
mod tests {
    use super::{KeyedError, SpillFile};
    use crate::keyed::Settings;
    use std::sync::Arc;

    #[test]
    fn a_full_disk_is_an_error_of_its_own() {
        let plan = Settings::new(std::env::temp_dir()).plan().expect("good settings");
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has /dev/full");
        let mut spill = SpillFile { file: Some(Arc::new(full)), bytes: 0 };
        assert!(matches!(spill.append(&[1; 100], &plan), Err(KeyedError::DiskFull { .. })));
        assert_eq!(spill.bytes, 0);
    }
}
