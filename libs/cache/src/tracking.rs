//! Reads whose later change is told: what a cache in front of the cache needs to be right.
//!
//! Owns the words of tracking. What is read through a [`Tracker`] is watched until it changes once; then its
//! [`Watcher`] hears of it, and the key is watched again only by reading it again. Must not hold values.

use crate::handle::{Scope, counted};
use crate::{CacheError, Store};
use bytes::Bytes;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// Which of the cache's shelves a key stands on: the same name on two shelves is two keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shelf {
    Value,
    Rank,
    Count,
}

impl Shelf {
    /// The shelf's part of a key's name.
    pub fn name(self) -> &'static str {
        match self {
            Shelf::Value => "value",
            Shelf::Rank => "rank",
            Shelf::Count => "count",
        }
    }

    fn split(rest: &str) -> Option<(Shelf, &str)> {
        let (name, key) = rest.split_once(':')?;
        let shelf =
            [Shelf::Value, Shelf::Rank, Shelf::Count].into_iter().find(|shelf| shelf.name() == name)?;
        Some((shelf, key))
    }
}

/// What is no longer as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// This key was written, removed, evicted, or has expired.
    Key(Shelf, &'a str),
    /// Anything may have changed: everything was flushed, or the connection that tells of changes was lost.
    Everything,
}

/// Who hears of changes.
pub trait Watcher: Send + Sync {
    /// Called in the task that reads from the store, before any answer that came after the change is given to
    /// whoever waits for it. Nothing queues between the store and this call, so no change can be dropped here.
    /// Must return at once and must not call the cache.
    fn changed(&self, change: Change<'_>);
}

/// Who hears of changes of whole keys, as the store knows them. `None` is everything.
pub trait KeyWatcher: Send + Sync {
    /// As [`Watcher::changed`].
    fn key_changed(&self, key: Option<&str>);
}

/// A value as it was when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracked<T> {
    pub read: T,
    /// How long the store will keep it; `None` is for ever. The end of this time may not be told as a change.
    pub expires_in: Option<Duration>,
}

/// Members and scores, the highest first.
pub type Scores = Vec<(String, i64)>;

/// The reads of a store that tells of changes. Keys arrive whole, with their lane.
#[async_trait::async_trait]
pub trait TrackedReads: Send + Sync {
    /// A value or a counter (as text); `None` is tracked too.
    async fn get(&self, key: &str) -> Result<Tracked<Option<Bytes>>, CacheError>;
    /// The highest scores, as [`Store::rank_top`]. `len` is at least one.
    async fn rank_top(&self, key: &str, len: usize) -> Result<Tracked<Scores>, CacheError>;
}

/// Tracked reads of one lane. Dropping it ends the watching.
///
/// A tracked read costs the server two short commands more than a plain one, so it is for keys that are read
/// often. On Redis it fails while the connection that tells of changes is down; plain reads may still work.
pub struct Tracker {
    reads: Arc<dyn TrackedReads>,
    scope: Scope,
    /// The store holds it weakly.
    _watcher: Arc<Relay>,
}

impl Tracker {
    pub(crate) fn try_new(
        store: &dyn Store,
        scope: Scope,
        watcher: Arc<dyn Watcher>,
    ) -> Result<Tracker, CacheError> {
        let relay = Arc::new(Relay { prefix: Arc::clone(&scope.prefix), watcher });
        let watching: Arc<dyn KeyWatcher> = relay.clone();
        Ok(Tracker { reads: store.track(Arc::downgrade(&watching))?, scope, _watcher: relay })
    }

    /// A value; that there is none is an answer too, and tracked.
    ///
    /// # Errors
    /// [`CacheError`]: nothing is tracked.
    pub async fn get(&self, key: &str) -> Result<Tracked<Option<Bytes>>, CacheError> {
        self.in_time("tracked_get", self.reads.get(&self.scope.key(Shelf::Value, key))).await
    }

    /// A counter's value, as [`crate::Cache::count`].
    ///
    /// # Errors
    /// [`CacheError`]: nothing is tracked.
    pub async fn count(&self, key: &str) -> Result<Tracked<Option<i64>>, CacheError> {
        let act = "tracked_count";
        let tracked = self.in_time(act, self.reads.get(&self.scope.key(Shelf::Count, key))).await?;
        let read = tracked.read.map(|text| counted(act, &text)).transpose()?;
        Ok(Tracked { read, expires_in: tracked.expires_in })
    }

    /// The highest scores of a rank, as [`crate::Cache::rank_top`].
    ///
    /// # Errors
    /// [`CacheError`]: nothing is tracked.
    pub async fn rank_top(&self, key: &str, len: usize) -> Result<Tracked<Scores>, CacheError> {
        let len = len.max(1);
        self.in_time("tracked_rank_top", self.reads.rank_top(&self.scope.key(Shelf::Rank, key), len)).await
    }

    async fn in_time<T>(
        &self,
        act: &'static str,
        work: impl Future<Output = Result<T, CacheError>>,
    ) -> Result<T, CacheError> {
        self.scope.in_time(act, work).await
    }
}

/// Passes on what concerns one lane, in the lane's own words.
struct Relay {
    prefix: Arc<str>,
    watcher: Arc<dyn Watcher>,
}

impl KeyWatcher for Relay {
    fn key_changed(&self, key: Option<&str>) {
        let Some(key) = key else { return self.watcher.changed(Change::Everything) };
        if let Some((shelf, key)) = key.strip_prefix(&*self.prefix).and_then(Shelf::split) {
            self.watcher.changed(Change::Key(shelf, key));
        }
    }
}
