//! Feeds of many rooms from Redis to the subscribers of this node.
//!
//! One task and one connection read all subscribed rooms with one blocking XREAD, so a node costs Redis one
//! connection however many rooms its viewers watch. Each room remembers the last place it passed on, so
//! nothing is lost when the connection breaks or when a room joins between two reads.

use crate::redis_store::{event_of, failed};
use crate::{CacheError, FEED_BACKLOG_MAX, Feed, FeedEvent, FeedId};
use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::streams::StreamReadReply;
use redis::{AsyncConnectionConfig, Client};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, broadcast};
use tokio::task::JoinHandle;

/// How long one read may block, in milliseconds: also how long a room that has just joined may wait for its
/// first event.
const BLOCK_MS: u64 = 50;

/// How long one read may take before the connection counts as lost.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// Events of one room taken by one read.
const READ_LEN_MAX: usize = 256;

/// The pause before connecting again.
const RECONNECT_DELAY: Duration = Duration::from_millis(200);

struct Room {
    last: FeedId,
    subscribers: broadcast::Sender<FeedEvent>,
}

#[derive(Default)]
struct Watched {
    rooms: Mutex<HashMap<String, Room>>,
    joined: Notify,
}

impl Watched {
    fn rooms(&self) -> MutexGuard<'_, HashMap<String, Room>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where to read on, in each room that somebody still watches; forgets the others.
    fn places(&self) -> (Vec<String>, Vec<String>) {
        let mut rooms = self.rooms();
        rooms.retain(|_, room| room.subscribers.receiver_count() > 0);
        rooms.iter().map(|(key, room)| (key.clone(), room.last.to_string())).unzip()
    }

    fn step_over(&self, key: &str, id: &str) {
        if let (Some(room), Ok(id)) = (self.rooms().get_mut(key), id.parse()) {
            room.last = room.last.max(id);
        }
    }

    /// Passes events on to this node's subscribers only, at the places right after the last one: what comes from
    /// Redis later is later in any case.
    fn deliver_here(&self, key: &str, payloads: &[Bytes]) -> Vec<FeedId> {
        let mut rooms = self.rooms();
        let mut room = rooms.get_mut(key);
        let mut last = room.as_ref().map(|room| room.last).unwrap_or_default();
        let mut place = |payload: &Bytes| {
            last = last.next();
            if let Some(room) = &mut room {
                room.last = last;
                let event = FeedEvent { id: last, payload: payload.clone() };
                let _ = room.subscribers.send(event); // The last subscriber may just have left.
            }
            last
        };
        payloads.iter().map(&mut place).collect()
    }

    /// Passes one event on and remembers its place.
    fn deliver(&self, key: &str, id: FeedId, payload: Bytes) {
        if let Some(room) = self.rooms().get_mut(key)
            && id > room.last
        {
            room.last = id;
            let _ = room.subscribers.send(FeedEvent { id, payload }); // The last subscriber may just have left.
        }
    }
}

/// The rooms watched on this node. Dropping it ends the reading task and every subscription.
pub(crate) struct RedisFeeds {
    watched: Arc<Watched>,
    task: JoinHandle<()>,
}

impl RedisFeeds {
    pub fn new(client: Client) -> RedisFeeds {
        let watched = Arc::new(Watched::default());
        let task = tokio::spawn(run(client, Arc::clone(&watched)));
        RedisFeeds { watched, task }
    }

    /// Passes events on to this node's subscribers only.
    pub fn deliver_here(&self, key: &str, payloads: &[Bytes]) -> Vec<FeedId> {
        self.watched.deliver_here(key, payloads)
    }

    /// A subscription to a room that is already watched.
    pub fn join(&self, key: &str) -> Option<Feed> {
        self.watched.rooms().get(key).map(|room| Feed::new(room.subscribers.subscribe()))
    }

    /// A subscription to a room that is watched from `last` on, unless somebody was faster.
    pub fn start(&self, key: &str, last: FeedId) -> Feed {
        let fresh = || Room { last, subscribers: broadcast::channel(FEED_BACKLOG_MAX).0 };
        let feed = {
            let mut rooms = self.watched.rooms();
            Feed::new(rooms.entry(key.to_owned()).or_insert_with(fresh).subscribers.subscribe())
        };
        self.watched.joined.notify_one();
        feed
    }
}

impl Drop for RedisFeeds {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(client: Client, watched: Arc<Watched>) {
    let mut connection = None;
    loop {
        let (keys, places) = watched.places();
        if keys.is_empty() {
            connection = None; // Nobody watches: give the connection back.
            watched.joined.notified().await;
            continue;
        }
        if let Err(error) = read_once(&client, &mut connection, &watched, (keys, places)).await {
            connection = None;
            tracing::warn!(%error, "room feeds stand still until the cache answers again");
            tokio::time::sleep(RECONNECT_DELAY).await;
        }
    }
}

/// One blocking read of all watched rooms.
async fn read_once(
    client: &Client,
    connection: &mut Option<MultiplexedConnection>,
    watched: &Watched,
    (keys, places): (Vec<String>, Vec<String>),
) -> Result<(), CacheError> {
    let open = match connection {
        Some(open) => open,
        None => {
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(READ_TIMEOUT))
                .set_response_timeout(Some(READ_TIMEOUT));
            let opened = client.get_multiplexed_async_connection_with_config(&config).await;
            connection.insert(opened.map_err(|error| failed("feed_read", &error))?)
        }
    };
    let mut read = redis::cmd("XREAD");
    read.arg("COUNT").arg(READ_LEN_MAX).arg("BLOCK").arg(BLOCK_MS).arg("STREAMS").arg(keys).arg(places);
    let reply: Option<StreamReadReply> =
        read.query_async(open).await.map_err(|error| failed("feed_read", &error))?;
    for stream in reply.into_iter().flat_map(|reply| reply.keys) {
        for entry in &stream.ids {
            match event_of("feed_read", entry) {
                Ok((id, payload)) => watched.deliver(&stream.key, id, payload),
                Err(error) => {
                    // A foreign entry must not hold up the room: step over it.
                    tracing::warn!(%error, key = stream.key, id = entry.id, "an entry of a feed was left out");
                    watched.step_over(&stream.key, &entry.id);
                }
            }
        }
    }
    Ok(())
}
