//! The rows of one source that vouchers have yet to cover, kept in memory so that they need not be read again.

use super::effect::Effect;
use contracts::log::Seq;
use std::collections::VecDeque;

/// Effects one partition keeps; beyond that they are forgotten and read again when their voucher comes.
pub const TAIL_ROWS_MAX: usize = 4_096;

/// Every effect of the rows in `(after, until]` of one partition.
#[derive(Debug, Default)]
pub struct Tail {
    after: Seq,
    until: Seq,
    effects: VecDeque<Effect>,
}

impl Tail {
    /// Adds the effects of the rows in `(after, until]`. Where that leaves a gap, or is too much, the tail
    /// starts anew.
    pub fn add(&mut self, after: Seq, until: Seq, effects: impl IntoIterator<Item = Effect>) {
        if until <= self.until {
            return; // Read before.
        }
        if after != self.until || self.effects.len() >= TAIL_ROWS_MAX {
            self.effects.clear();
            self.after = after;
        }
        self.effects.extend(effects);
        self.until = until;
    }

    /// The effects of the rows from `from` to `to`; `None` where not all of them are here.
    pub fn range(&self, from: Seq, to: Seq) -> Option<Vec<Effect>> {
        let here = self.after < from && to <= self.until;
        here.then(|| self.effects.iter().filter(|e| (from..=to).contains(&e.seq)).copied().collect())
    }

    /// Forgets everything up to `seq`.
    pub fn forget(&mut self, seq: Seq) {
        while self.effects.front().is_some_and(|effect| effect.seq <= seq) {
            self.effects.pop_front();
        }
        self.after = self.after.max(seq.min(self.until));
    }

    /// The last row this tail knows of.
    pub fn until(&self) -> Seq {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::NaiveDate;

    fn effect(seq: Seq) -> Effect {
        Effect { seq, minute: 0, day: NaiveDate::MIN, kind: 1, coins: 1 }
    }

    #[test]
    fn a_tail_never_claims_rows_it_has_not_seen() {
        let mut tail = Tail::default();
        tail.add(0, 3, [effect(1), effect(3)]);
        assert_eq!(tail.range(1, 3).map(|effects| effects.len()), Some(2));
        assert_eq!(tail.range(2, 4), None);
        tail.add(5, 6, [effect(6)]);
        assert_eq!(tail.range(1, 6), None);
        assert_eq!(tail.range(6, 6).map(|effects| effects.len()), Some(1));
        tail.forget(6);
        assert_eq!(tail.range(6, 6), None);
        tail.add(6, 9, [effect(9)]);
        assert_eq!(tail.range(7, 9).map(|effects| effects.len()), Some(1));
    }
}
