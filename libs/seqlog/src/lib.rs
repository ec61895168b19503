//! The sequenced log: the one mechanism under every service.
//!
//! A log is a table whose rows never change, in 64 partitions numbered without gaps, each with one writer
//! fenced by an epoch. This crate owns heads, epochs, read offsets, and the loop that reads another
//! service's log so that every row is applied exactly once, in order, whatever the bus does.
//!
//! - Writing: [`Appender`] (heads, numbering, one transaction, relay after the commit, marks once a second).
//! - Reading: [`Reader`] drives a [`Handler`]; the offset moves in the transaction of the effect.
//! - Pulling: [`LogSource`], from the owning service's tables or over HTTP.
//!
//! Must not know what a row means.

mod appender;
mod cursor;
mod heads;
mod offsets;
mod reader;
mod relay;
mod source;

pub use appender::{AppendError, Appender, AppenderSettings, Relaying};
pub use cursor::{Cursor, Offer};
pub use heads::{Head, TakeOver};
pub use offsets::{OffsetMove, move_offsets_in_tx, read_offsets};
pub use reader::{ApplyError, Handler, Reader, ReaderSettings, ReaderStatus, RolledBack, Slice};
pub use relay::LogMessage;
pub use source::{LogSource, LogTable, PULL_ROWS_MAX, PullError, TableSource};

/// The tables of this crate, migrated into each service's schema before the service's own.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations/seqlog");
