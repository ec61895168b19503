//! Which recharges give back how much of some coins: the newest first, in whole coins and whole minor units.

use crate::domain::pricing::part_of;
use crate::domain::recharge::Recharge;
use ids::RechargeId;
use money::Coins;
use std::collections::BTreeMap;

/// What one recharge is to give back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    pub recharge_id: RechargeId,
    pub amount_minor: i64,
    pub coins: Coins,
}

/// Plans the return of `coins`: `asked` is what channels were asked for of each recharge and have not said yet. Answers
/// also the coins that no recharge has left.
pub fn plan_returns(
    mut recharges: Vec<Recharge>,
    asked: &BTreeMap<RechargeId, i64>,
    coins: Coins,
) -> (Vec<Planned>, Coins) {
    recharges.sort_by_key(|recharge| std::cmp::Reverse((recharge.asked_at, recharge.recharge_id)));
    let (mut planned, mut left) = (Vec::new(), coins);
    for recharge in recharges {
        let open = asked.get(&recharge.recharge_id).copied().unwrap_or(0);
        let free_minor = recharge.amount_minor - recharge.refunded_minor - open;
        let amount_minor = largest_part(&recharge, free_minor, left);
        let Ok(part) = part_of(recharge.paid_coins, amount_minor, recharge.amount_minor) else { continue };
        let Some(rest) = left.checked_sub(part) else { continue };
        planned.push(Planned { recharge_id: recharge.recharge_id, amount_minor, coins: part });
        left = rest;
    }
    (planned, left)
}

/// The most minor units, of those that are free, that are worth whole coins and not more than `coins`.
fn largest_part(recharge: &Recharge, free_minor: i64, coins: Coins) -> i64 {
    let (amount, paid) = (recharge.amount_minor, recharge.paid_coins.get());
    let step = amount / gcd(amount, paid).max(1); // The least amount that is worth whole coins.
    let worth = i128::from(coins.get()) * i128::from(amount) / i128::from(paid.max(1));
    let most = worth.min(i128::from(free_minor.max(0)));
    let most = i64::try_from(most).unwrap_or(0);
    most - most % step.max(1)
}

const fn gcd(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::recharge::RechargeState;
    use chrono::DateTime;
    use ids::ViewerId;
    use proptest::prelude::*;

    fn recharge(at_s: i64, amount_minor: i64, paid: i64, refunded_minor: i64) -> Recharge {
        Recharge {
            recharge_id: RechargeId::now(),
            account_id: ViewerId::now(),
            channel: "sandbox".to_owned(),
            body_hash: 1,
            amount_minor,
            currency: "CNY".to_owned(),
            paid_coins: Coins::try_new(paid).expect("in range"),
            promo_coins: Coins::ZERO,
            state: RechargeState::Paid,
            payment_id: None,
            refunded_minor,
            version: 1,
            asked_at: DateTime::from_timestamp(at_s, 0).expect("a time"),
        }
    }

    fn coins(n: i64) -> Coins {
        Coins::try_new(n).expect("in range")
    }

    #[test]
    fn the_newest_recharge_gives_first_and_parts_are_whole_coins_and_fen() {
        let (old, new) = (recharge(1, 600, 6_000, 0), recharge(2, 100, 1_000, 40));
        let asked = BTreeMap::from([(new.recharge_id, 10)]);
        let (planned, left) = plan_returns(vec![old.clone(), new.clone()], &asked, coins(1_005));
        let of = |planned: &Planned| (planned.recharge_id, planned.amount_minor, planned.coins.get());
        assert_eq!(
            planned.iter().map(of).collect::<Vec<_>>(),
            [(new.recharge_id, 50, 500), (old.recharge_id, 50, 500)]
        );
        assert_eq!(left.get(), 5, "half a fen's worth stays");
        let (none, all) = plan_returns(vec![], &BTreeMap::new(), coins(7));
        assert_eq!((none.len(), all.get()), (0, 7));
    }

    proptest! {
        #[test]
        fn no_recharge_gives_more_than_it_has_and_no_coin_is_made_or_lost(
            of in prop::collection::vec((0_i64..9, 1_i64..10_000, 1_i64..10_000, 0_i64..10_000), 0..6), wanted in 1_i64..100_000,
        ) {
            let recharges: Vec<Recharge> =
                of.into_iter().map(|(at, amount, paid, back)| recharge(at, amount, paid, back.min(amount))).collect();
            let (planned, left) = plan_returns(recharges.clone(), &BTreeMap::new(), coins(wanted));
            let given: i64 = planned.iter().map(|one| one.coins.get()).sum();
            prop_assert_eq!(given + left.get(), wanted);
            for one in planned {
                let of = recharges.iter().find(|r| r.recharge_id == one.recharge_id).expect("one of them");
                prop_assert!(one.amount_minor <= of.amount_minor - of.refunded_minor);
                let worth = i128::from(of.paid_coins.get()) * i128::from(one.amount_minor);
                prop_assert_eq!(worth, i128::from(one.coins.get()) * i128::from(of.amount_minor));
            }
        }
    }
}
