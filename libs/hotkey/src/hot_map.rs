//! The hot set: an immutable table that readers find behind one atomic pointer.
//!
//! A [`HotKey`] lives as long as its key is hot; what changes about it is atomic. A [`Held`] value never changes;
//! it is valid while its key's generation is the one it was read in. So an invalidation is one addition, at once
//! and without a lock, and a value that was on its way meanwhile is born invalid.

use crate::line::Line;
use crate::stripes::Apart;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// What a flight brings, once it is there.
pub type Landed = watch::Receiver<Option<Result<Line, cache::CacheError>>>;

/// A read that is under way for everybody who asks meanwhile.
pub struct Flight {
    /// The key's generation when the read began. Who comes in a later one must not join.
    pub generation: Generation,
    pub number: u64,
    pub landed: Landed,
}

/// When a value was read: how often its key, and how often everything, had been told to have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation {
    pub key: u64,
    pub flushes: u64,
}

/// A key that is hot.
pub struct HotKey {
    pub name: Arc<str>,
    pub generation: AtomicU64,
    /// Reads since the last tick that found no valid value, and hits of values that were replaced since.
    others: AtomicU64,
    pub hits_total: AtomicU64,
    flight: Mutex<Option<Flight>>,
    /// A background refresh is under way.
    pub refreshing: std::sync::atomic::AtomicBool,
    pub hot_since_ms: u64,
}

impl HotKey {
    pub fn new(name: &str, hot_since_ms: u64) -> HotKey {
        HotKey {
            name: name.into(),
            generation: AtomicU64::new(0),
            others: AtomicU64::new(0),
            hits_total: AtomicU64::new(0),
            flight: Mutex::default(),
            refreshing: std::sync::atomic::AtomicBool::new(false),
            hot_since_ms,
        }
    }

    /// Reads that are not counted where a value is held.
    pub fn count(&self, reads: u64) {
        self.others.fetch_add(reads, Ordering::Relaxed);
    }

    pub fn flight(&self) -> MutexGuard<'_, Option<Flight>> {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    pub fn is_current(&self, held: Generation, flushes: &AtomicU64) -> bool {
        self.generation.load(Ordering::Acquire) == held.key && flushes.load(Ordering::Acquire) == held.flushes
    }

    pub fn now(&self, flushes: &AtomicU64) -> Generation {
        let flushes = flushes.load(Ordering::Acquire);
        Generation { key: self.generation.load(Ordering::Acquire), flushes }
    }
}

/// A value as it was read, for the threads of one stripe: all that a hit looks at, on one cache line.
pub struct Held {
    pub generation: Generation,
    /// From when on it is read again in the background, on the crate's clock.
    pub ages_at_ms: u64,
    /// From when on it is not given to anybody.
    pub ends_at_ms: u64,
    pub line: Line,
    /// Hits since the last tick. Each thread writes its own stripe, plainly: with more threads than stripes a
    /// hit may go uncounted, never unanswered.
    pub hits: AtomicU32,
}

impl Held {
    #[inline]
    pub fn hit(&self) {
        self.hits.store(self.hits.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }
}

/// One place of the table.
#[derive(Clone)]
pub struct Place {
    pub hash: u64,
    /// The key's name; here too, to spare a hit one step.
    name: Arc<str>,
    pub key: Arc<HotKey>,
    /// One for each stripe.
    held: Option<Arc<[Apart<Held>]>>,
    /// What is held takes, over all copies.
    held_bytes: usize,
}

/// The hot set of one moment.
#[derive(Default)]
pub struct HotMap {
    /// Open addressing, at most half full; empty when nothing is hot.
    places: Box<[Option<Place>]>,
    pub held_bytes: usize,
}

impl Place {
    pub fn new(hash: u64, key: Arc<HotKey>) -> Place {
        Place { hash, name: Arc::clone(&key.name), key, held: None, held_bytes: 0 }
    }

    #[inline]
    pub fn held(&self, stripe: usize) -> Option<&Held> {
        let held = self.held.as_ref()?;
        Some(&held[stripe & (held.len() - 1)].0)
    }

    pub fn held_bytes(&self) -> Option<usize> {
        self.held.as_ref().map(|_| self.held_bytes)
    }

    /// Holds a value instead of what was held.
    pub fn hold(&mut self, held: Arc<[Apart<Held>]>, held_bytes: usize) {
        self.drop_held();
        (self.held, self.held_bytes) = (Some(held), held_bytes);
    }

    pub fn drop_held(&mut self) {
        self.key.count(self.held_hits());
        (self.held, self.held_bytes) = (None, 0);
    }

    fn held_hits(&self) -> u64 {
        let held = self.held.iter().flat_map(|held| held.iter());
        held.map(|held| u64::from(held.0.hits.swap(0, Ordering::Relaxed))).sum()
    }

    /// Reads since the last call.
    pub fn take_hits(&self) -> u64 {
        let taken = self.held_hits() + self.key.others.swap(0, Ordering::Relaxed);
        self.key.hits_total.fetch_add(taken, Ordering::Relaxed);
        taken
    }
}

impl HotMap {
    pub fn new(keys: Vec<Place>) -> HotMap {
        if keys.is_empty() {
            return HotMap::default();
        }
        let len = (keys.len() * 2).next_power_of_two();
        let mut places: Box<[Option<Place>]> = vec![None; len].into();
        let held_bytes = keys.iter().map(|place| place.held_bytes).sum();
        for place in keys {
            let mut at = start(place.hash, len);
            while places[at].is_some() {
                at = (at + 1) & (len - 1);
            }
            places[at] = Some(place);
        }
        HotMap { places, held_bytes }
    }

    #[inline]
    pub fn find(&self, hash: u64, key: &str) -> Option<&Place> {
        let len = self.places.len();
        if len == 0 {
            return None;
        }
        let mut at = start(hash, len);
        // An empty place always comes: half of them are.
        while let Some(place) = &self.places[at] {
            if place.hash == hash && same(place.name.as_bytes(), key.as_bytes()) {
                return Some(place);
            }
            at = (at + 1) & (len - 1);
        }
        None
    }

    pub fn iter(&self) -> impl Iterator<Item = &Place> {
        self.places.iter().flatten()
    }

    pub fn len(&self) -> usize {
        self.iter().count()
    }
}

#[inline]
fn start(hash: u64, len: usize) -> usize {
    // Not the bits that choose a slot of the sketch.
    usize::try_from(hash >> 20).unwrap_or(usize::MAX) & (len - 1)
}

/// Equality of two names, word by word: a call costs as much as the whole comparison of a short name.
#[inline]
fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    match (one.last_chunk::<8>(), other.last_chunk::<8>()) {
        (Some(end), Some(other_end)) => {
            let (words, _) = one.as_chunks::<8>();
            let (other_words, _) = other.as_chunks::<8>();
            end == other_end && words.iter().zip(other_words).all(|(word, other)| word == other)
        }
        _ => one.iter().zip(other).all(|(byte, other)| byte == other),
    }
}
