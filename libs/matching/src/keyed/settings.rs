//! The named limits of a comparison, what they come to inside, and the watcher that sees it advance and may stop it.

use super::KeyedError;
use siphasher::sip::SipHasher13;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The smallest memory budget that holds the buffers of all partitions.
pub const MEMORY_BYTES_MIN: u64 = 32 << 20;
/// The most threads a comparison takes.
pub const THREADS_MAX: usize = 64;

/// Partitions a side is divided into: the first 8 bits of the hash.
pub(super) const PARTITION_BITS: u32 = 8;
/// Rows between two looks at the watcher.
pub(super) const WATCH_ROWS: u64 = 1 << 16;

const CHUNK_BYTES_MIN: u64 = 4 << 10;
const CHUNK_BYTES_MAX: u64 = 64 << 10;

/// The key of the hash that divides and orders. Whoever knows it can make keys that fall into one partition, so it
/// is the caller's; the same key gives the same order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HashKey(pub u64, pub u64);

/// What a comparison may use.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Memory for rows, in bytes; at least [`MEMORY_BYTES_MIN`]. The sources' own buffers come on top.
    pub memory_bytes_max: u64,
    /// Threads, from 1 to [`THREADS_MAX`]. Reading takes one a side, so two at most.
    pub threads: usize,
    /// Where rows lie that do not fit into memory. The file there has no name.
    pub spill_folder: PathBuf,
    /// The most bytes of spill a side may take, and again each division of an overfull partition.
    pub spill_bytes_max: u64,
    /// Rows of a side that cannot be read before it is given up as another format.
    pub invalid_rows_max: usize,
    pub hash_key: HashKey,
}

impl Settings {
    /// 768 MiB, two threads, 64 GiB of spill in `spill_folder`, 10,000 invalid rows a side.
    pub fn new(spill_folder: impl Into<PathBuf>) -> Settings {
        Settings {
            memory_bytes_max: 768 << 20,
            threads: 2,
            spill_folder: spill_folder.into(),
            spill_bytes_max: 64 << 30,
            invalid_rows_max: 10_000,
            hash_key: HashKey::default(),
        }
    }

    /// What the limits come to. An eighth of the memory is for buffers that fill, half for full ones that are held,
    /// the rest is shared by the threads that merge.
    pub(super) fn plan(&self) -> Result<Plan, SettingsError> {
        let threads = u64::try_from(self.threads).ok().filter(|_| (1..=THREADS_MAX).contains(&self.threads));
        let Some(threads) = threads else { return Err(SettingsError::Threads { threads: self.threads }) };
        if self.memory_bytes_max < MEMORY_BYTES_MIN {
            return Err(SettingsError::Memory { bytes: self.memory_bytes_max });
        }
        let buffers = 2 << PARTITION_BITS;
        let chunk = (self.memory_bytes_max / 8 / buffers).clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX);
        Ok(Plan {
            hasher: SipHasher13::new_with_keys(self.hash_key.0, self.hash_key.1),
            threads: self.threads,
            chunk_bytes: usize::try_from(chunk).unwrap_or(usize::MAX),
            held: Held { left: AtomicU64::new(self.memory_bytes_max / 2) },
            // Offsets within a partition are 32 bits wide.
            merge_bytes_max: (self.memory_bytes_max / 8 * 3 / threads).min(u64::from(u32::MAX) / 2),
            spill_folder: self.spill_folder.clone(),
            spill_bytes_max: self.spill_bytes_max,
            invalid_rows_max: self.invalid_rows_max,
        })
    }
}

/// Settings that no comparison can keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error("a memory budget of {bytes} bytes is below {MEMORY_BYTES_MIN}")]
    Memory { bytes: u64 },
    #[error("{threads} threads are not between 1 and {THREADS_MAX}")]
    Threads { threads: usize },
}

/// The limits, worked out.
pub(super) struct Plan {
    pub(super) hasher: SipHasher13,
    pub(super) threads: usize,
    /// A buffer of one partition of one side.
    pub(super) chunk_bytes: usize,
    pub(super) held: Held,
    /// What one thread may hold while it merges one partition.
    pub(super) merge_bytes_max: u64,
    pub(super) spill_folder: PathBuf,
    pub(super) spill_bytes_max: u64,
    pub(super) invalid_rows_max: usize,
}

/// Memory that full chunks may still take instead of going to the spill.
pub(super) struct Held {
    left: AtomicU64,
}

impl Held {
    pub(super) fn try_take(&self, bytes: usize) -> bool {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }

    pub(super) fn give_back(&self, bytes: usize) {
        self.left.fetch_add(u64::try_from(bytes).unwrap_or(0), Ordering::Relaxed);
    }
}

/// How far a comparison is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Rows read, on both sides.
    pub rows_read: u64,
    /// Partitions merged, of [`Progress::PARTITIONS`].
    pub partitions_merged: u64,
}

impl Progress {
    pub const PARTITIONS: u64 = 1 << PARTITION_BITS;
}

/// What all threads of one comparison share: how far they are, and whether to stop.
pub(super) struct Course<'a> {
    watch: &'a (dyn Fn(Progress) -> ControlFlow<()> + Sync),
    rows_read: AtomicU64,
    partitions_merged: AtomicU64,
    stopped: AtomicBool,
}

impl<'a> Course<'a> {
    pub(super) fn new(watch: &'a (dyn Fn(Progress) -> ControlFlow<()> + Sync)) -> Course<'a> {
        let zero = || AtomicU64::new(0);
        Course { watch, rows_read: zero(), partitions_merged: zero(), stopped: AtomicBool::new(false) }
    }

    /// Counts and asks the watcher.
    ///
    /// # Errors
    /// [`KeyedError::Stopped`] when the watcher, or another thread's failure, says so.
    pub(super) fn advance(&self, rows: u64, partitions: u64) -> Result<(), KeyedError> {
        let rows_read = self.rows_read.fetch_add(rows, Ordering::Relaxed) + rows;
        let merged = self.partitions_merged.fetch_add(partitions, Ordering::Relaxed) + partitions;
        let progress = Progress { rows_read, partitions_merged: merged };
        if self.stopped.load(Ordering::Relaxed) || (self.watch)(progress).is_break() {
            return Err(KeyedError::Stopped);
        }
        Ok(())
    }

    /// Another thread failed: nobody needs to go on.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}
