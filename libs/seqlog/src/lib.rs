//! The sequenced log: the one mechanism under every service.
//!
//! A log is a table whose rows never change, in 64 partitions numbered without gaps, each with one writer
//! fenced by an epoch. This crate owns heads, epochs, read offsets, and the loop that reads another
//! service's log so that every row is applied exactly once, in order, whatever the bus does.
//!
//! - Writing: [`Appender`] (heads, numbering, one transaction, relay after the commit, marks once a second).
//! - Owning: [`Membership`] (which groups of partitions this node is to hold; claims, leases, handing over).
//! - Reading: [`Reader`] drives a [`Handler`]; the offset moves in the transaction of the effect.
//! - Pulling: [`LogSource`], from the owning service's tables or over HTTP.
//!
//! Must not know what a row means.

mod appender;
mod cursor;
mod follow;
mod gauges;
mod handler;
mod heads;
mod heard;
mod holdings;
mod membership;
mod message;
mod moves;
mod nodes;
mod offsets;
mod plan;
mod prefix;
mod reader;
mod relay;
mod source;

pub use appender::{AppendError, Appender, AppenderSettings, Relaying};
pub use cursor::{Cursor, Offer};
pub use handler::{ApplyError, Handler, RolledBack, Slice};
pub use heads::{Head, TakeOver, fence_in_tx, is_here};
pub use heard::Heard;
pub use holdings::Holdings;
pub use membership::{JoinError, Membership, NodeSettings, Ownership, Share};
pub use message::LogMessage;
pub use moves::{
    GroupHead, arrive_in_tx, begin_leaving, fence_out, find_group_head, is_claimed, stand_by, stay,
};
pub use offsets::{OffsetMove, move_offsets_in_tx, read_offsets};
pub use plan::{LiveNode, NodeState, Part, Spread, part_of};
pub use reader::{Reader, ReaderSettings, ReaderStatus};
pub use source::{Insert, LogSource, LogTable, PULL_ROWS_MAX, PullError, TableSource};

/// The tables of this crate, migrated into each service's schema before the service's own.
pub static MIGRATOR: std::sync::LazyLock<pg::Migrator> = std::sync::LazyLock::new(|| {
    pg::migrator(&[
        (1, "log", include_str!("../../../migrations/seqlog/0001_log.sql")),
        (2, "nodes", include_str!("../../../migrations/seqlog/0002_nodes.sql")),
        (3, "moves", include_str!("../../../migrations/seqlog/0003_moves.sql")),
    ])
});
