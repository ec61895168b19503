//! Some unmatched lines that sum to an unmatched one: searched within named limits, suggested, never taken.

use super::arena::{Arena, State, Symbol};
use super::outcome::{Certainty, CutReason, CutSearch, Outcome, Suggestion};
use super::rules::{Shape, SubsetRule};
use crate::Side;
use std::collections::HashMap;

/// Runs the pass; it changes no line's state.
pub(super) fn run(rule: &SubsetRule, arena: &Arena<'_>, outcome: &mut Outcome) {
    let one_side = match rule.shape {
        Shape::OneToMany => Side::Left,
        Shape::ManyToOne => Side::Right,
    };
    let parts = by_key(arena, rule, one_side.other());
    let mut steps_left = rule.max_steps;
    for (at, seat) in arena.seats(one_side).iter().enumerate() {
        let key = key(arena, rule, one_side, at);
        let Some(near) = key.and_then(|key| parts.get(&key)).map(|parts| near(parts, seat.line.day, rule))
        else {
            continue;
        };
        let looked_at = u64::try_from(near.len()).unwrap_or(u64::MAX);
        let candidates = candidates(arena, one_side.other(), near, seat.line.amount_minor);
        let cut =
            |reason| CutSearch { pass: rule.pass.clone(), side: one_side, id: seat.line.id.clone(), reason };
        let Some(candidates) = candidates.filter(|candidates| candidates.len() <= rule.max_candidates) else {
            outcome.cut_searches.push(cut(CutReason::TooManyCandidates));
            continue;
        };
        // Looking costs a step a line, so that many targets with many neighbours end as well.
        steps_left = steps_left.saturating_sub(looked_at);
        let mut search = Search::new(&candidates, rule.max_items, &mut steps_left);
        search.look(0, seat.line.amount_minor.unsigned_abs().into());
        let Search { found, was_cut, .. } = search;
        if was_cut {
            outcome.cut_searches.push(cut(CutReason::StepsUsedUp));
        }
        let certainty = match (found.len(), was_cut) {
            (0, _) => continue,
            (1, false) => Certainty::OnlyOne,
            (1, true) => Certainty::SearchCut,
            _ => Certainty::Several,
        };
        let mut many = found.into_iter().next().unwrap_or_default();
        many.sort_unstable();
        let ids = |seats: &[usize]| -> Vec<String> {
            seats.iter().map(|at| arena.seat(one_side.other(), *at).line.id.clone()).collect()
        };
        let (one, many) = (vec![seat.line.id.clone()], ids(&many));
        let (left, right) = if one_side == Side::Left { (one, many) } else { (many, one) };
        let version = outcome.version;
        outcome.suggestions.push(Suggestion { pass: rule.pass.clone(), version, left, right, certainty });
    }
}

/// Currency, and the field that lines must share.
type Key = (Symbol, Symbol);

fn key(arena: &Arena<'_>, rule: &SubsetRule, side: Side, at: usize) -> Option<Key> {
    let seat = arena.seat(side, at);
    let shared =
        rule.within.map_or(Some(0), |field| Some(seat.symbol(field)).filter(|symbol| *symbol != 0))?;
    (arena.state(side, at) == State::Free).then_some((seat.currency, shared))
}

/// Free lines by key, each list by day.
fn by_key(arena: &Arena<'_>, rule: &SubsetRule, side: Side) -> HashMap<Key, Vec<(i32, usize)>> {
    let mut found: HashMap<Key, Vec<(i32, usize)>> = HashMap::new();
    for (at, seat) in arena.seats(side).iter().enumerate() {
        if let Some(key) = key(arena, rule, side, at) {
            found.entry(key).or_default().push((seat.line.day, at));
        }
    }
    for list in found.values_mut() {
        list.sort_unstable();
    }
    found
}

fn near<'a>(parts: &'a [(i32, usize)], day: i32, rule: &SubsetRule) -> &'a [(i32, usize)] {
    let from = parts.partition_point(|(other, _)| *other < day.saturating_sub(rule.max_days));
    let until = parts.partition_point(|(other, _)| *other <= day.saturating_add(rule.max_days));
    parts.get(from..until).unwrap_or_default()
}

/// Lines looked at for one sum before it is given up.
const LOOKED_AT_MAX: usize = 4_096;

/// Lines that may be part of the sum: of its sign and not larger; the largest first. `None`: too many to look at.
fn candidates(
    arena: &Arena<'_>,
    side: Side,
    near: &[(i32, usize)],
    amount_minor: i64,
) -> Option<Vec<(i128, usize)>> {
    let size = |at: usize| {
        let own = arena.seat(side, at).line.amount_minor;
        let fits = own != 0 && own.signum() == amount_minor.signum();
        let small = own.unsigned_abs() <= amount_minor.unsigned_abs();
        (fits && small).then(|| (i128::from(own.unsigned_abs()), at))
    };
    let near = (near.len() <= LOOKED_AT_MAX).then_some(near)?;
    let mut found: Vec<(i128, usize)> = near.iter().filter_map(|(_, at)| size(*at)).collect();
    found.sort_unstable_by(|one, other| other.0.cmp(&one.0).then(one.1.cmp(&other.1)));
    Some(found)
}

/// A search for two sums, so that it can tell whether the first is the only one.
struct Search<'a> {
    items: &'a [(i128, usize)],
    /// `sums_from[n]` is the sum of all items from the n-th on.
    sums_from: Vec<i128>,
    max_items: usize,
    steps_left: &'a mut u64,
    chosen: Vec<usize>,
    found: Vec<Vec<usize>>,
    was_cut: bool,
}

impl<'a> Search<'a> {
    fn new(items: &'a [(i128, usize)], max_items: usize, steps_left: &'a mut u64) -> Search<'a> {
        let mut sums_from = vec![0; items.len() + 1];
        for (at, (size, _)) in items.iter().enumerate().rev() {
            sums_from[at] = sums_from[at + 1] + size;
        }
        Search {
            items,
            sums_from,
            max_items,
            steps_left,
            chosen: Vec::new(),
            found: Vec::new(),
            was_cut: false,
        }
    }

    /// Tries items from `from` on for what is missing. As deep as `max_items`.
    fn look(&mut self, from: usize, missing: i128) {
        let room = self.max_items - self.chosen.len();
        for at in from..self.items.len() {
            let (size, seat) = self.items[at];
            let most = size.saturating_mul(i128::try_from(room).unwrap_or(0));
            // The largest come first: what does not reach the sum now never will.
            if self.found.len() > 1 || self.was_cut || self.sums_from[at] < missing || most < missing {
                return;
            }
            if *self.steps_left == 0 {
                self.was_cut = true;
                return;
            }
            *self.steps_left -= 1;
            if size > missing {
                continue;
            }
            self.chosen.push(seat);
            if size == missing && self.chosen.len() > 1 {
                self.found.push(self.chosen.clone());
            } else if size < missing && room > 1 {
                self.look(at + 1, missing - size);
            }
            self.chosen.pop();
        }
    }
}
