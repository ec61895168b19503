//! Counters that absorb writes: added up in memory, written every so often, each addition once.
//!
//! An addition is one atomic addition to a stripe of this thread. A task takes all stripes together every
//! `flush_every` and sends one batch (one Lua script, however many counters) with a number; a batch whose answer
//! was lost is sent again under the same number until it is answered, and the store adds it once. **Never for
//! money**: a process that is killed loses what it had not flushed, at most `flush_every` of additions and the
//! batches of an outage.

use crate::HotError;
use crate::stripes::{Apart, stripes, thread_number};
use cache::{ADDITIONS_LEN_MAX, Added, Addition, BatchId, Cache, CacheError};
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use uuid::Uuid;

/// Counters open at a time: as many as one batch may carry, so one command flushes them all.
pub const COUNTERS_MAX: usize = ADDITIONS_LEN_MAX;

/// The longest key of a counter, in bytes.
pub const COUNTER_KEY_BYTES_MAX: usize = 512;

/// Bounds of the counters of one lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterSettings {
    /// How often additions are written; 10 ms at least.
    pub flush_every: Duration,
    /// How long a counter lives in the store after its first addition.
    pub ttl: Duration,
}

impl Default for CounterSettings {
    fn default() -> CounterSettings {
        CounterSettings { flush_every: Duration::from_millis(50), ttl: Duration::from_secs(48 * 60 * 60) }
    }
}

/// Why not everything was written in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{counters} counters could not be written in time")]
pub struct DrainError {
    /// How many still have additions here.
    pub counters: usize,
    #[source]
    pub last: Option<CacheError>,
}

/// One counter of the store and what is not yet added to it. Clones add to the same.
#[derive(Clone)]
pub struct Counter {
    cell: Arc<Cell>,
}

struct Cell {
    key: Box<str>,
    stripes: Box<[Apart<AtomicI64>]>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// The store's value when it last answered.
    total: Option<i64>,
    /// Taken out of the stripes and not yet in the total.
    taken: i64,
}

impl Cell {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the stripes hold, moved to what is to be written.
    fn take(&self) -> i64 {
        let mut known = self.known();
        let fresh: i64 = self.stripes.iter().map(|stripe| stripe.0.swap(0, Ordering::Relaxed)).sum();
        known.taken = known.taken.saturating_add(fresh); // Reached by adding i32s after centuries.
        known.taken
    }

    fn written(&self, by: i64, total: Option<i64>) {
        let mut known = self.known();
        known.taken = known.taken.saturating_sub(by);
        known.total = total.or(known.total);
    }

    fn is_idle(&self) -> bool {
        self.known().taken == 0 && self.stripes.iter().all(|stripe| stripe.0.load(Ordering::Relaxed) == 0)
    }
}

impl Counter {
    /// Adds. Takes no lock and waits for nothing.
    #[inline]
    pub fn add(&self, by: i32) {
        let stripes = &self.cell.stripes;
        let stripe = &stripes[thread_number() & (stripes.len() - 1)];
        stripe.0.fetch_add(i64::from(by), Ordering::Relaxed);
    }

    /// The store's value when it was last written from here, and what has been added here since. Other nodes'
    /// additions come with the next write. `None` before the first.
    pub fn value(&self) -> Option<i64> {
        let known = self.cell.known();
        let fresh: i64 = self.cell.stripes.iter().map(|stripe| stripe.0.load(Ordering::Relaxed)).sum();
        known.total.map(|total| total.saturating_add(known.taken).saturating_add(fresh))
    }

    pub fn key(&self) -> &str {
        &self.cell.key
    }
}

/// All counters that one process adds to in one lane. Dropping it loses what is not written: drain it first.
pub struct Counters {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    cache: Cache,
    ttl: Duration,
    cells: Mutex<HashMap<Box<str>, Arc<Cell>>>,
    writing: tokio::sync::Mutex<Writing>,
}

/// The batch that is not yet answered, and the number of the last one.
struct Writing {
    id: BatchId,
    batch: Vec<(Arc<Cell>, i64)>,
}

impl Counters {
    /// Starts the task that writes. Must run within a Tokio runtime.
    ///
    /// # Errors
    /// [`HotError::BadSetting`].
    pub fn start(cache: &Cache, settings: &CounterSettings) -> Result<Counters, HotError> {
        let every = settings.flush_every;
        if every < Duration::from_millis(10) || every > Duration::from_secs(60) {
            return Err(HotError::BadSetting { name: "flush_every" });
        }
        if settings.ttl < every * 2 {
            return Err(HotError::BadSetting { name: "ttl" });
        }
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let epoch = u64::try_from(started.as_millis()).unwrap_or(u64::MAX);
        let writing = Writing { id: BatchId { instance: Uuid::now_v7(), epoch, seq: 0 }, batch: Vec::new() };
        let shared = Arc::new(Shared {
            cache: cache.clone(),
            ttl: settings.ttl,
            cells: Mutex::default(),
            writing: tokio::sync::Mutex::new(writing),
        });
        let task = tokio::spawn(keep_writing(Arc::clone(&shared), every));
        Ok(Counters { shared, task })
    }

    /// The counter of a key, as [`Cache::incr`] names it. Opening it again gives the same.
    ///
    /// # Errors
    /// [`HotError::TooManyCounters`], [`HotError::BadKey`].
    pub fn open(&self, key: &str) -> Result<Counter, HotError> {
        if key.is_empty() || key.len() > COUNTER_KEY_BYTES_MAX {
            return Err(HotError::BadKey { max: COUNTER_KEY_BYTES_MAX });
        }
        let mut cells = self.shared.cells();
        if let Some(cell) = cells.get(key) {
            return Ok(Counter { cell: Arc::clone(cell) });
        }
        if cells.len() >= COUNTERS_MAX {
            // Nobody holds them any more, and nothing of them is left to write.
            cells.retain(|_, cell| Arc::strong_count(cell) > 1 || !cell.is_idle());
        }
        if cells.len() >= COUNTERS_MAX {
            return Err(HotError::TooManyCounters { max: COUNTERS_MAX });
        }
        let stripes = (0..stripes()).map(|_| Apart::default()).collect();
        let cell = Arc::new(Cell { key: key.into(), stripes, known: Mutex::default() });
        cells.insert(key.into(), Arc::clone(&cell));
        Ok(Counter { cell })
    }

    /// Writes everything that was added before the call, trying again until `within` is over.
    ///
    /// # Errors
    /// [`DrainError`]: the rest stays here and is written as soon as that is possible.
    pub async fn drain(&self, within: Duration) -> Result<(), DrainError> {
        let deadline = Instant::now() + within;
        let mut last = None;
        loop {
            if let Err(error) = self.shared.write().await {
                last = Some(error);
            }
            // A batch that was under way when the call came is written first, and then what came after it.
            let counters = self.shared.unwritten();
            if counters == 0 {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(DrainError { counters, last });
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Counters {
    fn drop(&mut self) {
        self.task.abort();
        let counters = self.shared.unwritten();
        if counters > 0 {
            tracing::warn!(counters, "counters were dropped before they were drained");
        }
    }
}

impl Shared {
    fn cells(&self) -> MutexGuard<'_, HashMap<Box<str>, Arc<Cell>>> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unwritten(&self) -> usize {
        self.cells().values().filter(|cell| !cell.is_idle()).count()
    }

    /// Sends the batch that is not answered, or else a new one of all that was added. At most one command.
    async fn write(&self) -> Result<(), CacheError> {
        let mut writing = self.writing.lock().await;
        if writing.batch.is_empty() {
            let cells: Vec<Arc<Cell>> = self.cells().values().cloned().collect();
            let taken = cells.into_iter().map(|cell| (Arc::clone(&cell), cell.take()));
            writing.batch = taken.filter(|(_, by)| *by != 0).collect();
            if writing.batch.is_empty() {
                return Ok(());
            }
            writing.id.seq += 1;
        }
        let addition =
            |(cell, by): &(Arc<Cell>, i64)| Addition { key: cell.key.to_string(), by: *by, ttl: self.ttl };
        let additions: Vec<Addition> = writing.batch.iter().map(addition).collect();
        let added = self.cache.add_once(writing.id, &additions).await?;
        let totals = match added {
            Added::Now(totals) => totals.into_iter().map(Some).collect(),
            Added::Before => vec![None; additions.len()],
        };
        for ((cell, by), total) in writing.batch.drain(..).zip(totals) {
            cell.written(by, total.flatten());
            if total == Some(None) {
                metrics::counter!("largesse_hotkey_refused_additions_total").increment(1);
                tracing::error!(key = %cell.key, by, "the store's counter refused an addition; it is lost");
            }
        }
        metrics::counter!("largesse_hotkey_flushes_total").increment(1);
        Ok(())
    }
}

async fn keep_writing(shared: Arc<Shared>, every: Duration) {
    loop {
        // From the end of one write to the next: the promise is a number of commands, the last one of a drain included.
        tokio::time::sleep(every).await;
        if let Err(error) = shared.write().await {
            metrics::counter!("largesse_hotkey_flush_failed_total").increment(1);
            tracing::debug!(%error, "additions wait for the cache");
        }
    }
}
