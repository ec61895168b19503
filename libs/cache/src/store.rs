//! What a cache must be able to do. Keys arrive whole, with their lane; times to live are always given.

use crate::{Added, Addition, BatchId, CacheError, Channel, Feed, FeedId, KeyWatcher, TrackedReads};
use bytes::Bytes;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// What is taken from one bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketTake {
    pub key: String,
    /// How long the bucket takes to refill by it; counted in microseconds, at most a year.
    pub refill: Duration,
}

/// The store behind a cache handle. The handle bounds the time of every call; calls may be cancelled.
#[async_trait::async_trait]
pub trait Store: Send + Sync {
    /// Appends events to a feed, in order, and gives their places. A cancelled call may have appended some.
    async fn feed_append(
        &self,
        key: &str,
        payloads: &[Bytes],
        ttl: Duration,
    ) -> Result<Vec<FeedId>, CacheError>;
    /// Events after a place (from the oldest kept without one), in order, at most `limit`.
    async fn feed_read_after(
        &self,
        key: &str,
        after: Option<FeedId>,
        limit: usize,
    ) -> Result<Vec<(FeedId, Bytes)>, CacheError>;
    /// Events from now on.
    async fn feed_subscribe(&self, key: &str) -> Result<Feed, CacheError>;
    /// Adds to the scores of members.
    async fn rank_add(&self, key: &str, scores: &[(String, i64)], ttl: Duration) -> Result<(), CacheError>;
    /// The highest scores, ties by member from the last in byte order.
    async fn rank_top(&self, key: &str, len: usize) -> Result<Vec<(String, i64)>, CacheError>;
    /// Adds to a counter and gives its value. The time to live starts with the counter's first addition.
    async fn incr(&self, key: &str, by: i64, ttl: Duration) -> Result<i64, CacheError>;
    async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError>;
    /// A counter's value in digits. Where values and counters share one room, this is [`Store::get`].
    async fn get_count(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        self.get(key).await
    }
    async fn set(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), CacheError>;
    async fn remove(&self, key: &str) -> Result<(), CacheError>;
    /// Whether the store answers at all.
    async fn ping(&self) -> Result<(), CacheError>;

    /// Tracked reads whose changes `watcher` hears until it is dropped. A store without them says so.
    fn track(&self, watcher: Weak<dyn KeyWatcher>) -> Result<Arc<dyn TrackedReads>, CacheError> {
        drop(watcher);
        Err(CacheError::Unsupported { act: "track" })
    }
    /// Tells whoever listens to a channel now.
    async fn publish(&self, channel: &str, message: Bytes) -> Result<(), CacheError> {
        let _ = (channel, message);
        Err(CacheError::Unsupported { act: "publish" })
    }
    /// Messages of a channel from now on.
    async fn subscribe(&self, channel: &str) -> Result<Channel, CacheError> {
        let _ = channel;
        Err(CacheError::Unsupported { act: "subscribe" })
    }
    /// Takes from buckets that refill evenly, in order; gives how long each then takes until it is full. A cancelled call
    /// may have taken from some.
    async fn take_from_buckets(&self, takes: &[BucketTake]) -> Result<Vec<Duration>, CacheError> {
        let _ = takes;
        Err(CacheError::Unsupported { act: "take_from_buckets" })
    }
    /// Adds to counters unless this batch was added before. `mark` is the key that remembers the writer's last
    /// batch. A cancelled call may have added all of it, never a part (but for counters that refuse).
    async fn add_once(
        &self,
        mark: &str,
        batch: BatchId,
        additions: &[Addition],
    ) -> Result<Added, CacheError> {
        let _ = (mark, batch, additions);
        Err(CacheError::Unsupported { act: "add_once" })
    }
}
