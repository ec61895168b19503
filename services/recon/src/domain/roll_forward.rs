//! Every account's day: what it opened with, what moved, what it closed with, and where its chain of entries breaks.

use contracts::entry::Entry;
use contracts::log::Seq;
use ids::{OrderId, ViewerId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Accounts of one partition that one day may move; more are another problem.
pub const ACCOUNTS_MAX: usize = 2_000_000;

/// What an account has, in coins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balances {
    pub paid_coins: i64,
    pub promo_coins: i64,
    pub held_paid_coins: i64,
    pub held_promo_coins: i64,
}

impl Balances {
    fn after(entry: &Entry) -> Balances {
        Balances {
            paid_coins: entry.after.paid_coins.get(),
            promo_coins: entry.after.promo_coins.get(),
            held_paid_coins: entry.held_after.paid_coins.get(),
            held_promo_coins: entry.held_after.promo_coins.get(),
        }
    }

    fn moved(entry: &Entry) -> Balances {
        Balances {
            paid_coins: entry.available.paid_coins,
            promo_coins: entry.available.promo_coins,
            held_paid_coins: entry.held.paid_coins,
            held_promo_coins: entry.held.promo_coins,
        }
    }

    fn each(self, other: Balances, of: impl Fn(i64, i64) -> i64) -> Balances {
        Balances {
            paid_coins: of(self.paid_coins, other.paid_coins),
            promo_coins: of(self.promo_coins, other.promo_coins),
            held_paid_coins: of(self.held_paid_coins, other.held_paid_coins),
            held_promo_coins: of(self.held_promo_coins, other.held_promo_coins),
        }
    }

    /// Coins by which two differ, added up. Balances are bounded far below where this could saturate.
    pub fn distance(self, other: Balances) -> i64 {
        let by = self.each(other, |a, b| a.saturating_sub(b).saturating_abs());
        [by.paid_coins, by.promo_coins, by.held_paid_coins, by.held_promo_coins]
            .into_iter()
            .fold(0, i64::saturating_add)
    }

    fn total(self) -> i128 {
        [self.paid_coins, self.promo_coins, self.held_paid_coins, self.held_promo_coins]
            .into_iter()
            .map(i128::from)
            .sum()
    }
}

/// One account's day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountDay {
    pub opening: Balances,
    pub moved: Balances,
    pub closing: Balances,
    /// The account's entry before the day, 0 where it had none.
    pub before_seq: Seq,
    pub first_seq: Seq,
    pub last_seq: Seq,
}

/// An entry that does not follow from the one before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChainFault {
    pub account_id: ViewerId,
    pub seq: Seq,
    /// The order, where the entry spends.
    pub order_id: Option<OrderId>,
    /// What the entry before it and its own change give.
    pub expected: Balances,
    pub found: Balances,
    pub expected_previous_seq: Seq,
    pub found_previous_seq: Seq,
}

/// The day of every account of a partition that moved.
#[derive(Debug, Default)]
pub struct RollForward {
    pub accounts: BTreeMap<ViewerId, AccountDay>,
    pub faults: Vec<ChainFault>,
    pub entries: i64,
}

/// Openings, changes and closings of all accounts, in coins of all funds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RollTotals {
    pub opening: i128,
    pub moved: i128,
    pub closing: i128,
}

impl RollForward {
    /// Takes in the next entry of the partition's day.
    pub fn add(&mut self, entry: &Entry) {
        let (found, moved, seq) = (Balances::after(entry), Balances::moved(entry), entry.stamp.seq);
        self.entries += 1;
        let Some(day) = self.accounts.get_mut(&entry.account_id) else {
            let opening = found.each(moved, i64::saturating_sub);
            let day = AccountDay {
                opening,
                moved,
                closing: found,
                before_seq: entry.previous_seq,
                first_seq: seq,
                last_seq: seq,
            };
            self.accounts.insert(entry.account_id, day);
            return;
        };
        let expected = day.closing.each(moved, i64::saturating_add);
        if expected != found || entry.previous_seq != day.last_seq {
            self.faults.push(ChainFault {
                account_id: entry.account_id,
                seq,
                order_id: entry.kind.is_spend().then(|| OrderId::from_uuid(entry.request_id.uuid())),
                expected,
                found,
                expected_previous_seq: day.last_seq,
                found_previous_seq: entry.previous_seq,
            });
        }
        day.moved = day.moved.each(moved, i64::saturating_add);
        (day.closing, day.last_seq) = (found, seq);
    }

    /// The sums that must hold: opening and changes give the closing.
    pub fn totals(&self) -> RollTotals {
        self.accounts.values().fold(RollTotals::default(), |sum, day| RollTotals {
            opening: sum.opening + day.opening.total(),
            moved: sum.moved + day.moved.total(),
            closing: sum.closing + day.closing.total(),
        })
    }
}
