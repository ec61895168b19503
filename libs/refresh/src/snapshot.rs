//! The one pointer that readers see: a value and its version, exchanged as a whole.

use arc_swap::ArcSwap;
use std::sync::Arc;

/// A value and the version its source gave it; a source's versions only grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versioned<T> {
    pub version: i64,
    pub value: T,
}

/// The version of a snapshot that was never loaded.
pub const VERSION_NONE: i64 = 0;

/// A value that changes as a whole. Clones share it.
#[derive(Debug)]
pub struct Snapshot<T>(Arc<ArcSwap<Versioned<T>>>);

impl<T> Clone for Snapshot<T> {
    fn clone(&self) -> Self {
        Snapshot(Arc::clone(&self.0))
    }
}

impl<T> Snapshot<T> {
    pub fn new(first: Versioned<T>) -> Snapshot<T> {
        Snapshot(Arc::new(ArcSwap::from_pointee(first)))
    }

    /// The value of this instant. Hold it for one act, not longer: it does not change under you.
    pub fn get(&self) -> Arc<Versioned<T>> {
        self.0.load_full()
    }

    pub fn version(&self) -> i64 {
        self.0.load().version
    }

    /// A reader for one hot place, which looks at the shared pointer and touches no counter.
    pub fn reader(&self) -> Reader<T> {
        Reader(arc_swap::Cache::new(Arc::clone(&self.0)))
    }

    /// Takes a newer value; an older or equal version changes nothing. Says whether it was taken.
    pub fn offer(&self, next: Versioned<T>) -> bool {
        let next = Arc::new(next);
        let before = self
            .0
            .rcu(|known| if next.version > known.version { Arc::clone(&next) } else { Arc::clone(known) });
        next.version > before.version
    }

    /// Takes a value whatever its version: whoever rolls back goes to an older one.
    pub(crate) fn replace(&self, next: Arc<Versioned<T>>) {
        self.0.store(next);
    }
}

/// A reader that remembers the last value it saw. Each thread or task has one of its own.
#[derive(Clone, Debug)]
pub struct Reader<T>(arc_swap::Cache<Arc<ArcSwap<Versioned<T>>>, Arc<Versioned<T>>>);

impl<T> Reader<T> {
    /// The value of this instant.
    pub fn get(&mut self) -> &Versioned<T> {
        self.0.load()
    }
}
