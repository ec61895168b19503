//! Overload: admission with a reason. A fixed limit for now, behind the trait that stays.
//!
//! Owns the decision whether a request may start. Must not wait: who cannot be served is told at once.

mod fixed_limit;

pub use fixed_limit::FixedLimit;

use contracts::class::{Classed, ErrorClass};
use std::any::Any;
use std::time::Duration;

/// Whose request this is, from the one that is refused last to the one that is refused first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Somebody is paying: gifts and recharges.
    Paying,
    /// Another system reports a fact: channel callbacks, pulls between services.
    System,
    /// Somebody is looking.
    Browsing,
    /// Nobody is waiting: exports, reports.
    Background,
}

impl Priority {
    pub const ALL: [Priority; 4] =
        [Priority::Paying, Priority::System, Priority::Browsing, Priority::Background];

    /// The name on metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Priority::Paying => "paying",
            Priority::System => "system",
            Priority::Browsing => "browsing",
            Priority::Background => "background",
        }
    }
}

/// The right to be in flight. Dropping it gives the place back.
#[must_use = "dropping a permit gives the place back at once"]
pub struct Permit {
    _held: Box<dyn Any + Send + Sync>,
}

impl Permit {
    /// A permit that holds `held` until it is dropped.
    pub fn holding(held: impl Any + Send + Sync) -> Permit {
        Permit { _held: Box::new(held) }
    }
}

impl std::fmt::Debug for Permit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Permit")
    }
}

/// Why a request may not start. Nothing of it has happened; the same request may come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is more work than this node takes")]
pub struct Refusal {
    /// The stable slug of the reason.
    pub reason: &'static str,
    /// When to come back.
    pub retry_after: Duration,
}

impl Refusal {
    /// The node has as much in flight as it takes.
    pub const OVERLOADED: Refusal = Refusal { reason: "overloaded", retry_after: Duration::from_secs(1) };
}

impl Classed for Refusal {
    fn class(&self) -> ErrorClass {
        ErrorClass::Transient
    }

    fn slug(&self) -> &'static str {
        self.reason
    }
}

/// Who decides what may start.
pub trait Admission: Send + Sync {
    /// Admits a request or refuses it, at once.
    ///
    /// # Errors
    /// [`Refusal`]: do no work for this request.
    fn try_admit(&self, class: Priority) -> Result<Permit, Refusal>;
}
