//! The store of the embedded default: maps in memory, with the same answers as Redis.

use crate::{CacheError, FEED_BACKLOG_MAX, FEED_LEN_MAX, Feed, FeedEvent, FeedId, Store};
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::broadcast;

/// Writes between two sweeps of what has expired.
const SWEEP_EVERY_WRITES: u32 = 1_024;

#[derive(Default)]
pub(crate) struct InProcess {
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    feeds: HashMap<String, RoomFeed>,
    ranks: HashMap<String, Expiring<HashMap<String, i64>>>,
    counters: HashMap<String, Expiring<i64>>,
    values: HashMap<String, Expiring<Bytes>>,
    writes: u32,
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
            held.values.retain(|_, value| value.expires_at > now);
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
        Ok(())
    }

    async fn rank_top(&self, key: &str, len: usize) -> Result<Vec<(String, i64)>, CacheError> {
        let now = Instant::now();
        let held = self.held();
        let Some(rank) = held.ranks.get(key).filter(|rank| rank.expires_at > now) else {
            return Ok(Vec::new());
        };
        let mut top: Vec<(&String, i64)> = rank.held.iter().map(|(member, score)| (member, *score)).collect();
        let order = |a: &(&String, i64), b: &(&String, i64)| (b.1, b.0).cmp(&(a.1, a.0));
        if top.len() > len {
            top.select_nth_unstable_by(len - 1, order); // The handle never asks for none.
            top.truncate(len);
        }
        top.sort_unstable_by(order);
        Ok(top.into_iter().map(|(member, score)| (member.clone(), score)).collect())
    }

    async fn incr(&self, key: &str, by: i64, ttl: Duration) -> Result<i64, CacheError> {
        let now = Instant::now();
        let mut held = self.held_for_write(now);
        let counter = held.counters.entry(key.to_owned()).or_insert(Expiring { held: 0, expires_at: now });
        if counter.expires_at <= now {
            *counter = Expiring { held: 0, expires_at: now + ttl };
        }
        let sum = counter.held.checked_add(by).ok_or_else(|| CacheError::BadReply {
            act: "incr",
            reason: "increment or decrement would overflow".to_owned(),
        })?;
        counter.held = sum;
        Ok(sum)
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        let now = Instant::now();
        let held = self.held();
        Ok(held.values.get(key).filter(|value| value.expires_at > now).map(|value| value.held.clone()))
    }

    async fn set(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), CacheError> {
        let now = Instant::now();
        let value = Expiring { held: Bytes::copy_from_slice(value), expires_at: now + ttl };
        self.held_for_write(now).values.insert(key.to_owned(), value);
        Ok(())
    }

    async fn remove(&self, key: &str) -> Result<(), CacheError> {
        self.held_for_write(Instant::now()).values.remove(key);
        Ok(())
    }

    async fn ping(&self) -> Result<(), CacheError> {
        Ok(())
    }
}
