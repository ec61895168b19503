//! Slow-changing tables on every node: versioned, content-addressed snapshots and deltas, read from the database once.
//!
//! Owns how versions are published, moved and held. Readers never wait and never see half of a change. Must not know
//! what is in a set. What follows is the README.
//!
#![doc = include_str!("../README.md")]

mod blobs;
mod consumer;
mod content;
mod control;
mod digest;
mod disk;
mod election;
mod installation;
mod producer;
mod rules;
mod set_name;
mod snapshot;
mod source;
mod table;
mod wire;

pub use consumer::{
    Consumer, ConsumerError, ConsumerParts, ConsumerSettings, ConsumerStatus, Origin, WaitError,
};
pub use control::{AskError, Control, roster};
pub use digest::{BadDigest, Digest};
pub use disk::DiskError;
pub use election::{Alone, Claim, Election, ElectionError, MIGRATOR, Order, Orders, PgLease};
pub use installation::Installation;
pub use producer::{CanaryPlan, Producer, ProducerError, ProducerParts, ProducerSettings, ProducerStatus};
pub use rules::Rules;
pub use set_name::{BadSetName, SET_NAME_LEN_MAX, SetName};
pub use snapshot::{Reader, Snapshot, VERSION_NONE, Versioned};
pub use source::{BadRow, LoadError, ROW_BYTES_MAX, Rows, SET_BYTES_MAX, SnapshotSource};
pub use table::{DataSet, RowTable, Table};
pub use wire::{
    CanaryStage, DELTAS_MAX, HISTORY_MAX, HeldBack, NODE_LEN_MAX, NodeReport, Roster, Target, Verdict,
};
