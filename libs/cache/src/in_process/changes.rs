//! Who hears of changes in the store of this process, and of which keys.

use super::{Expiring, Held, InProcess};
use crate::{CacheError, KeyWatcher, Scores, Tracked, TrackedReads};
use bytes::Bytes;
use std::collections::HashSet;
use std::sync::Weak;
use std::time::{Duration, Instant};

/// Keys watched at a time. One more, and everything counts as changed: the table never grows past it.
const WATCHED_KEYS_MAX: usize = 100_000;

/// Watched keys. Its acts run under the store's own lock, so a read and the watching of it are one act, and so
/// are a write and the telling of it.
#[derive(Default)]
pub(super) struct Changes {
    watchers: Vec<Weak<dyn KeyWatcher>>,
    watched: HashSet<String>,
}

impl Changes {
    pub fn tell(&mut self, watcher: Weak<dyn KeyWatcher>) {
        self.watchers.retain(|watcher| watcher.strong_count() > 0);
        self.watchers.push(watcher);
    }

    /// A key has changed: whoever read it hears of it, once.
    pub fn of(&mut self, key: &str) {
        if self.watched.remove(key) {
            self.all_hear(Some(key));
        }
    }

    fn watch(&mut self, key: &str) {
        if self.watched.len() >= WATCHED_KEYS_MAX {
            self.watched.clear();
            self.all_hear(None);
        }
        self.watched.insert(key.to_owned());
    }

    fn all_hear(&self, key: Option<&str>) {
        for watcher in self.watchers.iter().filter_map(Weak::upgrade) {
            watcher.key_changed(key);
        }
    }
}

fn life<T>(found: Option<&Expiring<T>>, now: Instant) -> Option<Duration> {
    found.map(|found| found.expires_at.saturating_duration_since(now))
}

impl Held {
    /// A value, or a counter as Redis shows it.
    pub fn text_of(&self, key: &str, now: Instant) -> Tracked<Option<Bytes>> {
        let value = self.values.get(key).filter(|value| value.expires_at > now);
        let count = self.counters.get(key).filter(|count| count.expires_at > now);
        let read = value.map(|value| value.held.clone());
        let digits = || count.map(|count| Bytes::from(count.held.to_string()));
        Tracked { read: read.or_else(digits), expires_in: life(value, now).or_else(|| life(count, now)) }
    }
}

#[async_trait::async_trait]
impl TrackedReads for InProcess {
    async fn get(&self, key: &str) -> Result<Tracked<Option<Bytes>>, CacheError> {
        let mut held = self.held();
        held.changes.watch(key);
        Ok(held.text_of(key, Instant::now()))
    }

    async fn rank_top(&self, key: &str, len: usize) -> Result<Tracked<Scores>, CacheError> {
        let now = Instant::now();
        let mut held = self.held();
        held.changes.watch(key);
        let rank = held.ranks.get(key).filter(|rank| rank.expires_at > now);
        let expires_in = life(rank, now);
        Ok(Tracked { read: held.rank_top(key, len, now), expires_in })
    }
}
