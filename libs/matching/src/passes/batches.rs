//! One line against the sum of many that name the same batch, reference or number.

use super::RunError;
use super::arena::Arena;
use super::groups::{Amounts, Group, groups};
use super::outcome::{Outcome, Reason};
use super::pairs::variance;
use super::rules::{BatchRule, Shape};
use crate::Side;

/// Runs the pass. All lines of the many side are summed, never some of them.
///
/// # Errors
/// [`RunError::ClaimedTwice`] only.
pub(super) fn run(rule: &BatchRule, arena: &mut Arena<'_>, outcome: &mut Outcome) -> Result<(), RunError> {
    for group in groups(arena, &[rule.by], Amounts::Any) {
        let many_len = match rule.shape {
            Shape::OneToMany => group.right.len(),
            Shape::ManyToOne => group.left.len(),
        };
        // A sum that misses a line which was told as ambiguous proves nothing.
        if !group.has_ambiguous && many_len <= rule.max_lines {
            settle(rule, group, arena, outcome)?;
        }
    }
    Ok(())
}

fn settle(
    rule: &BatchRule,
    group: Group,
    arena: &mut Arena<'_>,
    outcome: &mut Outcome,
) -> Result<(), RunError> {
    let (one_side, ones, many) = match rule.shape {
        Shape::OneToMany => (Side::Left, group.left, group.right),
        Shape::ManyToOne => (Side::Right, group.right, group.left),
    };
    let lines =
        |side, seats: &[usize]| -> Vec<_> { seats.iter().map(|at| arena.seat(side, *at).line).collect() };
    let parts = lines(one_side.other(), &many);
    let sum: i128 = parts.iter().map(|line| i128::from(line.amount_minor)).sum();
    let days = (parts.iter().map(|line| line.day).min(), parts.iter().map(|line| line.day).max());
    let fits = |at: usize| {
        let line = arena.seat(one_side, at).line;
        let near = |day: i32| (i64::from(day) - i64::from(line.day)).abs() <= i64::from(rule.max_days);
        if !days.0.is_some_and(near) || !days.1.is_some_and(near) {
            return None;
        }
        let amount = i128::from(line.amount_minor);
        let sums = if one_side == Side::Left { (amount, sum) } else { (sum, amount) };
        match &rule.tolerance {
            Some((_, tolerance)) => tolerance.variance_minor(&line.currency, sums),
            None => (sums.0 == sums.1).then_some(0),
        }
    };
    let fitting: Vec<(usize, i64)> = ones.iter().filter_map(|at| Some((*at, fits(*at)?))).collect();
    let sided = |ones: &[usize]| match one_side {
        Side::Left => (ones.to_vec(), many.clone()),
        Side::Right => (many.clone(), ones.to_vec()),
    };
    let (one, variance_minor) = match fitting[..] {
        [] => return Ok(()),
        // With a tolerance the one must be alone under its key, as a pair must.
        [fit] if rule.tolerance.is_none() || ones.len() == 1 => fit,
        _ => {
            let (left, right) = sided(&ones);
            return arena.set_aside(&rule.pass, Reason::SeveralCandidates, (&left, &right), outcome);
        }
    };
    let (left, right) = sided(&[one]);
    let contested =
        left.iter().any(|left| right.iter().any(|right| arena.is_contested(*left, *right, &[rule.by])));
    if contested {
        return arena.set_aside(&rule.pass, Reason::Contested, (&left, &right), outcome);
    }
    let name = rule.tolerance.as_ref().map_or("", |(name, _)| name);
    arena.take(&rule.pass, (&left, &right), variance(name, variance_minor), outcome)
}
