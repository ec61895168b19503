//! The stage: what rooms see, through the cache's feeds. Weak: money never waits for it.

mod event;

use bytes::Bytes;
use cache::{Cache, CacheError, Feed, FeedId};
use contracts::class::{Classed, ErrorClass};
use ids::{OrderId, RoomId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use event::{GiftEvent, RoomEvent, ShownWhen, short_id};

/// Rooms whose feeds are appended to at the same time.
const ROOMS_AT_ONCE_MAX: usize = 32;

/// How long a free gift is remembered: longer than a client goes on repeating one send.
const FREE_REMEMBERED: Duration = Duration::from_secs(15 * 60);

/// Why nobody more may watch.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    #[error("this node has as many viewers as it takes; try again")]
    NoSeat,
    #[error("the room's feed cannot be read now")]
    Cache(#[from] CacheError),
}

impl Classed for WatchError {
    fn class(&self) -> ErrorClass {
        match self {
            WatchError::NoSeat => ErrorClass::Transient,
            WatchError::Cache(error) => error.class(),
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            WatchError::NoSeat => "too-many-subscribers",
            WatchError::Cache(error) => error.slug(),
        }
    }
}

/// Rooms' feeds, and who watches them on this node.
pub struct Stage {
    cache: Cache,
    /// How many may watch on this node.
    subscribers_max: usize,
    seats: Arc<Mutex<Seats>>,
}

#[derive(Default)]
struct Seats {
    taken: usize,
    by_room: HashMap<RoomId, usize>,
}

/// One watcher's place; dropping it frees it.
pub struct Seat {
    seats: Arc<Mutex<Seats>>,
    room_id: RoomId,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        seats.taken = seats.taken.saturating_sub(1);
        if let Some(taken) = seats.by_room.get_mut(&self.room_id) {
            *taken = taken.saturating_sub(1);
            if *taken == 0 {
                seats.by_room.remove(&self.room_id);
            }
        }
    }
}

/// A running subscription: what is missing first, then what comes.
pub struct Watching {
    pub feed: Feed,
    pub backlog: Vec<(FeedId, Bytes)>,
    pub seat: Seat,
}

impl Stage {
    pub fn new(cache: Cache, subscribers_max: usize) -> Stage {
        Stage { cache, subscribers_max, seats: Arc::default() }
    }

    /// Puts events into their rooms' feeds, each room's in order; one outcome each, in the events' order.
    pub async fn show(&self, events: &[(RoomId, Bytes)]) -> Vec<Result<(), CacheError>> {
        let mut by_room: HashMap<RoomId, Vec<usize>> = HashMap::new();
        for (at, (room_id, _)) in events.iter().enumerate() {
            by_room.entry(*room_id).or_default().push(at);
        }
        let append = |(room_id, places): (RoomId, Vec<usize>)| async move {
            let payloads = places.iter().map(|at| events[*at].1.clone()).collect();
            (places, self.cache.feed_append(room_id.uuid(), payloads).await.map(drop))
        };
        let mut outcomes = vec![Ok(()); events.len()];
        let work: Vec<_> = by_room.into_iter().map(append).collect();
        let mut done = futures::StreamExt::buffer_unordered(futures::stream::iter(work), ROOMS_AT_ONCE_MAX);
        while let Some((places, outcome)) = futures::StreamExt::next(&mut done).await {
            for at in places {
                outcomes[at] = outcome.clone();
            }
        }
        outcomes
    }

    /// Whether a free gift comes for the first time. While the cache cannot say, it does: better shown twice
    /// than not at all, since nothing is charged.
    pub async fn is_first(&self, order_id: OrderId) -> bool {
        match self.cache.incr(&format!("free:{order_id}"), 1, FREE_REMEMBERED).await {
            Ok(times) => times == 1,
            Err(error) => {
                tracing::debug!(%error, "a free gift is shown unasked");
                true
            }
        }
    }

    /// Begins to watch a room, which `room_max` may watch on this node. The backlog is everything after `after`, or all that is kept.
    ///
    /// # Errors
    /// [`WatchError`].
    pub async fn watch(
        &self,
        room_id: RoomId,
        after: Option<FeedId>,
        room_max: usize,
    ) -> Result<Watching, WatchError> {
        let seat = self.take_seat(room_id, room_max)?;
        // Subscribed first: what comes in between is in both, and its id tells so.
        let feed = self.cache.feed_subscribe(room_id.uuid()).await?;
        let backlog = self.read_after(room_id, after).await?;
        Ok(Watching { feed, backlog, seat })
    }

    /// What a room's feed still holds after a place.
    ///
    /// # Errors
    /// [`CacheError`].
    pub async fn read_after(
        &self,
        room_id: RoomId,
        after: Option<FeedId>,
    ) -> Result<Vec<(FeedId, Bytes)>, CacheError> {
        self.cache.feed_read_after(room_id.uuid(), after, cache::FEED_LEN_MAX).await
    }

    fn take_seat(&self, room_id: RoomId, room_max: usize) -> Result<Seat, WatchError> {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let in_room = seats.by_room.get(&room_id).copied().unwrap_or_default();
        if seats.taken >= self.subscribers_max || in_room >= room_max {
            return Err(WatchError::NoSeat);
        }
        seats.taken += 1;
        seats.by_room.insert(room_id, in_room + 1);
        Ok(Seat { seats: Arc::clone(&self.seats), room_id })
    }
}
