//! Rules against the outside: two sides in memory, ordered passes, each line in at most one match.
//!
//! Rules are versioned data. A pass takes what is certain: a pair that is the only one its key, amount and days allow.
//! Where more are possible, all of them are told as ambiguous and no later pass takes them; sums of subsets are only
//! ever suggested. Inside our own walls nothing may be tolerated. Must not read clocks, files or floats; the answer
//! depends on the set of lines and the rules, never on the order in which lines come.

mod arena;
mod batches;
mod dry_run;
mod groups;
mod line;
mod outcome;
mod pairs;
mod rules;
mod subsets;

pub use dry_run::{
    Change, ChangeKind, Comparison, DifferentInput, DryRun, DryRunError, Fate, compare_outcomes, dry_run,
};
pub use line::{Field, InputError, Line};
pub use outcome::{Ambiguity, Certainty, CutReason, CutSearch, Match, Outcome, Reason, Suggestion, Variance};
pub use rules::{
    Act, CheckedRules, Direction, LAG_DAYS_MAX, LINES_MAX, PASSES_MAX, Pass, Rules, RulesError,
    SUBSET_CANDIDATES_MAX, SUBSET_ITEMS_MAX, SUBSET_STEPS_MAX, Shape, Tolerance, ToleranceCause, Walls,
};

use crate::Side;
use arena::Arena;
use rules::Checked;

/// Why lines were not matched at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    #[error("the lines cannot be matched")]
    Input(#[from] InputError),
    /// A bug of this crate, caught before a line counts twice.
    #[error("line {id:?} of the {side} side was to match a second time")]
    ClaimedTwice { side: Side, id: String },
}

/// Matches two sides by the rules. Every line is in exactly one of: a match, an ambiguity, the unmatched ones.
///
/// # Errors
/// [`RunError::Input`]: too many lines, or two of one side with the same id.
pub fn run(rules: &CheckedRules, left: &[Line], right: &[Line]) -> Result<Outcome, RunError> {
    let mut arena = Arena::try_new(left, right, rules.rules().lines_max)?;
    let mut outcome = Outcome::new(&rules.rules().name, rules.rules().version);
    for pass in rules.passes() {
        match pass {
            Checked::Pairs(rule) => pairs::run(rule, &mut arena, &mut outcome)?,
            Checked::Batch(rule) => batches::run(rule, &mut arena, &mut outcome)?,
            Checked::Subsets(rule) => subsets::run(rule, &arena, &mut outcome),
        }
    }
    outcome.unmatched_left = arena.free_ids(Side::Left);
    outcome.unmatched_right = arena.free_ids(Side::Right);
    Ok(outcome)
}
