//! Replay files, the shipped sample, the replayer and its report.
//!
//! Acts on the product from outside, through its HTTP interface alone. A file is validated whole before the
//! first request leaves ([`Replay::validate`] is the only way to a [`ValidReplay`], and only that can be sent).
//! Must not know any service's tables; whoever calls brings the figures that a [`Report`] states.

pub mod catalogue;
pub mod error;
pub mod format;
mod line;
pub mod progress;
mod read;
pub mod recorder;
pub mod replay;
pub mod report;
pub mod send;
pub mod validate;

pub use catalogue::Catalogue;
pub use error::{FieldProblem, ReplayError};
pub use replay::{Replay, ValidReplay};
pub use report::Report;
pub use send::{ReplaySettings, Replayer, SendError, Summary, TokenMinter};
