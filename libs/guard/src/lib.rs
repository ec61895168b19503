//! Overload: who may start, how much at once, and what to do without.
//!
//! Owns admission (limits, priorities, quotas), the registry of dependencies, and the arithmetic of capacity. Must not
//! wait: who cannot be served is told at once, with the reason and when to come back.

mod adaptive;
mod admission;
pub mod capacity;
pub mod clock;
pub mod deps;
mod fixed_limit;
mod priority;
mod quota;
#[cfg(feature = "tower")]
pub mod tower;
mod upstream;

pub use adaptive::{AdaptiveLimit, KINDS, LIMIT_CEILING, Settings, SettingsError};
pub use admission::{Admission, Moment, Outcome, Permit, Places, Reason, Refusal, Ticket};
pub use fixed_limit::FixedLimit;
pub use priority::{Ask, COHORTS, CUT_LEVEL_HEADER, Cohort, CutLevel, Kind, LEVELS, Priority};
pub use quota::{NEWS_LEN_MAX, News, OVERRIDES_MAX, Quotas, Rate, RateError, Scope};
pub use upstream::HeardCut;

/// The README's example, compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
