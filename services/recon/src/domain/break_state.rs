//! The life of a break. Every pair of state and step is spelled out.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a break stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BreakState {
    Detected,
    Open,
    Assigned,
    /// A maker has proposed what to do.
    Proposed,
    /// A checker, another person, has approved it.
    Approved,
    /// It is done in the books.
    Posted,
    Closed,
}

/// What may happen to a break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BreakStep {
    /// It did not go away by itself.
    Open,
    /// What was late arrived, and said so.
    Clear,
    Assign,
    Propose,
    Approve,
    Reject,
    Post,
    Close,
    Reopen,
}

/// A step that a break in this state cannot take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a break that is {state:?} cannot take the step {step:?}")]
pub struct WrongStep {
    pub state: BreakState,
    pub step: BreakStep,
}

impl BreakState {
    pub const ALL: [BreakState; 7] = [
        BreakState::Detected,
        BreakState::Open,
        BreakState::Assigned,
        BreakState::Proposed,
        BreakState::Approved,
        BreakState::Posted,
        BreakState::Closed,
    ];

    /// The number in the column `state`. Part of the stored format.
    pub const fn code(self) -> i16 {
        match self {
            BreakState::Detected => 1,
            BreakState::Open => 2,
            BreakState::Assigned => 3,
            BreakState::Proposed => 4,
            BreakState::Approved => 5,
            BreakState::Posted => 6,
            BreakState::Closed => 7,
        }
    }

    /// The state of a stored code.
    pub fn of_code(code: i16) -> Option<BreakState> {
        BreakState::ALL.into_iter().find(|state| state.code() == code)
    }

    /// The state after a step.
    ///
    /// # Errors
    /// [`WrongStep`] where the step does not fit; nothing changes then.
    pub fn after(self, step: BreakStep) -> Result<BreakState, WrongStep> {
        use BreakState as S;
        use BreakStep as T;
        match (self, step) {
            (S::Detected, T::Open) | (S::Closed, T::Reopen) => Ok(S::Open),
            (S::Detected | S::Open, T::Clear) | (S::Posted, T::Close) => Ok(S::Closed),
            // A rejected proposal goes back to whoever made it; an owner may change.
            (S::Open | S::Assigned, T::Assign) | (S::Proposed, T::Reject) => Ok(S::Assigned),
            (S::Assigned, T::Propose) => Ok(S::Proposed),
            (S::Proposed, T::Approve) => Ok(S::Approved),
            (S::Approved, T::Post) => Ok(S::Posted),
            (
                S::Detected,
                T::Assign | T::Propose | T::Approve | T::Reject | T::Post | T::Close | T::Reopen,
            )
            | (S::Open, T::Open | T::Propose | T::Approve | T::Reject | T::Post | T::Close | T::Reopen)
            | (S::Assigned, T::Open | T::Clear | T::Approve | T::Reject | T::Post | T::Close | T::Reopen)
            | (S::Proposed, T::Open | T::Clear | T::Assign | T::Propose | T::Post | T::Close | T::Reopen)
            | (
                S::Approved,
                T::Open | T::Clear | T::Assign | T::Propose | T::Approve | T::Reject | T::Close | T::Reopen,
            )
            | (
                S::Posted,
                T::Open | T::Clear | T::Assign | T::Propose | T::Approve | T::Reject | T::Post | T::Reopen,
            )
            | (
                S::Closed,
                T::Open | T::Clear | T::Assign | T::Propose | T::Approve | T::Reject | T::Post | T::Close,
            ) => Err(WrongStep { state: self, step }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BreakState as S, BreakStep as T};

    #[test]
    fn nothing_is_posted_that_was_not_proposed_and_approved() {
        let way = [T::Open, T::Assign, T::Propose, T::Reject, T::Propose, T::Approve, T::Post, T::Close];
        let end = way.into_iter().try_fold(S::Detected, S::after);
        assert_eq!(end, Ok(S::Closed));
        for state in S::ALL.into_iter().filter(|state| *state != S::Approved) {
            assert!(state.after(T::Post).is_err(), "{state:?} was posted without approval");
        }
        assert_eq!(S::Closed.after(T::Reopen), Ok(S::Open));
    }
}
