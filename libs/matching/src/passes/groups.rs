//! Lines by key: what a pass may match is found by sorting, never by comparing every line with every other.

use super::arena::{Arena, State, Symbol};
use super::line::Field;
use crate::Side;

/// What lines of a group share: the pass's fields, the currency, and the amount where it must be equal.
type Key = ([Symbol; 4], Symbol, i64);

/// Whether lines of a group have one amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Amounts {
    Equal,
    Any,
}

/// Seats of both sides that share a key, in the order of their ids.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) left: Vec<usize>,
    pub(super) right: Vec<usize>,
    /// Lines under this key were told as ambiguous before.
    pub(super) has_ambiguous: bool,
}

/// Every group of unmatched lines that has both sides. Lines that lack one of the fields are in none.
pub(super) fn groups(arena: &Arena<'_>, by: &[Field], amounts: Amounts) -> Vec<Group> {
    let mut entries: Vec<(Key, Side, usize)> = Vec::new();
    for side in [Side::Left, Side::Right] {
        for (at, seat) in arena.seats(side).iter().enumerate() {
            let mut fields = [0; 4];
            for (field, own) in by.iter().zip(&mut fields) {
                *own = seat.symbol(*field);
            }
            let lacks_one = fields.iter().take(by.len()).any(|symbol| *symbol == 0);
            if lacks_one || arena.state(side, at) == State::Matched {
                continue;
            }
            let amount = match amounts {
                Amounts::Equal => seat.line.amount_minor,
                Amounts::Any => 0,
            };
            entries.push(((fields, seat.currency, amount), side, at));
        }
    }
    entries.sort_unstable();
    let group = |of_key: &[(Key, Side, usize)]| {
        let mut group = Group::default();
        for (_, side, at) in of_key {
            match (arena.state(*side, *at), side) {
                (State::Ambiguous, _) => group.has_ambiguous = true,
                (State::Free | State::Matched, Side::Left) => group.left.push(*at),
                (State::Free | State::Matched, Side::Right) => group.right.push(*at),
            }
        }
        group
    };
    let mut found: Vec<Group> = entries.chunk_by(|one, next| one.0 == next.0).map(group).collect();
    found.retain(|group| !group.left.is_empty() && !group.right.is_empty());
    // By the ids of lines: numbers of texts must not show.
    found.sort_unstable_by_key(|group| (group.left.first().copied(), group.right.first().copied()));
    found
}
