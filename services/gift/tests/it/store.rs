//! Rooms that remember what they saw, and can be made to fail: a cache store for tests.

use bytes::Bytes;
use cache::{Cache, CacheError, Feed, FeedId, Store};
use contracts::lane::Lane;
use ids::Uuid;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// How rooms take effects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomMood {
    Well = 0,
    /// Every effect fails at once.
    Failing = 1,
    /// No effect is ever answered.
    Hanging = 2,
}

#[derive(Default)]
struct Kept {
    seen: Vec<Value>,
    ranks: HashMap<String, HashMap<String, i64>>,
    values: HashMap<String, Bytes>,
    counts: HashMap<String, i64>,
}

pub struct Rooms {
    mood: AtomicU8,
    kept: Mutex<Kept>,
    /// Feeds that are no room's: the calls by which the shelf spreads.
    calls: Cache,
}

impl Default for Rooms {
    fn default() -> Rooms {
        Rooms { mood: AtomicU8::default(), kept: Mutex::default(), calls: Cache::in_process(&Lane::Live) }
    }
}

/// The id of a feed that is no room's. Rooms of the live lane have ids of version 7.
fn call(key: &str) -> Option<Uuid> {
    let id: Uuid = key.rsplit(':').next()?.parse().ok()?;
    (id.get_version_num() == 8).then_some(id)
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
        self.kept.lock().expect("not poisoned").seen.clone()
    }

    /// The gifts shown of one order.
    pub fn shown(&self, order_id: ids::OrderId) -> Vec<Value> {
        let of = |event: &Value| event["type"] == "gift" && event["order_id"] == order_id.to_string();
        self.seen().into_iter().filter(of).collect()
    }
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
        _ttl: Duration,
    ) -> Result<Vec<FeedId>, CacheError> {
        if let Some(id) = call(key) {
            return self.calls.feed_append(id, payloads.to_vec()).await;
        }
        match self.mood.load(Ordering::SeqCst) {
            1 => return Err(away()),
            2 => std::future::pending().await,
            _ => {}
        }
        let mut kept = self.kept.lock().expect("not poisoned");
        kept.seen
            .extend(payloads.iter().map(|payload| serde_json::from_slice::<Value>(payload).expect("JSON")));
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
        match call(key) {
            Some(id) => self.calls.feed_subscribe(id).await,
            None => Err(away()),
        }
    }

    async fn rank_add(&self, key: &str, scores: &[(String, i64)], _ttl: Duration) -> Result<(), CacheError> {
        let mut kept = self.kept.lock().expect("not poisoned");
        let rank = kept.ranks.entry(key.to_owned()).or_default();
        for (member, by) in scores {
            *rank.entry(member.clone()).or_default() += by;
        }
        Ok(())
    }

    async fn rank_top(&self, key: &str, len: usize) -> Result<Vec<(String, i64)>, CacheError> {
        let kept = self.kept.lock().expect("not poisoned");
        let mut top: Vec<(String, i64)> =
            kept.ranks.get(key).cloned().unwrap_or_default().into_iter().collect();
        top.sort_by_key(|(member, score)| (std::cmp::Reverse(*score), member.clone()));
        top.truncate(len);
        Ok(top)
    }

    async fn incr(&self, key: &str, by: i64, _ttl: Duration) -> Result<i64, CacheError> {
        let mut kept = self.kept.lock().expect("not poisoned");
        let count = kept.counts.entry(key.to_owned()).or_default();
        *count += by;
        Ok(*count)
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        Ok(self.kept.lock().expect("not poisoned").values.get(key).cloned())
    }

    async fn set(&self, key: &str, value: &[u8], _ttl: Duration) -> Result<(), CacheError> {
        self.kept.lock().expect("not poisoned").values.insert(key.to_owned(), Bytes::copy_from_slice(value));
        Ok(())
    }

    async fn remove(&self, key: &str) -> Result<(), CacheError> {
        self.kept.lock().expect("not poisoned").values.remove(key);
        Ok(())
    }

    async fn ping(&self) -> Result<(), CacheError> {
        Ok(())
    }
}
