//! The life of a break, as a table: from which state who may take which step to which state.

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
    /// Two people agreed to wait until a day.
    Waiting,
}

/// What may happen to a break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BreakStep {
    /// It did not go away by itself.
    Open,
    /// What was late arrived, and said so.
    Clear,
    Assign,
    Propose,
    Approve,
    Reject,
    /// A rule proposes what nobody did, within its caps.
    Heal,
    /// The approved command is done.
    Post,
    /// The owning service refused the approved command for good.
    Refuse,
    /// The same, of a command that a rule proposed.
    FailHealing,
    /// What is approved is to wait.
    Wait,
    /// The day has come.
    Wake,
    Close,
    /// Makes a new break that is linked to the first; this one stays closed.
    Reopen,
}

/// Whose hand takes a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hand {
    /// Who may propose.
    Maker,
    /// Who may decide.
    Checker,
    /// Recon itself.
    System,
}

/// One line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    pub from: BreakState,
    pub step: BreakStep,
    pub by: &'static [Hand],
    pub to: BreakState,
}

const fn line(from: BreakState, step: BreakStep, by: &'static [Hand], to: BreakState) -> Transition {
    Transition { from, step, by, to }
}

const PEOPLE: &[Hand] = &[Hand::Maker, Hand::Checker];
const MAKER: &[Hand] = &[Hand::Maker];
const CHECKER: &[Hand] = &[Hand::Checker];
const SYSTEM: &[Hand] = &[Hand::System];

/// Every step there is. What is not here cannot happen.
pub const TRANSITIONS: [Transition; 19] = {
    use BreakState as S;
    use BreakStep as T;
    [
        line(S::Detected, T::Open, SYSTEM, S::Open),
        line(S::Detected, T::Clear, SYSTEM, S::Closed),
        line(S::Open, T::Clear, SYSTEM, S::Closed),
        line(S::Open, T::Assign, PEOPLE, S::Assigned),
        line(S::Open, T::Heal, SYSTEM, S::Approved),
        line(S::Assigned, T::Clear, SYSTEM, S::Closed),
        line(S::Assigned, T::Assign, PEOPLE, S::Assigned),
        line(S::Assigned, T::Propose, MAKER, S::Proposed),
        line(S::Proposed, T::Clear, SYSTEM, S::Closed),
        line(S::Proposed, T::Approve, CHECKER, S::Approved),
        line(S::Proposed, T::Reject, CHECKER, S::Assigned),
        // While a command may be under way nothing but its outcome moves the break: not even late agreement.
        line(S::Approved, T::Post, SYSTEM, S::Posted),
        line(S::Approved, T::Refuse, SYSTEM, S::Assigned),
        line(S::Approved, T::FailHealing, SYSTEM, S::Open),
        line(S::Approved, T::Wait, SYSTEM, S::Waiting),
        line(S::Waiting, T::Wake, SYSTEM, S::Assigned),
        line(S::Waiting, T::Clear, SYSTEM, S::Closed),
        line(S::Posted, T::Close, SYSTEM, S::Closed),
        line(S::Closed, T::Reopen, PEOPLE, S::Closed),
    ]
};

/// A step that cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrongStep {
    #[error("a break that is {} cannot be {}", state.as_str(), step.done())]
    NotNow { state: BreakState, step: BreakStep },
    #[error("this role may not say that a break is {}", step.done())]
    NotYours { step: BreakStep },
}

impl BreakStep {
    /// What the break is after the step, in words; the name of the act in the trail.
    pub const fn done(self) -> &'static str {
        match self {
            BreakStep::Open => "opened",
            BreakStep::Clear => "cleared",
            BreakStep::Assign => "assigned",
            BreakStep::Propose => "proposed",
            BreakStep::Approve => "approved",
            BreakStep::Reject => "rejected",
            BreakStep::Heal => "healed",
            BreakStep::Post => "posted",
            BreakStep::Refuse => "refused",
            BreakStep::FailHealing => "not_healed",
            BreakStep::Wait => "put_off",
            BreakStep::Wake => "woken",
            BreakStep::Close => "closed",
            BreakStep::Reopen => "reopened",
        }
    }
}

impl BreakState {
    pub const ALL: [BreakState; 8] = [
        BreakState::Detected,
        BreakState::Open,
        BreakState::Assigned,
        BreakState::Proposed,
        BreakState::Approved,
        BreakState::Posted,
        BreakState::Closed,
        BreakState::Waiting,
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
            BreakState::Waiting => 8,
        }
    }

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            BreakState::Detected => "detected",
            BreakState::Open => "open",
            BreakState::Assigned => "assigned",
            BreakState::Proposed => "proposed",
            BreakState::Approved => "approved",
            BreakState::Posted => "posted",
            BreakState::Closed => "closed",
            BreakState::Waiting => "waiting",
        }
    }

    /// The state of a stored code.
    pub fn of_code(code: i16) -> Option<BreakState> {
        BreakState::ALL.into_iter().find(|state| state.code() == code)
    }

    /// The state after a step by one of `hands`.
    ///
    /// # Errors
    /// [`WrongStep`] where the step does not fit; nothing changes then.
    pub fn after(self, step: BreakStep, hands: &[Hand]) -> Result<BreakState, WrongStep> {
        let lines = || TRANSITIONS.iter().filter(|line| line.step == step);
        if !lines().any(|line| line.by.iter().any(|hand| hands.contains(hand))) {
            return Err(WrongStep::NotYours { step });
        }
        let fits = lines().find(|line| line.from == self);
        fits.map(|line| line.to).ok_or(WrongStep::NotNow { state: self, step })
    }
}

#[cfg(test)]
mod tests {
    use super::{BreakState as S, BreakStep as T, Hand, TRANSITIONS, WrongStep};
    use std::collections::BTreeSet;

    const ALL_HANDS: [Hand; 3] = [Hand::Maker, Hand::Checker, Hand::System];

    #[test]
    fn nothing_is_posted_that_was_not_approved_by_a_checker_or_a_rule() {
        let way = [T::Open, T::Assign, T::Propose, T::Reject, T::Propose, T::Approve, T::Post, T::Close];
        let end = way.into_iter().try_fold(S::Detected, |state, step| state.after(step, &ALL_HANDS));
        assert_eq!(end, Ok(S::Closed));
        let into = |to: S| TRANSITIONS.iter().filter(move |line| line.to == to).collect::<Vec<_>>();
        assert!(into(S::Posted).iter().all(|line| line.from == S::Approved));
        let steps: Vec<(T, &[Hand])> = into(S::Approved).iter().map(|line| (line.step, line.by)).collect();
        assert_eq!(steps, [(T::Heal, &[Hand::System][..]), (T::Approve, &[Hand::Checker][..])]);
    }

    #[test]
    fn a_state_and_a_step_lead_to_one_place_and_every_state_can_end() {
        let pairs: BTreeSet<_> = TRANSITIONS.iter().map(|line| (line.from, line.step)).collect();
        assert_eq!(pairs.len(), TRANSITIONS.len());
        // The trail names acts, and what verifies it must know where each leads.
        let acts: BTreeSet<_> = TRANSITIONS.iter().map(|line| (line.step.done(), line.to)).collect();
        let names: BTreeSet<_> = acts.iter().map(|(act, _)| act).collect();
        assert_eq!(acts.len(), names.len(), "an act leads to two states");
        for state in S::ALL {
            let (mut seen, mut next) = (BTreeSet::new(), vec![state]);
            while let Some(at) = next.pop() {
                if seen.insert(at) {
                    next.extend(TRANSITIONS.iter().filter(|line| line.from == at).map(|line| line.to));
                }
            }
            assert!(seen.contains(&S::Closed), "{state:?} never ends");
            assert_eq!(S::of_code(state.code()), Some(state));
        }
    }

    #[test]
    fn a_hand_takes_its_own_steps_only() {
        let refused = |step| Err(WrongStep::NotYours { step });
        assert_eq!(S::Proposed.after(T::Approve, &[Hand::Maker]), refused(T::Approve));
        assert_eq!(S::Assigned.after(T::Propose, &[Hand::Checker]), refused(T::Propose));
        assert_eq!(S::Approved.after(T::Post, &[Hand::Maker, Hand::Checker]), refused(T::Post));
        assert_eq!(S::Closed.after(T::Reopen, &[]), refused(T::Reopen), "an auditor only reads");
        let late = Err(WrongStep::NotNow { state: S::Approved, step: T::Clear });
        assert_eq!(S::Approved.after(T::Clear, &[Hand::System]), late);
    }
}
