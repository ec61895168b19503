//! What a cache must be able to do. Keys arrive whole, with their lane; times to live are always given.

use crate::{CacheError, Feed, FeedId};
use bytes::Bytes;
use std::time::Duration;

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
    async fn set(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), CacheError>;
    async fn remove(&self, key: &str) -> Result<(), CacheError>;
    /// Whether the store answers at all.
    async fn ping(&self) -> Result<(), CacheError>;
}
