//! Slow-changing data on every node: a polled snapshot for now, behind the trait that stays.
//!
//! Owns how a snapshot is held and renewed. Readers never wait and never see half of a change. Must not know
//! what is in a snapshot.

mod poll;

pub use poll::{Poll, RefreshError, poll};

use arc_swap::ArcSwap;
use std::sync::Arc;

/// A value and the version its source gave it; versions only grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned<T> {
    pub version: i64,
    pub value: T,
}

/// The version of a snapshot that was never loaded.
pub const VERSION_NONE: i64 = 0;

/// Why a source could not be read. What was known stays known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the snapshot could not be loaded: {reason}")]
pub struct LoadError {
    pub reason: String,
}

impl LoadError {
    pub fn new(reason: impl std::fmt::Display) -> LoadError {
        LoadError { reason: reason.to_string() }
    }
}

/// Where a snapshot comes from.
#[async_trait::async_trait]
pub trait SnapshotSource<T>: Send + Sync {
    /// The current value if it is newer than `known_version`, `None` if not.
    async fn load(&self, known_version: i64) -> Result<Option<Versioned<T>>, LoadError>;
}

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

    /// Takes a newer value; an older or equal version changes nothing. Says whether it was taken.
    pub fn offer(&self, next: Versioned<T>) -> bool {
        let next = Arc::new(next);
        let before = self
            .0
            .rcu(|known| if next.version > known.version { Arc::clone(&next) } else { Arc::clone(known) });
        next.version > before.version
    }
}
