//! What a changed rule would have done: two outcomes of the same lines, compared line by line.

use super::line::Line;
use super::outcome::Outcome;
use super::rules::CheckedRules;
use super::{RunError, run};
use crate::Side;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What became of a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    Matched { pass: String, left: Vec<String>, right: Vec<String>, variance_minor: i64 },
    Ambiguous { pass: String },
    Unmatched,
}

/// How a line's fate changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    NewlyMatched,
    NoLongerMatched,
    /// With other lines, or with another variance.
    MatchedOtherwise,
    NewlyAmbiguous,
    NoLongerAmbiguous,
}

/// One line whose fate changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub side: Side,
    pub id: String,
    pub kind: ChangeKind,
    pub before: Fate,
    pub after: Fate,
}

/// The difference between two outcomes. A line that other words of a rule match with the same lines has not changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    pub old_version: u32,
    pub new_version: u32,
    pub counts: BTreeMap<ChangeKind, u64>,
    /// By side and id.
    pub changes: Vec<Change>,
}

/// Both outcomes, and what lies between them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DryRun {
    pub old: Outcome,
    pub new: Outcome,
    pub comparison: Comparison,
}

/// Two outcomes that are not of the same lines.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {id:?} of the {side} side is in one outcome only")]
pub struct DifferentInput {
    pub side: Side,
    pub id: String,
}

/// Why a dry run gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DryRunError {
    #[error("the rules did not run")]
    Run(#[from] RunError),
    #[error("the outcomes cannot be compared")]
    DifferentInput(#[from] DifferentInput),
}

/// Runs both versions on the same lines, of a past day for example, and says what differs. Nothing is kept.
///
/// # Errors
/// Those of [`run`].
pub fn dry_run(
    old: &CheckedRules,
    new: &CheckedRules,
    left: &[Line],
    right: &[Line],
) -> Result<DryRun, DryRunError> {
    let (old, new) = (run(old, left, right)?, run(new, left, right)?);
    let comparison = compare_outcomes(&old, &new)?;
    Ok(DryRun { old, new, comparison })
}

/// Says what the new rules did with each line that the old ones did otherwise.
///
/// # Errors
/// [`DifferentInput`]: the outcomes are of other lines.
pub fn compare_outcomes(old: &Outcome, new: &Outcome) -> Result<Comparison, DifferentInput> {
    let (before, mut after) = (fates(old), fates(new));
    let mut comparison =
        Comparison { old_version: old.version, new_version: new.version, ..Comparison::default() };
    for ((side, id), before) in before {
        let Some(after) = after.remove(&(side, id)) else {
            return Err(DifferentInput { side, id: id.to_owned() });
        };
        if let Some(kind) = kind(&before, &after) {
            *comparison.counts.entry(kind).or_default() += 1;
            comparison.changes.push(Change { side, id: id.to_owned(), kind, before, after });
        }
    }
    match after.into_keys().next() {
        Some((side, id)) => Err(DifferentInput { side, id: id.to_owned() }),
        None => Ok(comparison),
    }
}

fn kind(before: &Fate, after: &Fate) -> Option<ChangeKind> {
    use Fate::{Ambiguous, Matched, Unmatched};
    match (before, after) {
        (
            Matched { left, right, variance_minor, .. },
            Matched { left: new_left, right: new_right, variance_minor: new_variance, .. },
        ) => {
            let same = (left, right, variance_minor) == (new_left, new_right, new_variance);
            (!same).then_some(ChangeKind::MatchedOtherwise)
        }
        (Ambiguous { .. } | Unmatched, Matched { .. }) => Some(ChangeKind::NewlyMatched),
        (Matched { .. }, Ambiguous { .. } | Unmatched) => Some(ChangeKind::NoLongerMatched),
        (Unmatched, Ambiguous { .. }) => Some(ChangeKind::NewlyAmbiguous),
        (Ambiguous { .. }, Unmatched) => Some(ChangeKind::NoLongerAmbiguous),
        (Ambiguous { .. }, Ambiguous { .. }) | (Unmatched, Unmatched) => None,
    }
}

fn fates(outcome: &Outcome) -> BTreeMap<(Side, &str), Fate> {
    let mut fates = BTreeMap::new();
    for matched in &outcome.matches {
        let fate = Fate::Matched {
            pass: matched.pass.clone(),
            left: matched.left.clone(),
            right: matched.right.clone(),
            variance_minor: matched.variance.as_ref().map_or(0, |variance| variance.variance_minor),
        };
        put(&mut fates, &matched.left, &matched.right, &fate);
    }
    for ambiguity in &outcome.ambiguous {
        let fate = Fate::Ambiguous { pass: ambiguity.pass.clone() };
        put(&mut fates, &ambiguity.left, &ambiguity.right, &fate);
    }
    put(&mut fates, &outcome.unmatched_left, &outcome.unmatched_right, &Fate::Unmatched);
    fates
}

fn put<'a>(
    fates: &mut BTreeMap<(Side, &'a str), Fate>,
    left: &'a [String],
    right: &'a [String],
    fate: &Fate,
) {
    let left = left.iter().map(|id| (Side::Left, id.as_str()));
    for place in left.chain(right.iter().map(|id| (Side::Right, id.as_str()))) {
        fates.insert(place, fate.clone());
    }
}
