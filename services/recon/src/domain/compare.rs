//! Compares two sets of facts row by row, where their digests differ.

use super::break_kind::{BreakKind, Difference};
use contracts::digest::{Fact, FactKind};
use contracts::log::Seq;
use ids::OrderId;
use serde::Serialize;
use std::collections::BTreeMap;

/// A fact and the row that states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Stated {
    pub paid_coins: i64,
    pub promo_coins: i64,
    pub seq: Seq,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub kind: BreakKind,
    pub order_id: OrderId,
    pub fact: FactKind,
    /// Which of several equal differences of one order this is, from 0.
    pub occurrence: usize,
    pub before: Option<Stated>,
    pub after: Option<Stated>,
}

impl Finding {
    /// The coins in question: what one side lacks, or by how much they differ.
    pub fn coins(&self) -> i64 {
        let coins = |side: Option<Stated>| side.map_or(0, |s| s.paid_coins.saturating_add(s.promo_coins));
        coins(self.before).saturating_sub(coins(self.after)).saturating_abs()
    }
}

type Sides = (Vec<Stated>, Vec<Stated>);

/// Every difference between what the log before says and what the log after says, in the order of orders.
pub fn compare_facts(before: &[(Seq, Fact)], after: &[(Seq, Fact)]) -> Vec<Finding> {
    let mut orders: BTreeMap<(OrderId, FactKind), Sides> = BTreeMap::new();
    for (seq, fact) in before {
        orders.entry((fact.order_id, fact.kind)).or_default().0.push(stated(*seq, fact));
    }
    for (seq, fact) in after {
        orders.entry((fact.order_id, fact.kind)).or_default().1.push(stated(*seq, fact));
    }
    let differences = orders.into_iter().map(|((order_id, fact), sides)| {
        let findings = differences_of(sides).into_iter().enumerate();
        let findings = findings.map(move |(occurrence, (difference, before, after))| {
            let kind = BreakKind::of(fact, difference);
            Finding { kind, order_id, fact, occurrence, before, after }
        });
        findings.collect::<Vec<_>>()
    });
    differences.flatten().collect()
}

fn stated(seq: Seq, fact: &Fact) -> Stated {
    Stated { paid_coins: fact.paid_coins, promo_coins: fact.promo_coins, seq }
}

/// Cancels equal facts, pairs what is left, and names the rest. An order may state one fact several times:
/// partial refunds do.
fn differences_of((mut before, mut after): Sides) -> Vec<(Difference, Option<Stated>, Option<Stated>)> {
    before.sort_unstable();
    after.sort_unstable();
    let mut agreed = false;
    before.retain(|stated| {
        let same =
            |other: &Stated| (other.paid_coins, other.promo_coins) == (stated.paid_coins, stated.promo_coins);
        match after.iter().position(same) {
            Some(at) => {
                after.remove(at);
                agreed = true;
                false
            }
            None => true,
        }
    });
    let mut found = Vec::new();
    let (mut before, mut after) = (before.into_iter(), after.into_iter());
    loop {
        let difference = match (before.next(), after.next()) {
            (None, None) => return found,
            (Some(before), Some(after)) => (Difference::Amount, Some(before), Some(after)),
            (Some(before), None) => (Difference::Missing, Some(before), None),
            (None, Some(after)) if agreed => (Difference::Duplicate, None, Some(after)),
            (None, Some(after)) => (Difference::Extra, None, Some(after)),
        };
        found.push(difference);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::digest::Pair;

    fn fact(order_id: OrderId, kind: FactKind, paid_coins: i64) -> Fact {
        Fact { pair: Pair::EntriesOrders, order_id, kind, paid_coins, promo_coins: 0 }
    }

    #[test]
    fn each_difference_has_its_name() {
        let [same, missing, extra, doubled, changed] = [(); 5].map(|()| OrderId::now());
        let spent = |seq, order, coins| (seq, fact(order, FactKind::Spent, coins));
        let before = [spent(1, same, 5), spent(2, missing, 6), spent(3, doubled, 7), spent(4, changed, 8)];
        let after = [
            spent(1, same, 5),
            spent(2, extra, 9),
            spent(3, doubled, 7),
            spent(4, doubled, 7),
            spent(5, changed, 10),
        ];
        let found = compare_facts(&before, &after);
        let named: Vec<_> = found.iter().map(|f| (f.order_id, f.kind, f.coins())).collect();
        assert_eq!(
            named,
            [
                (missing, BreakKind::MissingOrder, 6),
                (extra, BreakKind::ExtraOrder, 9),
                (doubled, BreakKind::DuplicateOrder, 7),
                (changed, BreakKind::AmountMismatch, 2),
            ]
        );
    }

    #[test]
    fn partial_refunds_of_equal_coins_are_no_difference() {
        let order = OrderId::now();
        let back = |seq| (seq, fact(order, FactKind::Returned, 3));
        assert_eq!(compare_facts(&[back(1), back(2)], &[back(8), back(9)]), []);
        let found = compare_facts(&[back(1), back(2)], &[back(8)]);
        assert_eq!(found.first().map(|f| f.kind), Some(BreakKind::MissingReturn));
    }
}
