//! Rooms that remember what they saw, and can be made to fail: a cache store for tests.

use bytes::Bytes;
use cache::{
    Added, Addition, BatchId, BucketTake, CacheError, Channel, Feed, FeedId, InProcess, KeyWatcher, Store,
    TrackedReads,
};
use ids::Uuid;
use serde_json::Value;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

/// How rooms take effects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomMood {
    Well = 0,
    /// Every effect, rank and counter fails at once.
    Failing = 1,
    /// No effect is ever answered.
    Hanging = 2,
}

#[derive(Default)]
pub struct Rooms {
    mood: AtomicU8,
    seen: Mutex<Vec<Value>>,
    /// Everything but rooms' feeds: ranks, counters, and the calls by which the shelf spreads.
    rest: InProcess,
    untracked_reads: AtomicU64,
    is_mute: AtomicBool,
}

/// Whether a feed is no room's. Rooms of the live lane have ids of version 7.
fn is_call(key: &str) -> bool {
    let id = key.rsplit(':').next().and_then(|id| id.parse::<Uuid>().ok());
    id.is_some_and(|id| id.get_version_num() == 8)
}

impl Rooms {
    pub fn set_mood(&self, mood: RoomMood) {
        let code = match mood {
            RoomMood::Well => 0,
            RoomMood::Failing => 1,
            RoomMood::Hanging => 2,
        };
        self.mood.store(code, Ordering::SeqCst);
    }

    /// Every event rooms were told, in order.
    pub fn seen(&self) -> Vec<Value> {
        self.seen.lock().expect("not poisoned").clone()
    }

    /// Rankings that were read without the promise to hear of a change: those of rooms that are not hot.
    pub fn untracked_reads(&self) -> u64 {
        self.untracked_reads.load(Ordering::SeqCst)
    }

    /// From now on nobody who comes is told of changes, though they are promised.
    pub fn tell_nobody(&self) {
        self.is_mute.store(true, Ordering::SeqCst);
    }

    fn fail_if_failing(&self) -> Result<(), CacheError> {
        if self.mood.load(Ordering::SeqCst) == 1 { Err(away()) } else { Ok(()) }
    }

    /// The gifts shown of one order.
    pub fn shown(&self, order_id: ids::OrderId) -> Vec<Value> {
        let of = |event: &Value| event["type"] == "gift" && event["order_id"] == order_id.to_string();
        self.seen().into_iter().filter(of).collect()
    }
}

struct Nobody;

impl KeyWatcher for Nobody {
    fn key_changed(&self, _key: Option<&str>) {}
}

fn away() -> CacheError {
    CacheError::Unreachable { reason: "made to fail".to_owned() }
}

#[async_trait::async_trait]
impl Store for Rooms {
    async fn feed_append(
        &self,
        key: &str,
        payloads: &[Bytes],
        ttl: Duration,
    ) -> Result<Vec<FeedId>, CacheError> {
        if is_call(key) {
            return self.rest.feed_append(key, payloads, ttl).await;
        }
        match self.mood.load(Ordering::SeqCst) {
            1 => return Err(away()),
            2 => std::future::pending().await,
            _ => {}
        }
        let events = payloads.iter().map(|payload| serde_json::from_slice::<Value>(payload).expect("JSON"));
        self.seen.lock().expect("not poisoned").extend(events);
        Ok(vec![FeedId::default(); payloads.len()])
    }

    async fn feed_read_after(
        &self,
        _key: &str,
        _after: Option<FeedId>,
        _limit: usize,
    ) -> Result<Vec<(FeedId, Bytes)>, CacheError> {
        Err(away())
    }

    async fn feed_subscribe(&self, key: &str) -> Result<Feed, CacheError> {
        if is_call(key) { self.rest.feed_subscribe(key).await } else { Err(away()) }
    }

    async fn take_from_buckets(&self, takes: &[BucketTake]) -> Result<Vec<Duration>, CacheError> {
        self.fail_if_failing()?;
        self.rest.take_from_buckets(takes).await
    }

    async fn rank_add(&self, key: &str, scores: &[(String, i64)], ttl: Duration) -> Result<(), CacheError> {
        self.fail_if_failing()?;
        self.rest.rank_add(key, scores, ttl).await
    }

    async fn rank_top(&self, key: &str, len: usize) -> Result<Vec<(String, i64)>, CacheError> {
        self.fail_if_failing()?;
        self.untracked_reads.fetch_add(1, Ordering::SeqCst);
        Store::rank_top(&self.rest, key, len).await
    }

    async fn incr(&self, key: &str, by: i64, ttl: Duration) -> Result<i64, CacheError> {
        self.rest.incr(key, by, ttl).await
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        Store::get(&self.rest, key).await
    }

    async fn get_count(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        self.fail_if_failing()?;
        self.rest.get_count(key).await
    }

    async fn set(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), CacheError> {
        self.rest.set(key, value, ttl).await
    }

    async fn remove(&self, key: &str) -> Result<(), CacheError> {
        self.rest.remove(key).await
    }

    async fn ping(&self) -> Result<(), CacheError> {
        Ok(())
    }

    fn track(&self, watcher: Weak<dyn KeyWatcher>) -> Result<Arc<dyn TrackedReads>, CacheError> {
        let nobody: Weak<dyn KeyWatcher> = Weak::<Nobody>::new();
        self.rest.track(if self.is_mute.load(Ordering::SeqCst) { nobody } else { watcher })
    }

    async fn publish(&self, channel: &str, message: Bytes) -> Result<(), CacheError> {
        self.rest.publish(channel, message).await
    }

    async fn subscribe(&self, channel: &str) -> Result<Channel, CacheError> {
        self.rest.subscribe(channel).await
    }

    async fn add_once(
        &self,
        mark: &str,
        batch: BatchId,
        additions: &[Addition],
    ) -> Result<Added, CacheError> {
        self.fail_if_failing()?;
        self.rest.add_once(mark, batch, additions).await
    }
}
