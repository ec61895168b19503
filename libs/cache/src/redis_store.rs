//! The store in Redis: one multiplexed connection that heals itself, one more for feeds, and one for what Redis
//! tells by itself.

use crate::redis_feeds::RedisFeeds;
use crate::redis_pushes::RedisPushes;
use crate::{
    Added, Addition, BATCH_MARK_TTL, BatchId, BucketTake, CacheError, Channel, FEED_LEN_MAX, Feed, FeedId,
    KeyWatcher, Store, TrackedReads,
};
use bytes::Bytes;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::streams::{StreamId, StreamRangeReply};
use redis::{AsyncConnectionConfig, Client, ErrorKind, FromRedisValue, Pipeline, RedisError, Script};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// The field of a stream entry that holds the payload.
const PAYLOAD_FIELD: &str = "p";

/// The longest pause between two attempts to connect again.
const RECONNECT_DELAY_MAX: Duration = Duration::from_secs(1);

/// How long feeds stay on this node after Redis has failed one, before it is asked again.
const FEEDS_AWAY: Duration = Duration::from_millis(500);

pub(crate) struct RedisStore {
    connection: ConnectionManager,
    feeds: RedisFeeds,
    pushes: RedisPushes,
    /// Until when feeds stay on this node.
    feeds_away: Mutex<Option<Instant>>,
    append_timeout: Duration,
    incr: Script,
    add_once: Script,
    take_from_buckets: Script,
}

/// The generic cell rate algorithm, many keys at once: a key holds the microsecond at which its bucket is full again, by
/// the server's clock, and is gone from then on. Such numbers are exact in Lua until the year 2255. A key that holds
/// something else counts as full.
const TAKE_FROM_BUCKETS: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local full_in = {}
for i = 1, #KEYS do
  local full_at = tonumber(redis.call('GET', KEYS[i]) or '') or now
  if full_at < now then full_at = now end
  full_at = full_at + ARGV[i]
  full_in[i] = full_at - now
  redis.call('SET', KEYS[i], string.format('%.0f', full_at), 'PX', math.ceil(full_in[i] / 1000) + 1)
end
return full_in";

/// Every counter of a batch, unless the writer's mark is already at this batch. The mark is written first: a
/// script that ended early must not be added twice. A counter that refuses spoils no other. Values are read as
/// text, for a number of Lua is exact only up to 2^53.
const ADD_ONCE: &str = "
local last = redis.call('GET', KEYS[1])
if last and tonumber(last) >= tonumber(ARGV[1]) then return false end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
local values = {}
for i = 2, #KEYS do
  local added = redis.pcall('INCRBY', KEYS[i], ARGV[2 * i - 1])
  if type(added) == 'table' and added.err then
    values[i - 1] = ''
  else
    if redis.call('PTTL', KEYS[i]) < 0 then redis.call('PEXPIRE', KEYS[i], ARGV[2 * i]) end
    values[i - 1] = redis.call('GET', KEYS[i])
  end
end
return values";

impl RedisStore {
    /// Connects on first use. Must run within a Tokio runtime.
    pub fn try_new(url: &str, act_timeout: Duration) -> Result<RedisStore, CacheError> {
        let client = Client::open(url).map_err(|_| CacheError::BadUrl)?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(act_timeout))
            .set_response_timeout(Some(act_timeout))
            .set_max_delay(RECONNECT_DELAY_MAX);
        let connection = ConnectionManager::new_lazy_with_config(client.clone(), config)
            .map_err(|_| CacheError::BadUrl)?;
        // One round trip, and no counter can be left behind without an end. The value is read as text: a
        // number of Lua is exact only up to 2^53.
        let incr = Script::new(
            "redis.call('INCRBY', KEYS[1], ARGV[1]) \
             if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end \
             return redis.call('GET', KEYS[1])",
        );
        let pushes = RedisPushes::try_new(&client, act_timeout)?;
        let feeds = RedisFeeds::new(client);
        // Half of what the caller waits: the rest is for this node's own subscribers.
        let append_timeout = act_timeout / 2;
        let feeds_away = Mutex::default();
        let add_once = Script::new(ADD_ONCE);
        let take_from_buckets = Script::new(TAKE_FROM_BUCKETS);
        Ok(RedisStore {
            connection,
            feeds,
            pushes,
            feeds_away,
            append_timeout,
            incr,
            add_once,
            take_from_buckets,
        })
    }

    /// Asks for a sign of life on a connection of its own, which is told why it is not let in: the shared one goes on
    /// trying.
    pub async fn greet(url: &str, act_timeout: Duration) -> Result<(), CacheError> {
        let client = Client::open(url).map_err(|_| CacheError::BadUrl)?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(act_timeout))
            .set_response_timeout(Some(act_timeout));
        let opened = client.get_multiplexed_async_connection_with_config(&config).await;
        let answered = match opened {
            Ok(mut connection) => redis::cmd("PING").query_async(&mut connection).await,
            Err(error) => Err(error),
        };
        answered.map_err(|error| {
            let is_kept_out = error.kind() == ErrorKind::AuthenticationFailed
                || matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM"));
            if is_kept_out {
                CacheError::Refused { reason: error.to_string() }
            } else {
                failed("ping", &error)
            }
        })
    }

    fn feeds_away(&self) -> MutexGuard<'_, Option<Instant>> {
        self.feeds_away.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn append(&self, key: &str, payloads: &[Bytes], ttl: Duration) -> Result<Vec<FeedId>, CacheError> {
        let mut pipeline = redis::pipe();
        for payload in payloads {
            pipeline.cmd("XADD").arg(key).arg("MAXLEN").arg("~").arg(FEED_LEN_MAX).arg("*");
            pipeline.arg(PAYLOAD_FIELD).arg(&payload[..]);
        }
        pipeline.cmd("PEXPIRE").arg(key).arg(millis(ttl)).ignore();
        let ids: Vec<String> = self.run("feed_append", &pipeline).await?;
        let read = |id: String| {
            id.parse()
                .map_err(|_| CacheError::BadReply { act: "feed_append", reason: format!("the id {id}") })
        };
        ids.into_iter().map(read).collect()
    }

    async fn run<T: FromRedisValue>(&self, act: &'static str, pipeline: &Pipeline) -> Result<T, CacheError> {
        let mut connection = self.connection.clone();
        pipeline.query_async(&mut connection).await.map_err(|error| failed(act, &error))
    }
}

/// A failure in our words. The text of Redis never holds a password.
pub(crate) fn failed(act: &'static str, error: &RedisError) -> CacheError {
    if error.is_timeout() {
        return CacheError::TimedOut { act };
    }
    match error.kind() {
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType | ErrorKind::Extension => {
            CacheError::BadReply { act, reason: error.to_string() }
        }
        ErrorKind::Server(redis::ServerErrorKind::ResponseError) => {
            CacheError::BadReply { act, reason: error.to_string() }
        }
        _ => CacheError::Unreachable { reason: error.to_string() },
    }
}

fn length(payloads: &[Bytes]) -> u64 {
    u64::try_from(payloads.len()).unwrap_or(u64::MAX)
}

fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// One entry of a stream as an event.
pub(crate) fn event_of(act: &'static str, entry: &StreamId) -> Result<(FeedId, Bytes), CacheError> {
    let bad = |reason: &str| CacheError::BadReply { act, reason: reason.to_owned() };
    let id = entry.id.parse().map_err(|_| bad("an entry with an odd id"))?;
    let payload: Vec<u8> = entry.get(PAYLOAD_FIELD).ok_or_else(|| bad("an entry without a payload"))?;
    Ok((id, Bytes::from(payload)))
}

#[async_trait::async_trait]
impl Store for RedisStore {
    async fn feed_append(
        &self,
        key: &str,
        payloads: &[Bytes],
        ttl: Duration,
    ) -> Result<Vec<FeedId>, CacheError> {
        if self.feeds_away().is_none_or(|until| until <= Instant::now()) {
            let appending = tokio::time::timeout(self.append_timeout, self.append(key, payloads, ttl)).await;
            match appending.unwrap_or(Err(CacheError::TimedOut { act: "feed_append" })) {
                Ok(ids) => return Ok(ids),
                Err(error) => {
                    tracing::debug!(%error, "effects stay on this node");
                    *self.feeds_away() = Some(Instant::now() + FEEDS_AWAY);
                }
            }
        }
        metrics::counter!("largesse_cache_feed_events_kept_here_total").increment(length(payloads));
        Ok(self.feeds.deliver_here(key, payloads))
    }

    async fn feed_read_after(
        &self,
        key: &str,
        after: Option<FeedId>,
        limit: usize,
    ) -> Result<Vec<(FeedId, Bytes)>, CacheError> {
        let start = after.map_or_else(|| "-".to_owned(), |after| format!("({after}"));
        let mut pipeline = redis::pipe();
        pipeline.cmd("XRANGE").arg(key).arg(start).arg("+").arg("COUNT").arg(limit);
        let (reply,): (StreamRangeReply,) = self.run("feed_read_after", &pipeline).await?;
        reply.ids.iter().map(|entry| event_of("feed_read_after", entry)).collect()
    }

    async fn feed_subscribe(&self, key: &str) -> Result<Feed, CacheError> {
        let feeds = &self.feeds;
        if let Some(feed) = feeds.join(key) {
            return Ok(feed);
        }
        // Where the feed ends now: everything after this place reaches the subscriber.
        let mut pipeline = redis::pipe();
        pipeline.cmd("XREVRANGE").arg(key).arg("+").arg("-").arg("COUNT").arg(1);
        let (reply,): (StreamRangeReply,) = self.run("feed_subscribe", &pipeline).await?;
        let last = match reply.ids.first() {
            Some(entry) => event_of("feed_subscribe", entry)?.0,
            None => FeedId::default(),
        };
        Ok(feeds.start(key, last))
    }

    async fn rank_add(&self, key: &str, scores: &[(String, i64)], ttl: Duration) -> Result<(), CacheError> {
        let mut pipeline = redis::pipe();
        for (member, by) in scores {
            pipeline.cmd("ZINCRBY").arg(key).arg(*by).arg(member).ignore();
        }
        pipeline.cmd("PEXPIRE").arg(key).arg(millis(ttl)).ignore();
        self.run("rank_add", &pipeline).await
    }

    async fn rank_top(&self, key: &str, len: usize) -> Result<Vec<(String, i64)>, CacheError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("ZREVRANGE").arg(key).arg(0).arg(len.saturating_sub(1)).arg("WITHSCORES");
        let (scores,): (Vec<(String, String)>,) = self.run("rank_top", &pipeline).await?;
        let read = |(member, score): (String, String)| match score.parse() {
            Ok(score) => Ok((member, score)),
            Err(_) => Err(CacheError::BadReply { act: "rank_top", reason: format!("the score {score}") }),
        };
        scores.into_iter().map(read).collect()
    }

    async fn incr(&self, key: &str, by: i64, ttl: Duration) -> Result<i64, CacheError> {
        let mut connection = self.connection.clone();
        let mut call = self.incr.key(key);
        let call = call.arg(by).arg(millis(ttl));
        call.invoke_async(&mut connection).await.map_err(|error| failed("incr", &error))
    }

    async fn take_from_buckets(&self, takes: &[BucketTake]) -> Result<Vec<Duration>, CacheError> {
        let act = "take_from_buckets";
        let mut connection = self.connection.clone();
        let mut call = self.take_from_buckets.prepare_invoke();
        for take in takes {
            call.key(&take.key).arg(u64::try_from(take.refill.as_micros()).unwrap_or(u64::MAX));
        }
        let full_in: Vec<u64> =
            call.invoke_async(&mut connection).await.map_err(|error| failed(act, &error))?;
        if full_in.len() != takes.len() {
            return Err(CacheError::BadReply { act, reason: format!("{} numbers", full_in.len()) });
        }
        Ok(full_in.into_iter().map(Duration::from_micros).collect())
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("GET").arg(key);
        let (value,): (Option<Vec<u8>>,) = self.run("get", &pipeline).await?;
        Ok(value.map(Bytes::from))
    }

    async fn set(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), CacheError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("SET").arg(key).arg(value).arg("PX").arg(millis(ttl)).ignore();
        self.run("set", &pipeline).await
    }

    async fn remove(&self, key: &str) -> Result<(), CacheError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("DEL").arg(key).ignore();
        self.run("remove", &pipeline).await
    }

    async fn ping(&self) -> Result<(), CacheError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("PING").ignore();
        self.run("ping", &pipeline).await
    }

    fn track(&self, watcher: Weak<dyn KeyWatcher>) -> Result<Arc<dyn TrackedReads>, CacheError> {
        Ok(self.pushes.track(watcher))
    }

    async fn publish(&self, channel: &str, message: Bytes) -> Result<(), CacheError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("PUBLISH").arg(channel).arg(&message[..]).ignore();
        self.run("publish", &pipeline).await
    }

    async fn subscribe(&self, channel: &str) -> Result<Channel, CacheError> {
        Ok(self.pushes.subscribe(channel).await)
    }

    async fn add_once(
        &self,
        mark: &str,
        batch: BatchId,
        additions: &[Addition],
    ) -> Result<Added, CacheError> {
        let mut connection = self.connection.clone();
        let mut call = self.add_once.key(mark);
        call.arg(batch.seq).arg(millis(BATCH_MARK_TTL));
        for addition in additions {
            call.key(&addition.key).arg(addition.by).arg(millis(addition.ttl));
        }
        let values: Option<Vec<String>> =
            call.invoke_async(&mut connection).await.map_err(|error| failed("add_once", &error))?;
        let read = |value: String| match value.parse() {
            Ok(value) => Ok(Some(value)),
            Err(_) if value.is_empty() => Ok(None),
            Err(_) => Err(CacheError::BadReply { act: "add_once", reason: format!("the value {value}") }),
        };
        match values {
            Some(values) => Ok(Added::Now(values.into_iter().map(read).collect::<Result<_, _>>()?)),
            None => Ok(Added::Before),
        }
    }
}
