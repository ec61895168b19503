//! The acts: a lane decides commands in batches and appends them; this module is the only one that opens and
//! commits transactions.
//!
//! One lane is one task. It owns some partitions and, while it works, nothing else touches their memory:
//! between two batches what it holds is exactly what is committed.
//!
//! A batch costs, in order: at most one statement each for old request ids, stored replays, cold accounts
//! and origins (none of them for a debit of a warm account), then one transaction: heads in partition order,
//! one bulk insert, COMMIT. Answers leave after it.

mod accounts;
mod batch;
mod keys;
mod lane;
mod move_group;
mod retire_day;
mod snapshot;
mod take_over;
mod write;

pub(crate) use batch::{SliceError, SliceWork};
pub(crate) use lane::{Lane, LaneSettings, Work};
pub use move_group::{MoveError, MoveStep, Moved, move_group};
pub use retire_day::{OldDay, RetireError, list_old_days, retire_day};
pub(crate) use write::PAYMENTS_READER;
