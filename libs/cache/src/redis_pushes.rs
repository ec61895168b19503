//! What Redis tells without being asked: changes of tracked keys, and messages of channels.
//!
//! One RESP3 connection for all of it. Tracked reads travel on it too: Redis sends the change of a key on the
//! connection that read it, in order with the answers, and changes are passed on in the task that reads the
//! socket, so whoever gets an answer has heard of everything before it. Tracking is OPTIN: the server keeps a
//! note only of keys that were read through here, and no other read costs it anything. Whenever the connection
//! is lost, found mute, or says what cannot be understood, watchers are told that everything may have changed.

use crate::redis_store::failed;
use crate::{CHANNEL_BACKLOG_MAX, CacheError, Channel, KeyWatcher, Scores, Tracked, TrackedReads};
use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, FromRedisValue, Pipeline, ProtocolVersion, PushInfo, PushKind, Value,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{Notify, broadcast, watch};
use tokio::task::JoinHandle;

/// The pause between two proofs that the connection still answers.
const PROOF_EVERY: Duration = Duration::from_millis(200);

/// The shortest time after which a connection that does not answer is given up.
const PROOF_TIMEOUT_MIN: Duration = Duration::from_millis(500);

/// The pause before connecting again.
const RECONNECT_DELAY: Duration = Duration::from_millis(100);

/// The connection, made on first use.
pub(crate) struct RedisPushes {
    shared: Arc<Shared>,
    task: OnceLock<JoinHandle<()>>,
}

pub(crate) struct Shared {
    client: Client,
    act_timeout: Duration,
    heard: Mutex<Heard>,
    /// The connection in use, if tracking is armed on it.
    open: watch::Sender<Option<Open>>,
    /// The connection has told that it is lost.
    lost: Notify,
}

#[derive(Clone)]
struct Open {
    number: u64,
    connection: MultiplexedConnection,
}

#[derive(Default)]
struct Heard {
    watchers: Vec<Weak<dyn KeyWatcher>>,
    channels: HashMap<String, broadcast::Sender<Bytes>>,
}

impl RedisPushes {
    /// # Errors
    /// [`CacheError::BadUrl`].
    pub fn try_new(client: &Client, act_timeout: Duration) -> Result<RedisPushes, CacheError> {
        let known = client.get_connection_info().clone();
        let settings = known.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let client = Client::open(known.set_redis_settings(settings)).map_err(|_| CacheError::BadUrl)?;
        let shared = Shared {
            client,
            act_timeout,
            heard: Mutex::default(),
            open: watch::Sender::new(None),
            lost: Notify::new(),
        };
        Ok(RedisPushes { shared: Arc::new(shared), task: OnceLock::new() })
    }

    fn start(&self) {
        self.task.get_or_init(|| tokio::spawn(run(Arc::clone(&self.shared))));
    }

    pub fn track(&self, watcher: Weak<dyn KeyWatcher>) -> Arc<dyn TrackedReads> {
        let mut heard = self.shared.heard();
        heard.watchers.retain(|watcher| watcher.strong_count() > 0);
        heard.watchers.push(watcher);
        drop(heard);
        self.start();
        self.shared.clone()
    }

    pub async fn subscribe(&self, channel: &str) -> Channel {
        let receiver = {
            let mut heard = self.shared.heard();
            let fresh = || broadcast::channel(CHANNEL_BACKLOG_MAX).0;
            heard.channels.entry(channel.to_owned()).or_insert_with(fresh).subscribe()
        };
        self.start();
        // If the server is there, nothing published after this call is missed; if not, it comes later.
        let subscribed = async {
            let mut opened = self.shared.open.subscribe();
            let open = opened.wait_for(Option::is_some).await.ok().and_then(|open| open.clone());
            if let Some(mut open) = open
                && let Err(error) = open.connection.subscribe(channel).await
            {
                tracing::debug!(%error, channel, "the channel is listened to once the cache answers again");
            }
        };
        let _ = tokio::time::timeout(self.shared.act_timeout, subscribed).await;
        Channel::new(receiver)
    }
}

impl Drop for RedisPushes {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
        self.shared.open.send_replace(None);
        self.shared.everything_changed();
        self.shared.heard().channels.clear(); // Listeners learn that nothing will come.
    }
}

impl Shared {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells every watcher, outside the lock: what a watcher does is not ours to know.
    fn changed(&self, key: Option<&str>) {
        let watchers: Vec<_> = self.heard().watchers.iter().filter_map(Weak::upgrade).collect();
        for watcher in watchers {
            watcher.key_changed(key);
        }
    }

    fn everything_changed(&self) {
        self.changed(None);
    }

    /// Takes a connection out of use. New reads must not find it before watchers hear that all may have changed:
    /// a read that began earlier is then known by its time, and a later one is on another connection.
    fn close(&self, number: u64) {
        self.open.send_if_modified(|open| {
            let ours = open.as_ref().is_some_and(|open| open.number == number);
            if ours {
                *open = None;
            }
            ours
        });
        self.everything_changed();
        self.lost.notify_one();
    }

    fn pushed(&self, number: u64, push: &PushInfo) {
        match push.kind {
            PushKind::Invalidate => match push.data.as_slice() {
                [Value::Array(keys)] => keys.iter().for_each(|key| match text(key) {
                    Some(key) => self.changed(Some(key)),
                    None => self.everything_changed(),
                }),
                _ => self.everything_changed(), // Null is a flush; anything else is not understood.
            },
            PushKind::Message => {
                if let [channel, message] = push.data.as_slice()
                    && let (Some(channel), Value::BulkString(message)) = (text(channel), message)
                    && let Some(listeners) = self.heard().channels.get(channel)
                {
                    let _ = listeners.send(Bytes::copy_from_slice(message)); // The last may just have left.
                }
            }
            PushKind::Disconnection => self.close(number),
            _ => {}
        }
    }

    async fn tracked<T: FromRedisValue>(
        &self,
        act: &'static str,
        pipeline: &Pipeline,
    ) -> Result<T, CacheError> {
        let open = self.open.borrow().clone();
        let Some(mut open) = open else {
            return Err(CacheError::Unreachable { reason: "the tracking connection is down".to_owned() });
        };
        pipeline.query_async(&mut open.connection).await.map_err(|error| failed(act, &error))
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

/// What Redis says about the rest of a key's life: negative without an end, or without a key.
fn life(pttl_ms: i64) -> Option<Duration> {
    u64::try_from(pttl_ms).ok().map(Duration::from_millis)
}

/// One pipeline is one write, so nothing comes between the wish to track and the read it is for.
fn opted_in() -> Pipeline {
    let mut pipeline = redis::pipe();
    pipeline.cmd("CLIENT").arg("CACHING").arg("YES").ignore();
    pipeline
}

#[async_trait::async_trait]
impl TrackedReads for Shared {
    async fn get(&self, key: &str) -> Result<Tracked<Option<Bytes>>, CacheError> {
        let mut pipeline = opted_in();
        pipeline.cmd("GET").arg(key).cmd("PTTL").arg(key);
        let (value, pttl_ms): (Option<Vec<u8>>, i64) = self.tracked("tracked_get", &pipeline).await?;
        Ok(Tracked { read: value.map(Bytes::from), expires_in: life(pttl_ms) })
    }

    async fn rank_top(&self, key: &str, len: usize) -> Result<Tracked<Scores>, CacheError> {
        let mut pipeline = opted_in();
        pipeline.cmd("ZREVRANGE").arg(key).arg(0).arg(len.saturating_sub(1)).arg("WITHSCORES");
        pipeline.cmd("PTTL").arg(key);
        // RESP3 gives scores as doubles; they are whole numbers up to 2^53, written without an exponent.
        let (scores, pttl_ms): (Vec<(String, Value)>, i64) =
            self.tracked("tracked_rank_top", &pipeline).await?;
        let read = |(member, score): (String, Value)| match whole(&score) {
            Some(score) => Ok((member, score)),
            None => {
                Err(CacheError::BadReply { act: "tracked_rank_top", reason: format!("the score {score:?}") })
            }
        };
        let read = scores.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Tracked { read, expires_in: life(pttl_ms) })
    }
}

/// A score as the whole number it is.
fn whole(score: &Value) -> Option<i64> {
    match score {
        Value::Double(score) => format!("{score:.0}").parse().ok().filter(|_| score.fract() == 0.0),
        Value::Int(score) => Some(*score),
        other => text(other)?.parse().ok(),
    }
}

async fn run(shared: Arc<Shared>) {
    let (mut number, mut told) = (0, false);
    loop {
        number += 1;
        match connect(&shared, number).await {
            Ok(connection) => {
                let open = Open { number, connection };
                tracing::debug!("changes in the cache are heard");
                hold(&shared, open).await;
                shared.close(number);
                metrics::counter!("largesse_cache_tracking_lost_total").increment(1);
                told = true;
                tracing::warn!("changes in the cache are not heard until it answers again");
            }
            // Once per outage: also a server without RESP3 or tracking ends here.
            Err(error) if !told => {
                told = true;
                tracing::warn!(%error, "changes in the cache are not heard yet");
            }
            Err(error) => tracing::debug!(%error, "changes in the cache are not heard yet"),
        }
        tokio::time::sleep(RECONNECT_DELAY).await;
    }
}

/// A connection on which tracking is armed and every channel is listened to.
async fn connect(shared: &Arc<Shared>, number: u64) -> Result<MultiplexedConnection, CacheError> {
    let act = "track";
    // Weak: the connection must not keep alive what holds it.
    let hearer = Arc::downgrade(shared);
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(shared.act_timeout))
        .set_response_timeout(Some(shared.act_timeout))
        .set_push_sender(move |push: PushInfo| -> Result<(), std::convert::Infallible> {
            if let Some(hearer) = hearer.upgrade() {
                hearer.pushed(number, &push);
            }
            Ok(())
        });
    let opened = shared.client.get_multiplexed_async_connection_with_config(&config).await;
    let mut connection = opened.map_err(|error| failed(act, &error))?;
    let mut arm = redis::pipe();
    arm.cmd("CLIENT").arg("TRACKING").arg("ON").arg("OPTIN").ignore();
    arm.query_async::<()>(&mut connection).await.map_err(|error| failed(act, &error))?;
    // Whatever was lost while nobody listened.
    shared.everything_changed();
    shared.open.send_replace(Some(Open { number, connection: connection.clone() }));
    // After opening, so that a channel that joins now is listened to here or by itself.
    let channels: Vec<String> = shared.heard().channels.keys().cloned().collect();
    for channel in channels {
        connection.subscribe(channel).await.map_err(|error| failed(act, &error))?;
    }
    Ok(connection)
}

/// Stays until the connection is lost, or does not prove in time that it is not.
async fn hold(shared: &Shared, mut open: Open) {
    let patience = shared.act_timeout.max(PROOF_TIMEOUT_MIN);
    loop {
        tokio::select! {
            () = shared.lost.notified() => {
                if shared.open.borrow().as_ref().is_none_or(|now| now.number != open.number) {
                    return;
                }
            }
            () = tokio::time::sleep(PROOF_EVERY) => {
                let ping = redis::cmd("PING");
                let answer = tokio::time::timeout(patience, ping.query_async::<()>(&mut open.connection)).await;
                if !matches!(answer, Ok(Ok(()))) {
                    return;
                }
                leave_unheard_channels(shared, &mut open.connection).await;
            }
        }
    }
}

async fn leave_unheard_channels(shared: &Shared, connection: &mut MultiplexedConnection) {
    let mut left = Vec::new();
    shared.heard().channels.retain(|channel, listeners| {
        let heard = listeners.receiver_count() > 0;
        if !heard {
            left.push(channel.clone());
        }
        heard
    });
    for channel in left {
        // Whoever joins it again meanwhile would be cut off: join once more after leaving.
        let _ = connection.unsubscribe(&channel).await;
        let again = shared.heard().channels.contains_key(&channel);
        if again {
            let _ = connection.subscribe(&channel).await;
        }
    }
}
