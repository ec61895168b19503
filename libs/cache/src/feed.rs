//! The events of one room, in order, and where a reader stands among them.

use bytes::Bytes;
use tokio::sync::broadcast;

/// The place of one event in its feed: a millisecond and a number within it. Feeds only grow.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct FeedId {
    pub ms: u64,
    pub n: u64,
}

impl FeedId {
    /// The first place after this one.
    pub(crate) fn next(self) -> FeedId {
        match self.n.checked_add(1) {
            Some(n) => FeedId { ms: self.ms, n },
            None => FeedId { ms: self.ms.saturating_add(1), n: 0 },
        }
    }
}

/// Why a text is no place in a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a place in a feed is <milliseconds>-<number>")]
pub struct BadFeedId;

impl std::fmt::Display for FeedId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.ms, self.n)
    }
}

impl std::str::FromStr for FeedId {
    type Err = BadFeedId;

    /// Reads `<ms>-<n>`, digits only: the text comes back from browsers as `Last-Event-ID`.
    fn from_str(text: &str) -> Result<FeedId, BadFeedId> {
        let (ms, n) = text.split_once('-').ok_or(BadFeedId)?;
        let number = |digits: &str| {
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            if plain { digits.parse().map_err(|_| BadFeedId) } else { Err(BadFeedId) }
        };
        Ok(FeedId { ms: number(ms)?, n: number(n)? })
    }
}

impl TryFrom<String> for FeedId {
    type Error = BadFeedId;
    fn try_from(text: String) -> Result<FeedId, BadFeedId> {
        text.parse()
    }
}

impl From<FeedId> for String {
    fn from(id: FeedId) -> String {
        id.to_string()
    }
}

/// One event of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedEvent {
    pub id: FeedId,
    pub payload: Bytes,
}

/// Why a subscription has no next event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FeedLoss {
    /// Too slow: the oldest events are gone from memory. Read them with `feed_read_after`, then go on.
    #[error("the subscriber fell {0} events behind")]
    Behind(u64),
    /// The cache is gone for good.
    #[error("the feed has ended")]
    Ended,
}

/// A subscription to one room from some moment on. Dropping it ends it.
///
/// Nothing appended after the subscription began is left out without a [`FeedLoss`]; the first few events
/// may be older than it. To resume: subscribe, read what came after the last known id, then take events
/// from here and skip the ids already seen.
pub struct Feed {
    events: broadcast::Receiver<FeedEvent>,
}

impl Feed {
    pub(crate) fn new(events: broadcast::Receiver<FeedEvent>) -> Feed {
        Feed { events }
    }

    /// The next event. Safe to cancel.
    ///
    /// # Errors
    /// [`FeedLoss`]; after `Behind` the feed goes on.
    pub async fn recv(&mut self) -> Result<FeedEvent, FeedLoss> {
        self.events.recv().await.map_err(|error| match error {
            broadcast::error::RecvError::Lagged(events) => FeedLoss::Behind(events),
            broadcast::error::RecvError::Closed => FeedLoss::Ended,
        })
    }

    /// The next event if one is already here.
    ///
    /// # Errors
    /// As [`Feed::recv`].
    pub fn try_recv(&mut self) -> Result<Option<FeedEvent>, FeedLoss> {
        match self.events.try_recv() {
            Ok(event) => Ok(Some(event)),
            Err(broadcast::error::TryRecvError::Empty) => Ok(None),
            Err(broadcast::error::TryRecvError::Lagged(events)) => Err(FeedLoss::Behind(events)),
            Err(broadcast::error::TryRecvError::Closed) => Err(FeedLoss::Ended),
        }
    }
}
