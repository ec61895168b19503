//! How many gifts one viewer or tenant may send, or one room may receive, where somebody has said so.

use guard::{Rate, RateError, Scope};
use ids::Uuid;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

/// Gifts in a second, and how many of them may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Allowance {
    /// 0 means any number.
    pub per_s: u32,
    /// At least 1, where `per_s` is.
    pub burst: u32,
}

impl Allowance {
    /// As it is counted; `None` is any number.
    ///
    /// # Errors
    /// [`RateError`]: it cannot be counted.
    pub fn rate(self) -> Result<Option<Rate>, RateError> {
        match self.per_s {
            0 => Ok(None),
            per_s => Rate::try_new(per_s, Duration::from_secs(1), self.burst).map(Some),
        }
    }
}

/// Who is bounded: one of a scope, or with no id every one of it that has no limit of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bounded {
    pub scope: Scope,
    pub id: Option<Uuid>,
}

impl Bounded {
    /// The nil id stands for every one.
    pub fn of(scope: Scope, id: Uuid) -> Bounded {
        Bounded { scope, id: (!id.is_nil()).then_some(id) }
    }
}

/// The scope of a name.
pub fn scope_of(name: &str) -> Option<Scope> {
    Scope::ALL.into_iter().find(|scope| scope.as_str() == name)
}
