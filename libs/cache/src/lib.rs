//! Cache, ranks and room feeds: Redis, or the same trait in one process.
//!
//! Owns the only knowledge of Redis. A handle cannot be had without a lane, and every act ends in time. The
//! cache is a weak dependency: nothing in it is the truth, and callers go on without it when it fails.

mod addition;
mod channel;
mod error;
mod feed;
mod handle;
mod in_process;
mod redis_feeds;
mod redis_pushes;
mod redis_store;
mod store;
mod tracking;

pub use addition::{ADDITIONS_LEN_MAX, Added, Addition, BATCH_MARK_TTL, BatchId};
pub use channel::{Channel, ChannelLoss};
pub use error::CacheError;
pub use feed::{BadFeedId, Feed, FeedEvent, FeedId, FeedLoss};
pub use handle::{Cache, CacheSettings, REDIS};
pub use in_process::InProcess;
pub use store::{BucketTake, Store};
pub use tracking::{Change, KeyWatcher, Scores, Shelf, Tracked, TrackedReads, Tracker, Watcher};

/// Entries a room's feed keeps (Redis may keep up to a node of a stream more).
pub const FEED_LEN_MAX: usize = 1_000;

/// Buckets that one call takes from.
pub const BUCKET_TAKES_MAX: usize = 1_000;

/// Events a slow subscriber may be behind before it loses some and is told so.
pub const FEED_BACKLOG_MAX: usize = 1_024;

/// Messages a slow listener of a channel may be behind before it loses some and is told so.
pub const CHANNEL_BACKLOG_MAX: usize = 256;
