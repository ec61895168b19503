//! The pure core: what a command does to an account, and what an entry does to it.
//!
//! No clock, no I/O, no hash order. [`step`] decides and changes nothing; [`apply`] is the only way an
//! account changes, in a lane and in a replay alike.

mod account;
mod act;
mod apply;
mod funds;
mod hold;
mod refund;
mod step;

#[cfg(test)]
mod model_tests;

pub use account::{Account, DaySpend, Hold, ID_AGE_MAX_MS_DEFAULT, Rules};
pub use apply::{ApplyError, apply};
pub use hold::{expire_hold, expire_request};
pub use refund::{Origin, OriginKind, origin_request};
pub use step::{StepContext, step};
