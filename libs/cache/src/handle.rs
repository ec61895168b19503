//! The handle: a store, a lane, and a bound on the time of every act.

use crate::in_process::InProcess;
use crate::redis_store::RedisStore;
use crate::{
    ADDITIONS_LEN_MAX, Added, Addition, BUCKET_TAKES_MAX, BatchId, BucketTake, CacheError, Channel, Feed,
    FeedId, Shelf, Store, Tracker, Watcher,
};
use bytes::Bytes;
use contracts::lane::Lane;
use guard::deps::{BreakerSettings, CallError, Declaration, Need, Verdict, Weak};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// What the keys of this product begin with, before the lane's own prefix.
const PRODUCT_PREFIX: &str = "largesse:";

/// The most that is taken from a bucket at once, as time to refill.
const BUCKET_REFILL_MAX: Duration = Duration::from_hours(365 * 24);

/// Bounds on what a cache may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheSettings {
    /// The longest any act may take.
    pub act_timeout: Duration,
    /// How long a feed lives after its last event.
    pub feed_ttl: Duration,
    /// How long a rank lives after its last change.
    pub rank_ttl: Duration,
    /// The longest a key of a shadow run lives, whatever else is asked.
    pub shadow_ttl_max: Duration,
}

impl Default for CacheSettings {
    fn default() -> CacheSettings {
        CacheSettings {
            act_timeout: Duration::from_millis(250),
            feed_ttl: Duration::from_secs(24 * 60 * 60),
            rank_ttl: Duration::from_secs(48 * 60 * 60),
            shadow_ttl_max: Duration::from_secs(60 * 60),
        }
    }
}

/// Redis as a dependency: acts that have to ask it and can be done without. Slow is half of the time limit: a caller
/// of some acts in a row must not pay it for each.
pub const REDIS: Declaration = Declaration {
    name: "redis",
    purpose: "keeps ranks, counters and shared values",
    need: Need::Weak {
        fallback: "the act fails at once, and its caller does what it does when the cache is away",
    },
    timeout: Duration::from_millis(250),
    in_flight_max: 4_096,
    breaker: BreakerSettings {
        calls_min: 10,
        open_for: Duration::from_millis(500),
        ..BreakerSettings::standard(Duration::from_millis(125))
    },
};

/// The cache of one lane. Clones share the store.
#[derive(Clone)]
pub struct Cache {
    store: Arc<dyn Store>,
    prefix: Arc<str>,
    lane: Lane,
    settings: CacheSettings,
    dependency: Option<Weak>,
}

impl Cache {
    /// A cache over any store; two lanes may share one.
    pub fn new(store: Arc<dyn Store>, lane: &Lane, settings: CacheSettings) -> Cache {
        let prefix = format!("{PRODUCT_PREFIX}{}", lane.prefix());
        Cache { store, prefix: prefix.into(), lane: lane.clone(), settings, dependency: None }
    }

    /// A cache inside this process, for the embedded default and tests.
    pub fn in_process(lane: &Lane) -> Cache {
        Cache::new(Arc::new(InProcess::default()), lane, CacheSettings::default())
    }

    /// A cache in Redis. A server that is not there now is no error: acts fail until it is.
    ///
    /// # Errors
    /// [`CacheError::BadUrl`].
    pub async fn connect(url: &str, lane: &Lane) -> Result<Cache, CacheError> {
        Cache::connect_with(url, lane, CacheSettings::default()).await
    }

    /// As [`Cache::connect`], with settings.
    ///
    /// # Errors
    /// [`CacheError::BadUrl`], [`CacheError::Refused`].
    pub async fn connect_with(url: &str, lane: &Lane, settings: CacheSettings) -> Result<Cache, CacheError> {
        let store = RedisStore::try_new(url, settings.act_timeout)?;
        match RedisStore::greet(url, settings.act_timeout).await {
            Err(error @ CacheError::Refused { .. }) => return Err(error),
            Err(error) => tracing::warn!(%error, "the cache does not answer yet; going on without it"),
            Ok(()) => {}
        }
        Ok(Cache::new(Arc::new(store), lane, settings))
    }

    /// The same cache behind a dependency ([`REDIS`]): while the server fails or is slow, acts fail at once instead of
    /// after their time limit. Not behind it are feeds, which stay on this node meanwhile (and know by themselves when),
    /// what listens, and [`Cache::ping`], which tells whether the server is there.
    #[must_use]
    pub fn behind(self, dependency: Weak) -> Cache {
        Cache { dependency: Some(dependency), ..self }
    }

    /// The same store for another lane.
    pub fn for_lane(&self, lane: &Lane) -> Cache {
        let dependency = self.dependency.clone();
        Cache { dependency, ..Cache::new(Arc::clone(&self.store), lane, self.settings) }
    }

    pub fn lane(&self) -> &Lane {
        &self.lane
    }

    /// Appends events to a room's feed, in order, and gives their places. Keeps about
    /// [`crate::FEED_LEN_MAX`] of them. While Redis is away they reach this node's subscribers alone, and are kept
    /// nowhere.
    ///
    /// # Errors
    /// [`CacheError`]; some events may have been appended.
    pub async fn feed_append(&self, room: Uuid, payloads: Vec<Bytes>) -> Result<Vec<FeedId>, CacheError> {
        if payloads.is_empty() {
            return Ok(Vec::new());
        }
        let ttl = self.ttl(self.settings.feed_ttl);
        self.asked("feed_append", self.store.feed_append(&self.feed_key(room), &payloads, ttl)).await
    }

    /// Events of a room after a place (from the oldest kept without one), in order, at most `limit`.
    ///
    /// # Errors
    /// [`CacheError`].
    pub async fn feed_read_after(
        &self,
        room: Uuid,
        after: Option<FeedId>,
        limit: usize,
    ) -> Result<Vec<(FeedId, Bytes)>, CacheError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        self.in_time("feed_read_after", self.store.feed_read_after(&self.feed_key(room), after, limit)).await
    }

    /// Events of a room from now on.
    ///
    /// # Errors
    /// [`CacheError`]: there is no subscription.
    pub async fn feed_subscribe(&self, room: Uuid) -> Result<Feed, CacheError> {
        self.asked("feed_subscribe", self.store.feed_subscribe(&self.feed_key(room))).await
    }

    /// Adds to one member's score. Scores are exact up to 2^53.
    ///
    /// # Errors
    /// [`CacheError`]; the score may have been added.
    pub async fn rank_add(&self, key: &str, member: &str, by: i64) -> Result<(), CacheError> {
        self.rank_add_all(key, &[(member.to_owned(), by)]).await
    }

    /// Adds to the scores of many members in one round trip.
    ///
    /// # Errors
    /// [`CacheError`]; some scores may have been added.
    pub async fn rank_add_all(&self, key: &str, scores: &[(String, i64)]) -> Result<(), CacheError> {
        if scores.is_empty() {
            return Ok(());
        }
        let ttl = self.ttl(self.settings.rank_ttl);
        self.in_time("rank_add", self.store.rank_add(&self.key("rank", key), scores, ttl)).await
    }

    /// The highest scores; of equal ones the last member in byte order comes first.
    ///
    /// # Errors
    /// [`CacheError`].
    pub async fn rank_top(&self, key: &str, len: usize) -> Result<Vec<(String, i64)>, CacheError> {
        if len == 0 {
            return Ok(Vec::new());
        }
        self.in_time("rank_top", self.store.rank_top(&self.key("rank", key), len)).await
    }

    /// Adds to a counter and gives its value. Its `ttl` starts with its first addition.
    ///
    /// # Errors
    /// [`CacheError`]; it may have been added.
    pub async fn incr(&self, key: &str, by: i64, ttl: Duration) -> Result<i64, CacheError> {
        self.in_time("incr", self.store.incr(&self.key("count", key), by, self.ttl(ttl))).await
    }

    /// Takes from buckets that refill evenly, in one round trip; gives how long each then takes until it is full. The
    /// store's clock decides, so every node counts alike. A full bucket is forgotten. At most
    /// [`BUCKET_TAKES_MAX`].
    ///
    /// # Errors
    /// [`CacheError`]; it may have been taken from some.
    pub async fn take_from_buckets(&self, takes: Vec<BucketTake>) -> Result<Vec<Duration>, CacheError> {
        if takes.len() > BUCKET_TAKES_MAX {
            return Err(CacheError::BadBatch);
        }
        if takes.is_empty() {
            return Ok(Vec::new());
        }
        let whole = |take: BucketTake| BucketTake {
            key: self.key("bucket", &take.key),
            refill: take.refill.min(BUCKET_REFILL_MAX),
        };
        let takes: Vec<BucketTake> = takes.into_iter().map(whole).collect();
        self.in_time("take_from_buckets", self.store.take_from_buckets(&takes)).await
    }

    /// A counter's value; `None` before its first addition and after its end.
    ///
    /// # Errors
    /// [`CacheError`].
    pub async fn count(&self, key: &str) -> Result<Option<i64>, CacheError> {
        let text = self.in_time("count", self.store.get_count(&self.key("count", key))).await?;
        text.map(|text| counted("count", &text)).transpose()
    }

    /// # Errors
    /// [`CacheError`].
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        self.in_time("get", self.store.get(&self.key("value", key))).await
    }

    /// Keeps a value for `ttl`.
    ///
    /// # Errors
    /// [`CacheError`]; it may have been kept.
    pub async fn set(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), CacheError> {
        self.in_time("set", self.store.set(&self.key("value", key), value, self.ttl(ttl))).await
    }

    /// Forgets a value.
    ///
    /// # Errors
    /// [`CacheError`]; it may be forgotten.
    pub async fn remove(&self, key: &str) -> Result<(), CacheError> {
        self.in_time("remove", self.store.remove(&self.key("value", key))).await
    }

    /// Whether the store answers: for readiness and status pages.
    ///
    /// # Errors
    /// [`CacheError`].
    pub async fn ping(&self) -> Result<(), CacheError> {
        self.asked("ping", self.store.ping()).await
    }

    /// Reads whose later change `watcher` hears; see [`Tracker`].
    ///
    /// # Errors
    /// [`CacheError::Unsupported`]. A server that cannot be reached is no error here.
    pub fn track(&self, watcher: Arc<dyn Watcher>) -> Result<Tracker, CacheError> {
        let scope = Scope { prefix: Arc::clone(&self.prefix), act_timeout: self.settings.act_timeout };
        Tracker::try_new(&*self.store, scope, watcher)
    }

    /// Tells whoever listens to a channel of this lane now, on any node.
    ///
    /// # Errors
    /// [`CacheError`]; it may have been told.
    pub async fn publish(&self, channel: &str, message: Bytes) -> Result<(), CacheError> {
        self.in_time("publish", self.store.publish(&self.key("channel", channel), message)).await
    }

    /// Messages of a channel of this lane from now on; see [`Channel`] for what may be lost. A server that
    /// cannot be reached is no error: messages come when it is back.
    ///
    /// # Errors
    /// [`CacheError`]: there is no subscription.
    pub async fn subscribe(&self, channel: &str) -> Result<Channel, CacheError> {
        self.store.subscribe(&self.key("channel", channel)).await // Bounded by itself.
    }

    /// Adds to counters (the ones of [`Cache::incr`]) in one command, once per batch however often it is sent.
    /// A batch of more than [`ADDITIONS_LEN_MAX`] is refused, and so is one that names a counter twice.
    ///
    /// # Errors
    /// [`CacheError`]; the batch may have been added: send the same again.
    pub async fn add_once(&self, batch: BatchId, additions: &[Addition]) -> Result<Added, CacheError> {
        let mark = self.key("batch", &format!("{}:{}", batch.instance, batch.epoch));
        let whole = |addition: &Addition| Addition {
            key: self.key("count", &addition.key),
            by: addition.by,
            ttl: self.ttl(addition.ttl),
        };
        let additions: Vec<Addition> = additions.iter().map(whole).collect();
        let keys: std::collections::HashSet<&str> = additions.iter().map(|one| one.key.as_str()).collect();
        if additions.len() > ADDITIONS_LEN_MAX || keys.len() < additions.len() {
            return Err(CacheError::BadBatch);
        }
        self.in_time("add_once", self.store.add_once(&mark, batch, &additions)).await
    }

    fn key(&self, kind: &str, key: &str) -> String {
        format!("{}{kind}:{key}", self.prefix)
    }

    fn feed_key(&self, room: Uuid) -> String {
        format!("{}feed:{room}", self.prefix)
    }

    /// Redis refuses a time to live of zero, and a shadow run must not leave keys behind.
    fn ttl(&self, asked: Duration) -> Duration {
        let asked = asked.max(Duration::from_millis(1));
        match self.lane {
            Lane::Live => asked,
            Lane::Shadow(_) => asked.min(self.settings.shadow_ttl_max),
        }
    }

    /// Through the dependency, where there is one.
    async fn in_time<T>(
        &self,
        act: &'static str,
        work: impl Future<Output = Result<T, CacheError>>,
    ) -> Result<T, CacheError> {
        let asked = self.asked(act, work);
        match &self.dependency {
            None => asked.await,
            Some(dependency) => {
                let asked = async { asked.await.map(Ok) };
                dependency.call_judged_or(asked, judge, |error| Err(without(act, error))).await
            }
        }
    }

    async fn asked<T>(
        &self,
        act: &'static str,
        work: impl Future<Output = Result<T, CacheError>>,
    ) -> Result<T, CacheError> {
        within(self.settings.act_timeout, act, work).await
    }
}

/// What the server says no to, or says oddly, it has answered.
fn judge<T>(answer: &Result<T, CacheError>) -> Verdict {
    match answer {
        Err(CacheError::TimedOut { .. } | CacheError::Unreachable { .. } | CacheError::Refused { .. }) => {
            Verdict::Fails
        }
        Ok(_)
        | Err(
            CacheError::BadReply { .. }
            | CacheError::BadUrl
            | CacheError::Unsupported { .. }
            | CacheError::BadBatch,
        ) => Verdict::Works,
    }
}

fn without(act: &'static str, error: CallError<CacheError>) -> CacheError {
    match error {
        CallError::Failed(error) => error,
        CallError::TimedOut { .. } => CacheError::TimedOut { act },
        CallError::Refused { .. } => CacheError::Unreachable { reason: error.to_string() },
    }
}

/// A counter's digits as a number.
pub(crate) fn counted(act: &'static str, text: &[u8]) -> Result<i64, CacheError> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| CacheError::BadReply { act, reason: "a counter that is no number".to_owned() })
}

/// Where the keys of one lane begin, and how long an act of it may take.
#[derive(Clone)]
pub(crate) struct Scope {
    pub prefix: Arc<str>,
    act_timeout: Duration,
}

impl Scope {
    pub fn key(&self, shelf: Shelf, key: &str) -> String {
        format!("{}{}:{key}", self.prefix, shelf.name())
    }

    pub async fn in_time<T>(
        &self,
        act: &'static str,
        work: impl Future<Output = Result<T, CacheError>>,
    ) -> Result<T, CacheError> {
        within(self.act_timeout, act, work).await
    }
}

async fn within<T>(
    limit: Duration,
    act: &'static str,
    work: impl Future<Output = Result<T, CacheError>>,
) -> Result<T, CacheError> {
    tokio::time::timeout(limit, work).await.unwrap_or(Err(CacheError::TimedOut { act }))
}
