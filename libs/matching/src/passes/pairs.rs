//! One to one: exact, by a fallback key, days apart. Takes a pair that is the only one possible for both its lines.

use super::RunError;
use super::arena::Arena;
use super::groups::{Amounts, Group, groups};
use super::outcome::{Outcome, Reason, Variance};
use super::rules::{PairRule, Tolerance};
use crate::Side;

/// Runs the pass.
///
/// # Errors
/// [`RunError::ClaimedTwice`] only.
pub(super) fn run(rule: &PairRule, arena: &mut Arena<'_>, outcome: &mut Outcome) -> Result<(), RunError> {
    let amounts = if rule.tolerance.is_some() { Amounts::Any } else { Amounts::Equal };
    for group in groups(arena, &rule.by, amounts) {
        match &rule.tolerance {
            None => {
                for (left, right) in components(arena, rule, &group) {
                    settle(rule, (&left, &right), None, arena, outcome)?;
                }
            }
            Some(tolerance) => tolerate(rule, &group, tolerance, arena, outcome)?,
        }
    }
    Ok(())
}

/// Takes a single pair; tells anything larger, or contested, as ambiguous.
fn settle(
    rule: &PairRule,
    (left, right): (&[usize], &[usize]),
    variance: Option<Variance>,
    arena: &mut Arena<'_>,
    outcome: &mut Outcome,
) -> Result<(), RunError> {
    let ([one], [other]) = (left, right) else {
        return arena.set_aside(&rule.pass, Reason::SeveralCandidates, (left, right), outcome);
    };
    if arena.is_contested(*one, *other, &rule.by) {
        return arena.set_aside(&rule.pass, Reason::Contested, (left, right), outcome);
    }
    arena.take(&rule.pass, (left, right), variance, outcome)
}

/// Seats of the left and the right side.
type Sides = (Vec<usize>, Vec<usize>);

/// Lines of one key that are bound to each other by days, in one chain or another. The right days that fit a left line
/// are one stretch, and stretches move on with the left day: so a chain ends where the next stretch begins anew.
fn components(arena: &Arena<'_>, rule: &PairRule, group: &Group) -> Vec<Sides> {
    let by_day = |side, seats: &[usize]| {
        let day = |at: &usize| (i64::from(arena.seat(side, *at).line.day), *at);
        let mut seats: Vec<(i64, usize)> = seats.iter().map(day).collect();
        seats.sort_unstable();
        seats
    };
    let (left, right) = (by_day(Side::Left, &group.left), by_day(Side::Right, &group.right));
    let mut found: Vec<(Sides, usize)> = Vec::new();
    for (day, at) in left {
        let (from_day, to_day) = (day + i64::from(rule.from_days), day + i64::from(rule.to_days));
        let from = right.partition_point(|(day, _)| *day < from_day);
        let until = right.partition_point(|(day, _)| *day <= to_day);
        if from == until {
            continue;
        }
        match found.last_mut() {
            Some(((lefts, rights), end)) if from < *end => {
                lefts.push(at);
                rights.extend(right.iter().take(until).skip(*end).map(|(_, at)| *at));
                *end = until.max(*end);
            }
            _ => {
                let rights = right.iter().take(until).skip(from).map(|(_, at)| *at).collect();
                found.push(((vec![at], rights), until));
            }
        }
    }
    let mut found: Vec<Sides> = found.into_iter().map(|(sides, _)| sides).collect();
    for (left, right) in &mut found {
        left.sort_unstable();
        right.sort_unstable();
    }
    found
}

/// With a tolerance a pair must be alone under its key: a part of a split, or a copy, is near enough to be taken for it.
fn tolerate(
    rule: &PairRule,
    group: &Group,
    (name, tolerance): &(String, Tolerance),
    arena: &mut Arena<'_>,
    outcome: &mut Outcome,
) -> Result<(), RunError> {
    if group.has_ambiguous {
        return Ok(());
    }
    let fits = |left: usize, right: usize| {
        let (one, other) = (arena.seat(Side::Left, left).line, arena.seat(Side::Right, right).line);
        let days = i64::from(other.day) - i64::from(one.day);
        let in_window = (i64::from(rule.from_days)..=i64::from(rule.to_days)).contains(&days);
        let sums = (i128::from(one.amount_minor), i128::from(other.amount_minor));
        if in_window { tolerance.variance_minor(&one.currency, sums) } else { None }
    };
    if let ([one], [other]) = (&group.left[..], &group.right[..]) {
        let Some(variance_minor) = fits(*one, *other) else { return Ok(()) };
        let variance = variance(name, variance_minor);
        return settle(rule, (&group.left, &group.right), variance, arena, outcome);
    }
    // Many lines under one key are few tries, unless somebody reuses a reference without end: one fit decides.
    let one_fits = |left: &usize| group.right.iter().any(|right| fits(*left, *right).is_some());
    if group.left.len().saturating_mul(group.right.len()) > TRIES_MAX || group.left.iter().any(one_fits) {
        return arena.set_aside(&rule.pass, Reason::SeveralCandidates, (&group.left, &group.right), outcome);
    }
    Ok(())
}

/// Pairs of one key that are tried with a tolerance; more are ambiguous without a look.
const TRIES_MAX: usize = 10_000;

pub(super) fn variance(tolerance: &str, variance_minor: i64) -> Option<Variance> {
    (variance_minor != 0).then(|| Variance { tolerance: tolerance.to_owned(), variance_minor })
}

impl Tolerance {
    /// Right minus left, where that is allowed. In another currency than the tolerance's nothing is tolerated.
    pub(super) fn variance_minor(&self, currency: &str, (left, right): (i128, i128)) -> Option<i64> {
        let variance = i64::try_from(right.checked_sub(left)?).ok()?;
        if currency != self.currency {
            return (variance == 0).then_some(0);
        }
        (self.least_minor..=self.most_minor).contains(&variance).then_some(variance)
    }
}
