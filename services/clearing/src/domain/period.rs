//! Accounting days and their locks: which step leads where, and in which day's books a row stands.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Whether a day takes vouchers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PeriodState {
    Open,
    /// Only adjustments by finance go in; what logs bring stands in the first open day.
    SoftLocked,
    /// Nothing goes in.
    Closed,
    /// Was locked before: takes adjustments, and what is late of this very day.
    Reopened,
}

/// What finance does with a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PeriodStep {
    SoftLock,
    Close,
    Reopen,
}

impl PeriodState {
    pub const ALL: [PeriodState; 4] =
        [PeriodState::Open, PeriodState::SoftLocked, PeriodState::Closed, PeriodState::Reopened];

    /// The number in the column `state`. Part of the stored format.
    pub const fn code(self) -> i16 {
        match self {
            PeriodState::Open => 1,
            PeriodState::SoftLocked => 2,
            PeriodState::Closed => 3,
            PeriodState::Reopened => 4,
        }
    }

    /// The state of a stored code.
    pub fn of_code(code: i16) -> Option<PeriodState> {
        PeriodState::ALL.into_iter().find(|state| state.code() == code)
    }

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            PeriodState::Open => "open",
            PeriodState::SoftLocked => "soft_locked",
            PeriodState::Closed => "closed",
            PeriodState::Reopened => "reopened",
        }
    }

    /// The state after a step; the same one where there is nothing to do; `None` where the step cannot be taken.
    pub const fn after(self, step: PeriodStep) -> Option<PeriodState> {
        use PeriodState as S;
        use PeriodStep as T;
        match (self, step) {
            (S::Open | S::Reopened | S::SoftLocked, T::SoftLock) => Some(S::SoftLocked),
            // A month may have closed days when its others are locked.
            (S::Closed, T::SoftLock | T::Close) => Some(S::Closed),
            (S::SoftLocked, T::Close) => Some(S::Closed),
            (S::SoftLocked | S::Closed | S::Reopened, T::Reopen) => Some(S::Reopened),
            // Of a month, what was never locked stays open.
            (S::Open, T::Reopen) => Some(S::Open),
            (S::Open | S::Reopened, T::Close) => None,
        }
    }
}

impl PeriodStep {
    pub const ALL: [PeriodStep; 3] = [PeriodStep::SoftLock, PeriodStep::Close, PeriodStep::Reopen];

    /// The number in the column `step`. Part of the stored format.
    pub const fn code(self) -> i16 {
        match self {
            PeriodStep::SoftLock => 1,
            PeriodStep::Close => 2,
            PeriodStep::Reopen => 3,
        }
    }

    /// The step of a stored code.
    pub fn of_code(code: i16) -> Option<PeriodStep> {
        PeriodStep::ALL.into_iter().find(|step| step.code() == code)
    }

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            PeriodStep::SoftLock => "soft-lock",
            PeriodStep::Close => "close",
            PeriodStep::Reopen => "reopen",
        }
    }

    /// Whether another person must agree.
    pub const fn takes_two(self) -> bool {
        match self {
            PeriodStep::SoftLock => false,
            PeriodStep::Close | PeriodStep::Reopen => true,
        }
    }
}

/// Who posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The readers of the logs.
    Logs,
    /// Somebody of finance, by hand.
    Finance,
}

/// The day whose books a row of `day` stands in, or the day whose state must be known to say so.
///
/// # Errors
/// The day whose state is missing.
pub fn posting_day(
    day: NaiveDate,
    origin: Origin,
    states: &BTreeMap<NaiveDate, PeriodState>,
) -> Result<NaiveDate, NaiveDate> {
    let mut candidate = day;
    loop {
        let takes = match states.get(&candidate) {
            None => return Err(candidate),
            Some(PeriodState::Open) => true,
            Some(PeriodState::SoftLocked) => origin == Origin::Finance,
            Some(PeriodState::Reopened) => origin == Origin::Finance || candidate == day,
            Some(PeriodState::Closed) => false,
        };
        if takes {
            return Ok(candidate);
        }
        candidate = candidate.succ_opt().unwrap_or(NaiveDate::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(number: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 3, number).expect("a day of March")
    }

    #[test]
    fn what_is_late_stands_in_the_first_open_day_and_an_adjustment_in_the_first_that_is_not_closed() {
        let states = BTreeMap::from([
            (day(1), PeriodState::Closed),
            (day(2), PeriodState::Reopened),
            (day(3), PeriodState::SoftLocked),
            (day(4), PeriodState::Open),
        ]);
        let stands = |number, origin| posting_day(day(number), origin, &states);
        assert_eq!(stands(1, Origin::Logs), Ok(day(4)), "a reopened day takes nothing of other days");
        assert_eq!(stands(2, Origin::Logs), Ok(day(2)));
        assert_eq!(stands(3, Origin::Logs), Ok(day(4)));
        assert_eq!(stands(5, Origin::Logs), Err(day(5)));
        assert_eq!(stands(1, Origin::Finance), Ok(day(2)));
        assert_eq!(stands(3, Origin::Finance), Ok(day(3)));
    }

    #[test]
    fn a_day_is_closed_only_after_a_soft_lock_and_every_step_taken_twice_is_the_same() {
        assert_eq!(PeriodState::Open.after(PeriodStep::Close), None);
        assert_eq!(PeriodState::Reopened.after(PeriodStep::Close), None);
        for state in PeriodState::ALL {
            for step in PeriodStep::ALL {
                let Some(after) = state.after(step) else { continue };
                assert_eq!(after.after(step), Some(after), "{step:?} of {state:?} twice");
            }
        }
    }
}
