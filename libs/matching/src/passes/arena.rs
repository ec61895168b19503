//! All lines of a run, each in its seat, and what has become of them. A line is matched by giving up its claim, and it
//! has one: the second attempt is an error, not a second match.

use super::RunError;
use super::line::{Field, InputError, Line};
use super::outcome::{Ambiguity, Match, Outcome, Reason, Variance};
use crate::Side;
use std::collections::{HashMap, HashSet};

/// A text, numbered; 0 is none.
pub(super) type Symbol = u32;

/// A line and its texts as numbers.
#[derive(Clone, Debug)]
pub(super) struct Seat<'a> {
    pub(super) line: &'a Line,
    fields: [Symbol; 4],
    pub(super) currency: Symbol,
}

impl Seat<'_> {
    pub(super) fn symbol(&self, field: Field) -> Symbol {
        self.fields[field.index()]
    }
}

/// What has become of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Free,
    Matched,
    Ambiguous,
}

/// The right to match one line, had once.
#[derive(Debug)]
pub(super) struct Claim {
    side: Side,
    at: usize,
}

#[derive(Debug)]
struct Bench<'a> {
    seats: Vec<Seat<'a>>,
    states: Vec<State>,
    /// Every value of each identifying field, whatever became of its line.
    named: [HashSet<Symbol>; 4],
}

/// Both sides.
#[derive(Debug)]
pub(super) struct Arena<'a> {
    left: Bench<'a>,
    right: Bench<'a>,
}

impl<'a> Arena<'a> {
    /// Seats lines by id, so that nothing depends on the order in which they came.
    pub(super) fn try_new(
        left: &'a [Line],
        right: &'a [Line],
        lines_max: usize,
    ) -> Result<Arena<'a>, InputError> {
        let mut symbols = Symbols::default();
        let left = Bench::try_new(Side::Left, left, lines_max, &mut symbols)?;
        let right = Bench::try_new(Side::Right, right, lines_max, &mut symbols)?;
        Ok(Arena { left, right })
    }

    fn bench(&self, side: Side) -> &Bench<'a> {
        match side {
            Side::Left => &self.left,
            Side::Right => &self.right,
        }
    }

    fn bench_mut(&mut self, side: Side) -> &mut Bench<'a> {
        match side {
            Side::Left => &mut self.left,
            Side::Right => &mut self.right,
        }
    }

    pub(super) fn seats(&self, side: Side) -> &[Seat<'a>] {
        &self.bench(side).seats
    }

    pub(super) fn seat(&self, side: Side, at: usize) -> &Seat<'a> {
        &self.bench(side).seats[at]
    }

    pub(super) fn state(&self, side: Side, at: usize) -> State {
        self.bench(side).states[at]
    }

    pub(super) fn free_ids(&self, side: Side) -> Vec<String> {
        let Bench { seats, states, .. } = self.bench(side);
        let free = seats.iter().zip(states).filter(|(_, state)| **state == State::Free);
        free.map(|(seat, _)| seat.line.id.clone()).collect()
    }

    /// Whether a reference that a pass does not look at says that the two do not belong together: it differs, and one
    /// of its values names a line of the other side.
    pub(super) fn is_contested(&self, left: usize, right: usize, by: &[Field]) -> bool {
        let others = Field::ALL.into_iter().filter(|field| field.identifies() && !by.contains(field));
        let (left, right) = (self.seat(Side::Left, left), self.seat(Side::Right, right));
        others.into_iter().any(|field| {
            let (one, other) = (left.symbol(field), right.symbol(field));
            let elsewhere = || {
                self.left.named[field.index()].contains(&other)
                    || self.right.named[field.index()].contains(&one)
            };
            one != 0 && other != 0 && one != other && elsewhere()
        })
    }

    fn claim(&mut self, side: Side, at: usize) -> Result<Claim, RunError> {
        let bench = self.bench_mut(side);
        if bench.states[at] != State::Free {
            return Err(RunError::ClaimedTwice { side, id: bench.seats[at].line.id.clone() });
        }
        bench.states[at] = State::Matched;
        Ok(Claim { side, at })
    }

    /// Takes a match: every line gives up its claim.
    ///
    /// # Errors
    /// [`RunError::ClaimedTwice`]: a line had none left.
    pub(super) fn take(
        &mut self,
        pass: &str,
        (left, right): (&[usize], &[usize]),
        variance: Option<Variance>,
        outcome: &mut Outcome,
    ) -> Result<(), RunError> {
        let mut claims = Vec::with_capacity(left.len() + right.len());
        for (side, seats) in [(Side::Left, left), (Side::Right, right)] {
            for at in seats {
                claims.push(self.claim(side, *at)?);
            }
        }
        outcome.matches.push(self.matched(pass, claims, variance, outcome.version));
        Ok(())
    }

    /// The only maker of a match; it uses claims up.
    fn matched(&self, pass: &str, claims: Vec<Claim>, variance: Option<Variance>, version: u32) -> Match {
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for Claim { side, at } in claims {
            let ids = match side {
                Side::Left => &mut left,
                Side::Right => &mut right,
            };
            ids.push(self.seat(side, at).line.id.clone());
        }
        Match { pass: pass.to_owned(), version, left, right, variance }
    }

    /// Tells lines as ambiguous; nothing takes them any more.
    ///
    /// # Errors
    /// [`RunError::ClaimedTwice`]: one of them is matched, or was told before.
    pub(super) fn set_aside(
        &mut self,
        pass: &str,
        reason: Reason,
        (left, right): (&[usize], &[usize]),
        outcome: &mut Outcome,
    ) -> Result<(), RunError> {
        for (side, seats) in [(Side::Left, left), (Side::Right, right)] {
            for at in seats {
                let Claim { side, at } = self.claim(side, *at)?;
                self.bench_mut(side).states[at] = State::Ambiguous;
            }
        }
        let ids = |side, seats: &[usize]| -> Vec<String> {
            seats.iter().map(|at| self.seat(side, *at).line.id.clone()).collect()
        };
        let (left, right) = (ids(Side::Left, left), ids(Side::Right, right));
        outcome.ambiguous.push(Ambiguity { pass: pass.to_owned(), reason, left, right });
        Ok(())
    }
}

impl<'a> Bench<'a> {
    fn try_new(
        side: Side,
        lines: &'a [Line],
        lines_max: usize,
        symbols: &mut Symbols<'a>,
    ) -> Result<Bench<'a>, InputError> {
        if lines.len() > lines_max {
            return Err(InputError::TooManyLines { side, lines: lines.len(), max: lines_max });
        }
        let mut lines: Vec<&Line> = lines.iter().collect();
        lines.sort_unstable_by_key(|line| &line.id);
        if let Some(twice) = lines.windows(2).find(|pair| pair[0].id == pair[1].id) {
            return Err(InputError::IdTwice { side, id: twice[0].id.clone() });
        }
        let mut named: [HashSet<Symbol>; 4] = Default::default();
        let mut seats = Vec::with_capacity(lines.len());
        for line in lines {
            let fields = Field::ALL.map(|field| symbols.number(field.of(line)));
            for field in Field::ALL.into_iter().filter(|field| field.identifies()) {
                named[field.index()].insert(fields[field.index()]);
            }
            seats.push(Seat { line, fields, currency: symbols.number(Some(&line.currency)) });
        }
        Ok(Bench { states: vec![State::Free; seats.len()], seats, named })
    }
}

/// Texts and their numbers. Equal texts have equal numbers; the numbers' order means nothing.
#[derive(Debug, Default)]
struct Symbols<'a> {
    numbers: HashMap<&'a str, Symbol>,
}

impl<'a> Symbols<'a> {
    fn number(&mut self, text: Option<&'a str>) -> Symbol {
        let Some(text) = text else { return 0 };
        // At most 5 texts for each of 2 * LINES_MAX lines, which fit.
        let next = Symbol::try_from(self.numbers.len() + 1).unwrap_or(Symbol::MAX);
        *self.numbers.entry(text).or_insert(next)
    }
}

#[cfg(test)]
mod tests {
    use super::{Arena, Line, Outcome, Reason, RunError, Side, State};

    fn line(id: &str) -> Line {
        Line { id: id.to_owned(), currency: "CNY".to_owned(), ..Line::default() }
    }

    #[test]
    fn a_line_that_is_matched_or_told_as_ambiguous_cannot_be_matched_again() {
        let (left, right) = ([line("a"), line("b")], [line("x"), line("y")]);
        let mut arena = Arena::try_new(&left, &right, 10).expect("few lines");
        let mut outcome = Outcome::default();
        arena.take("first", (&[0], &[0]), None, &mut outcome).expect("both are free");
        let again = arena.take("second", (&[0], &[1]), None, &mut outcome);
        assert_eq!(again, Err(RunError::ClaimedTwice { side: Side::Left, id: "a".to_owned() }));
        let both = (&[1][..], &[1][..]);
        arena.set_aside("third", Reason::SeveralCandidates, both, &mut outcome).expect("both are free");
        let told = arena.take("fourth", both, None, &mut outcome);
        assert_eq!(told, Err(RunError::ClaimedTwice { side: Side::Left, id: "b".to_owned() }));
        assert_eq!(outcome.matches.len(), 1, "what failed is not in the answer");
        assert_eq!(arena.state(Side::Left, 0), State::Matched);
    }
}
