//! What a hot key holds, and how it is read from the cache.

use crate::clock::millis;
use cache::{Cache, CacheError, Shelf, Tracked, Tracker};
use std::sync::Arc;

/// Values up to this size are held once for each stripe, so that threads that hand out the same value do not
/// contend for its reference count.
const COPIED_BYTES_MAX: usize = 4 << 10;

/// The answer to one read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    Value(Option<Arc<[u8]>>),
    Count(Option<i64>),
    Ranks(Arc<[(String, i64)]>),
}

impl Line {
    // A set of hot keys holds lines of one kind, so the other kinds never come.

    #[inline]
    pub fn value(&self) -> Option<Arc<[u8]>> {
        if let Line::Value(value) = self { value.clone() } else { None }
    }

    #[inline]
    pub fn count(&self) -> Option<i64> {
        if let Line::Count(count) = self { *count } else { None }
    }

    #[inline]
    pub fn ranks(&self) -> Arc<[(String, i64)]> {
        if let Line::Ranks(ranks) = self { Arc::clone(ranks) } else { Arc::default() }
    }

    pub fn len_bytes(&self) -> usize {
        match self {
            Line::Value(value) => value.as_ref().map_or(0, |value| value.len()),
            Line::Count(_) => 8,
            Line::Ranks(ranks) => ranks.iter().map(|(member, _)| member.len() + 32).sum(),
        }
    }

    fn copy(&self) -> Line {
        match self {
            Line::Value(value) => Line::Value(value.as_deref().map(Arc::from)),
            Line::Count(count) => Line::Count(*count),
            Line::Ranks(ranks) => Line::Ranks(ranks.iter().cloned().collect()),
        }
    }

    /// How many copies are made for so many stripes: one for all if it is large.
    pub fn copies(&self, stripes: usize) -> usize {
        if self.len_bytes() <= COPIED_BYTES_MAX { stripes } else { 1 }
    }

    /// A line for a stripe of its own; what is large is shared.
    pub fn for_stripe(&self) -> Line {
        if self.len_bytes() <= COPIED_BYTES_MAX { self.copy() } else { self.clone() }
    }
}

/// What kind of read a set of hot keys is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Values,
    Counts,
    /// The highest `len` of a rank.
    Ranks {
        len: usize,
    },
}

impl Family {
    pub fn shelf(self) -> Shelf {
        match self {
            Family::Values => Shelf::Value,
            Family::Counts => Shelf::Count,
            Family::Ranks { .. } => Shelf::Rank,
        }
    }

    /// Reads without tracking.
    pub async fn read(self, cache: &Cache, key: &str) -> Result<Line, CacheError> {
        Ok(match self {
            Family::Values => Line::Value(cache.get(key).await?.as_deref().map(Arc::from)),
            Family::Counts => Line::Count(cache.count(key).await?),
            Family::Ranks { len } => Line::Ranks(cache.rank_top(key, len).await?.into()),
        })
    }

    /// Reads so that a change will be told. Also how many milliseconds the store will keep it.
    pub async fn read_tracked(self, tracker: &Tracker, key: &str) -> Result<(Line, Option<u64>), CacheError> {
        fn parts<T>(tracked: Tracked<T>) -> (T, Option<u64>) {
            (tracked.read, tracked.expires_in.map(millis))
        }
        Ok(match self {
            Family::Values => {
                let (value, life_ms) = parts(tracker.get(key).await?);
                (Line::Value(value.as_deref().map(Arc::from)), life_ms)
            }
            Family::Counts => {
                let (count, life_ms) = parts(tracker.count(key).await?);
                (Line::Count(count), life_ms)
            }
            Family::Ranks { len } => {
                let (ranks, life_ms) = parts(tracker.rank_top(key, len).await?);
                (Line::Ranks(ranks.into()), life_ms)
            }
        })
    }
}
