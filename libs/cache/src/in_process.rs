//! The store of the embedded default: maps in memory, with the same answers as Redis.

mod changes;

use crate::{
    Added, Addition, BATCH_MARK_TTL, BatchId, BucketTake, CHANNEL_BACKLOG_MAX, CacheError, Channel,
    FEED_BACKLOG_MAX, FEED_LEN_MAX, Feed, FeedEvent, FeedId, KeyWatcher, Store, TrackedReads,
};
use bytes::Bytes;
use changes::Changes;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::broadcast;

/// Writes between two sweeps of what has expired.
const SWEEP_EVERY_WRITES: u32 = 1_024;

/// The store of one process. Behind a [`crate::Cache`] of a lane, as any other.
#[derive(Default)]
pub struct InProcess {
    held: Arc<Mutex<Held>>,
}

#[derive(Default)]
struct Held {
    feeds: HashMap<String, RoomFeed>,
    ranks: HashMap<String, Expiring<HashMap<String, i64>>>,
    counters: HashMap<String, Expiring<i64>>,
    values: HashMap<String, Expiring<Bytes>>,
    channels: HashMap<String, broadcast::Sender<Bytes>>,
    /// When each bucket is full again.
    buckets: HashMap<String, Instant>,
    /// The last batch of each writer of counters.
    batches: HashMap<String, Expiring<u64>>,
    changes: Changes,
    writes: u32,
}

impl Held {
    fn rank_top(&self, key: &str, len: usize, now: Instant) -> Vec<(String, i64)> {
        let Some(rank) = self.ranks.get(key).filter(|rank| rank.expires_at > now) else {
            return Vec::new();
        };
        let mut top: Vec<(&String, i64)> = rank.held.iter().map(|(member, score)| (member, *score)).collect();
        let order = |a: &(&String, i64), b: &(&String, i64)| (b.1, b.0).cmp(&(a.1, a.0));
        if top.len() > len {
            top.select_nth_unstable_by(len.saturating_sub(1), order);
            top.truncate(len);
        }
        top.sort_unstable_by(order);
        top.into_iter().map(|(member, score)| (member.clone(), score)).collect()
    }

    /// Adds to a counter; `None` where it would overflow, and then nothing was added.
    fn add(&mut self, key: &str, by: i64, ttl: Duration, now: Instant) -> Option<i64> {
        let counter = self.counters.entry(key.to_owned()).or_insert(Expiring { held: 0, expires_at: now });
        if counter.expires_at <= now {
            *counter = Expiring { held: 0, expires_at: now + ttl };
        }
        let sum = counter.held.checked_add(by)?;
        counter.held = sum;
        self.changes.of(key);
        Some(sum)
    }
}

struct Expiring<T> {
    held: T,
    expires_at: Instant,
}

struct RoomFeed {
    entries: VecDeque<FeedEvent>,
    last: FeedId,
    subscribers: Option<broadcast::Sender<FeedEvent>>,
    expires_at: Instant,
}

impl RoomFeed {
    fn new(expires_at: Instant) -> RoomFeed {
        RoomFeed { entries: VecDeque::new(), last: FeedId::default(), subscribers: None, expires_at }
    }

    fn append(&mut self, payload: Bytes, now_ms: u64) -> FeedId {
        // The clock may stand still or step back; places do neither.
        let id = if now_ms > self.last.ms { FeedId { ms: now_ms, n: 0 } } else { self.last.next() };
        let event = FeedEvent { id, payload };
        if let Some(subscribers) = &self.subscribers {
            let _ = subscribers.send(event.clone()); // Nobody listening is no failure.
        }
        self.last = id;
        self.entries.push_back(event);
        if self.entries.len() > FEED_LEN_MAX {
            self.entries.pop_front();
        }
        id
    }

    fn is_watched(&self) -> bool {
        self.subscribers.as_ref().is_some_and(|subscribers| subscribers.receiver_count() > 0)
    }
}

impl InProcess {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held_for_write(&self, now: Instant) -> MutexGuard<'_, Held> {
        let mut held = self.held();
        held.writes += 1;
        if held.writes >= SWEEP_EVERY_WRITES {
            held.writes = 0;
            held.feeds.retain(|_, feed| feed.expires_at > now || feed.is_watched());
            held.ranks.retain(|_, rank| rank.expires_at > now);
            held.counters.retain(|_, counter| counter.expires_at > now);
            held.buckets.retain(|_, full_at| *full_at > now);
            held.values.retain(|_, value| value.expires_at > now);
            held.batches.retain(|_, batch| batch.expires_at > now);
            held.channels.retain(|_, listeners| listeners.receiver_count() > 0);
        }
        held
    }
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[async_trait::async_trait]
impl Store for InProcess {
    async fn feed_append(
        &self,
        key: &str,
        payloads: &[Bytes],
        ttl: Duration,
    ) -> Result<Vec<FeedId>, CacheError> {
        let (now, now_ms) = (Instant::now(), unix_ms());
        let mut held = self.held_for_write(now);
        let feed = held.feeds.entry(key.to_owned()).or_insert_with(|| RoomFeed::new(now + ttl));
        if feed.expires_at <= now {
            feed.entries.clear(); // The places go on, so that no subscriber sees one twice.
        }
        feed.expires_at = now + ttl;
        Ok(payloads.iter().map(|payload| feed.append(payload.clone(), now_ms)).collect())
    }

    async fn feed_read_after(
        &self,
        key: &str,
        after: Option<FeedId>,
        limit: usize,
    ) -> Result<Vec<(FeedId, Bytes)>, CacheError> {
        let now = Instant::now();
        let held = self.held();
        let Some(feed) = held.feeds.get(key).filter(|feed| feed.expires_at > now) else {
            return Ok(Vec::new());
        };
        let start = after.map_or(0, |after| feed.entries.partition_point(|event| event.id <= after));
        Ok(feed
            .entries
            .iter()
            .skip(start)
            .take(limit)
            .map(|event| (event.id, event.payload.clone()))
            .collect())
    }

    async fn feed_subscribe(&self, key: &str) -> Result<Feed, CacheError> {
        let mut held = self.held_for_write(Instant::now());
        let feed = held.feeds.entry(key.to_owned()).or_insert_with(|| RoomFeed::new(Instant::now()));
        let subscribers = feed.subscribers.get_or_insert_with(|| broadcast::channel(FEED_BACKLOG_MAX).0);
        Ok(Feed::new(subscribers.subscribe()))
    }

    async fn rank_add(&self, key: &str, scores: &[(String, i64)], ttl: Duration) -> Result<(), CacheError> {
        let now = Instant::now();
        let mut held = self.held_for_write(now);
        let rank = held
            .ranks
            .entry(key.to_owned())
            .or_insert_with(|| Expiring { held: HashMap::new(), expires_at: now });
        if rank.expires_at <= now {
            rank.held.clear();
        }
        rank.expires_at = now + ttl;
        for (member, by) in scores {
            let score = rank.held.entry(member.clone()).or_default();
            *score = score.saturating_add(*by);
        }
        held.changes.of(key);
        Ok(())
    }

    async fn rank_top(&self, key: &str, len: usize) -> Result<Vec<(String, i64)>, CacheError> {
        let now = Instant::now();
        let held = self.held();
        Ok(held.rank_top(key, len, now))
    }

    async fn incr(&self, key: &str, by: i64, ttl: Duration) -> Result<i64, CacheError> {
        let now = Instant::now();
        let mut held = self.held_for_write(now);
        held.add(key, by, ttl, now).ok_or_else(|| CacheError::BadReply {
            act: "incr",
            reason: "increment or decrement would overflow".to_owned(),
        })
    }

    async fn take_from_buckets(&self, takes: &[BucketTake]) -> Result<Vec<Duration>, CacheError> {
        let now = Instant::now();
        let mut held = self.held_for_write(now);
        let mut take = |take: &BucketTake| {
            let full_at = held.buckets.entry(take.key.clone()).or_insert(now);
            *full_at = (*full_at).max(now) + take.refill;
            *full_at - now
        };
        Ok(takes.iter().map(&mut take).collect())
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        let now = Instant::now();
        let held = self.held();
        Ok(held.values.get(key).filter(|value| value.expires_at > now).map(|value| value.held.clone()))
    }

    async fn get_count(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        Ok(self.held().text_of(key, Instant::now()).read)
    }

    async fn set(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), CacheError> {
        let now = Instant::now();
        let value = Expiring { held: Bytes::copy_from_slice(value), expires_at: now + ttl };
        let mut held = self.held_for_write(now);
        held.values.insert(key.to_owned(), value);
        held.changes.of(key);
        Ok(())
    }

    async fn remove(&self, key: &str) -> Result<(), CacheError> {
        let mut held = self.held_for_write(Instant::now());
        held.values.remove(key);
        held.changes.of(key);
        Ok(())
    }

    async fn ping(&self) -> Result<(), CacheError> {
        Ok(())
    }

    fn track(&self, watcher: Weak<dyn KeyWatcher>) -> Result<Arc<dyn TrackedReads>, CacheError> {
        self.held().changes.tell(watcher);
        Ok(Arc::new(InProcess { held: Arc::clone(&self.held) }))
    }

    async fn publish(&self, channel: &str, message: Bytes) -> Result<(), CacheError> {
        if let Some(listeners) = self.held().channels.get(channel) {
            let _ = listeners.send(message); // The last listener may just have left.
        }
        Ok(())
    }

    async fn subscribe(&self, channel: &str) -> Result<Channel, CacheError> {
        let mut held = self.held_for_write(Instant::now());
        let fresh = || broadcast::channel(CHANNEL_BACKLOG_MAX).0;
        Ok(Channel::new(held.channels.entry(channel.to_owned()).or_insert_with(fresh).subscribe()))
    }

    async fn add_once(
        &self,
        mark: &str,
        batch: BatchId,
        additions: &[Addition],
    ) -> Result<Added, CacheError> {
        let now = Instant::now();
        let mut held = self.held_for_write(now);
        let marked = Expiring { held: batch.seq, expires_at: now + BATCH_MARK_TTL };
        if held.batches.get(mark).is_some_and(|last| last.expires_at > now && last.held >= batch.seq) {
            return Ok(Added::Before);
        }
        held.batches.insert(mark.to_owned(), marked);
        let add = |one: &Addition| held.add(&one.key, one.by, one.ttl, now);
        Ok(Added::Now(additions.iter().map(add).collect()))
    }
}
