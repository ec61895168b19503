//! The audit trail: what people decide, one chained row a step, in the schema of the service that it is decided in.
//!
//! Promises: a step and its row commit together; rows have no gap and are never changed; whoever changes one past the
//! program is named by the first bad row, from the tables alone where the head is genuine, and from an anchor kept
//! elsewhere where it is not. Must not know what a step means: what stands otherwise than its steps say, each service
//! states itself.

pub mod canonical;
pub mod chain;
mod http;
mod rows;
mod verify;

pub use chain::{Anchor, BadAnchor, Fault, FaultKind, Step};
pub use http::{Served, openapi, routes};
pub use rows::{End, StepView, append_in_tx, find_head, list_steps};
pub use verify::{Unexplained, Verified, verify, verify_with};

/// The tables of a trail, in whose schema it is to be. Recon's came with its breaks.
pub static MIGRATOR: std::sync::LazyLock<pg::Migrator> = std::sync::LazyLock::new(|| {
    pg::migrator(&[(161, "trail", include_str!("../../../migrations/trail/0161_trail.sql"))])
});
