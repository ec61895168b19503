//! What the broker has confirmed of one partition: a prefix, and what is beyond a hole in it. Pure.

use contracts::log::Seq;
use std::collections::BTreeMap;

/// Confirmed stretches beyond a hole that are remembered; what does not fit is sent again one day.
const BEYOND_MAX: usize = 1_024;

/// How far a partition's rows are relayed.
#[derive(Debug, Default)]
pub(crate) struct Prefix {
    /// Everything up to here is confirmed.
    confirmed: Seq,
    /// Confirmed stretches behind a hole: first seq to last.
    beyond: BTreeMap<Seq, Seq>,
    /// The last seq that did not go out, or of which nobody knows.
    failed: Seq,
}

impl Prefix {
    /// What an earlier writer saved.
    pub fn begin_at(&mut self, confirmed: Seq) {
        if confirmed > self.confirmed {
            self.confirmed = confirmed;
            self.close_up();
        }
    }

    pub fn confirmed(&self) -> Seq {
        self.confirmed
    }

    /// Rows did not go out, or nobody knows.
    pub fn fail(&mut self, last: Seq) {
        self.failed = self.failed.max(last);
    }

    /// Rows are confirmed.
    pub fn confirm(&mut self, first: Seq, last: Seq) {
        if self.beyond.len() < BEYOND_MAX || first <= self.confirmed + 1 {
            let known = self.beyond.entry(first).or_insert(last);
            *known = last.max(*known);
        }
        self.close_up();
    }

    /// Where rows are missing that must be sent again, if any are.
    pub fn find_hole(&self) -> Option<Seq> {
        (self.confirmed < self.failed).then_some(self.confirmed)
    }

    fn close_up(&mut self) {
        while let Some(first) = self.beyond.first_entry().filter(|first| *first.key() <= self.confirmed + 1) {
            self.confirmed = self.confirmed.max(first.remove());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Prefix;
    use proptest::prelude::*;

    #[test]
    fn a_hole_holds_the_prefix_back_until_it_is_filled() {
        let mut prefix = Prefix::default();
        prefix.begin_at(10);
        prefix.fail(20);
        prefix.confirm(21, 30);
        assert_eq!((prefix.confirmed(), prefix.find_hole()), (10, Some(10)));
        prefix.confirm(11, 20);
        assert_eq!((prefix.confirmed(), prefix.find_hole()), (30, None));
    }

    proptest! {
        #[test]
        fn the_prefix_is_what_is_confirmed_without_a_gap(
            stretches in prop::collection::vec((1..60_i64, 1..6_i64, prop::bool::ANY), 0..60),
        ) {
            let mut prefix = Prefix::default();
            let mut known = std::collections::BTreeSet::new();
            for (first, len, is_confirmed) in stretches {
                let last = first + len - 1;
                if is_confirmed {
                    prefix.confirm(first, last);
                    known.extend(first..=last);
                } else {
                    prefix.fail(last);
                }
                let expected = (1..).take_while(|seq| known.contains(seq)).last().unwrap_or(0);
                prop_assert_eq!(prefix.confirmed(), expected);
            }
        }
    }
}
