//! Invariant under test: whatever rows come, in whatever batches, the books equal a plain map's.

use crate::database::{Bench, balances};
use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use contracts::entry::{Entry, EntryKind, Funds, FundsDelta, Outcome};
use contracts::item::{Item, ItemKind};
use contracts::log::{Stamp, minute_of};
use contracts::payment::{Payment, PaymentKind};
use ids::{OrderId, Partition, PaymentId, RequestId, StreamerId, ViewerId};
use money::{Coins, Micros};
use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestRunner};
use std::collections::BTreeMap;

pub const FACE: i64 = 100_000;

pub fn day_one() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 3, 1).expect("a day")
}

pub fn stamp(partition: u8, day: u64) -> Stamp {
    let day = day_one().checked_add_days(Days::new(day)).expect("a day");
    let now: DateTime<Utc> = day.and_hms_opt(4, 0, 0).expect("a time").and_utc();
    let partition = Partition::try_new(i64::from(partition)).expect("a partition");
    Stamp { partition, seq: 0, epoch: 0, decided_at: now, minute: minute_of(now), day, origin_seq: 0 }
}

pub fn coins(coins: i64) -> Coins {
    Coins::try_new(coins).expect("in range")
}

pub fn entry(stamp: Stamp, kind: EntryKind, paid: i64, promo: i64) -> Entry {
    Entry {
        stamp,
        request_id: RequestId::now(),
        account_id: ViewerId::now(),
        previous_seq: 0,
        kind,
        outcome: Outcome::Accepted,
        available: FundsDelta { paid_coins: paid, promo_coins: promo },
        held: FundsDelta::default(),
        after: Funds::default(),
        held_after: Funds::default(),
        shortfall_coins: Coins::ZERO,
        origin_id: None,
        expires_at_ms: None,
        send: None,
        body_hash: 0,
    }
}

pub fn payment(stamp: Stamp, kind: PaymentKind, amount_minor: i64) -> Payment {
    Payment {
        paid_at: stamp.decided_at,
        stamp,
        payment_id: PaymentId::now(),
        kind,
        account_id: ViewerId::now(),
        channel: "sandbox".to_owned(),
        channel_payment_id: "1".to_owned(),
        refunds: None,
        amount_minor,
        currency: "CNY".to_owned(),
        paid_coins: coins(amount_minor * 10),
        promo_coins: Coins::ZERO,
    }
}

/// An item whose paid part is split 40/10/44/6 and whose promotional part is the platform's.
pub fn item(stamp: Stamp, kind: ItemKind, paid: i64, promo: i64) -> Item {
    let sign = if kind == ItemKind::Settled { 1 } else { -1 };
    let micros = |value: i64| Micros::new(sign * value);
    let gross = paid * FACE;
    let (streamer, agency, tax) = (gross * 40 / 100, gross / 10, gross * 6 / 100);
    Item {
        stamp,
        order_id: OrderId::now(),
        kind,
        streamer_id: StreamerId::now(),
        agency_id: None,
        contract_version: 1,
        paid_coins: coins(paid),
        promo_coins: coins(promo),
        gross_paid: micros(gross),
        gross_promo: micros(promo * FACE),
        streamer: micros(streamer),
        agency: micros(agency),
        platform: micros(gross - streamer - agency - tax + promo * FACE),
        tax: micros(tax),
    }
}

/// One act of the world, and the rows it leaves behind in the logs.
#[derive(Clone, Debug)]
enum Act {
    Recharge {
        minor: i64,
        promo: i64,
    },
    ChannelRefund {
        minor: i64,
        shortfall_minor: i64,
    },
    Grant {
        coins: i64,
    },
    Expire {
        coins: i64,
    },
    /// A gift that is delivered, and maybe refunded later.
    Gift {
        paid: i64,
        promo: i64,
        reversed: bool,
    },
    Undelivered {
        paid: i64,
        promo: i64,
    },
    Hold {
        coins: i64,
    },
    Refusal,
}

fn act() -> impl Strategy<Value = Act> {
    let amount = || 0_i64..1_000_000;
    prop_oneof![
        (amount(), amount()).prop_map(|(minor, promo)| Act::Recharge { minor, promo }),
        (amount(), amount())
            .prop_map(|(a, b)| Act::ChannelRefund { minor: a.max(b), shortfall_minor: a.min(b) }),
        amount().prop_map(|coins| Act::Grant { coins }),
        amount().prop_map(|coins| Act::Expire { coins }),
        (amount(), amount(), any::<bool>()).prop_map(|(paid, promo, reversed)| Act::Gift {
            paid,
            promo,
            reversed
        }),
        (amount(), amount()).prop_map(|(paid, promo)| Act::Undelivered { paid, promo }),
        amount().prop_map(|coins| Act::Hold { coins }),
        Just(Act::Refusal),
    ]
}

/// The plain map: debit less credit by account.
#[derive(Default)]
struct Ledger(BTreeMap<&'static str, i64>);

impl Ledger {
    fn post(&mut self, debit: &'static str, credit: &'static str, micros: i64) {
        *self.0.entry(debit).or_default() += micros;
        *self.0.entry(credit).or_default() -= micros;
    }

    fn nets(self) -> BTreeMap<String, i64> {
        self.0.into_iter().filter(|(_, net)| *net != 0).map(|(code, net)| (code.to_owned(), net)).collect()
    }
}

/// Plays an act into the logs and into the map; returns how many rows it left.
fn play(bench: &Bench, ledger: &mut Ledger, at: &Stamp, act: &Act) -> i64 {
    let entry = |kind, paid, promo| bench.entries.push(entry(at.clone(), kind, paid, promo));
    match *act {
        Act::Recharge { minor, promo } => {
            bench.payments.push(payment(at.clone(), PaymentKind::Recharge, minor));
            entry(EntryKind::Recharge, minor * 10, promo);
            ledger.post("1122", "2205.01", minor * 1_000_000);
            ledger.post("6601", "2205.02", promo * FACE);
            2
        }
        Act::ChannelRefund { minor, shortfall_minor } => {
            bench.payments.push(payment(at.clone(), PaymentKind::ChannelRefund, minor));
            let taken = (minor - shortfall_minor) * 10;
            let mut row = self::entry(at.clone(), EntryKind::Withdraw, -taken, 0);
            row.shortfall_coins = coins(shortfall_minor * 10);
            bench.entries.push(row);
            ledger.post("2205.01", "1122", taken * FACE);
            ledger.post("1221", "1122", shortfall_minor * 1_000_000);
            2
        }
        Act::Grant { coins } => {
            entry(EntryKind::Bonus, 0, coins);
            ledger.post("6601", "2205.02", coins * FACE);
            1
        }
        Act::Expire { coins } => {
            entry(EntryKind::Expire, 0, -coins);
            ledger.post("2205.02", "6601", coins * FACE);
            1
        }
        Act::Gift { paid, promo, reversed } => {
            entry(EntryKind::Debit, -paid, -promo);
            let settled = item(at.clone(), ItemKind::Settled, paid, promo);
            if reversed {
                entry(EntryKind::Refund, paid, promo);
                bench.items.push(settled);
                bench.items.push(item(at.clone(), ItemKind::Reversed, paid, promo));
                return 4;
            }
            ledger.post("2205.01", "6001", settled.gross_paid.get() - settled.tax.get());
            ledger.post("2205.01", "2221.01", settled.tax.get());
            ledger.post("2205.02", "6601", promo * FACE);
            ledger.post("6401.01", "2241.01", settled.streamer.get());
            ledger.post("6401.01", "2241.02", settled.agency.get());
            bench.items.push(settled);
            2
        }
        Act::Undelivered { paid, promo } => {
            entry(EntryKind::Debit, -paid, -promo);
            entry(EntryKind::Refund, paid, promo);
            2
        }
        Act::Hold { coins } => {
            let mut row = self::entry(at.clone(), EntryKind::HoldPlace, -coins, 0);
            row.held.paid_coins = coins;
            bench.entries.push(row);
            1
        }
        Act::Refusal => {
            let mut row = self::entry(at.clone(), EntryKind::Debit, 0, 0);
            row.outcome = Outcome::NotEnoughCoins;
            bench.entries.push(row);
            1
        }
    }
}

#[test]
fn the_books_equal_a_plain_maps_however_rows_are_batched() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let cases = if std::env::var_os("LARGESSE_TEST_LONG").is_some() { 300 } else { 6 };
    let mut runner = TestRunner::new(Cases { failure_persistence: None, ..Cases::with_cases(cases) });
    let history = proptest::collection::vec((0_u8..6, 0_u64..3, act()), 1..120);
    let batches = (1_usize..40, 1_usize..50);
    runner
        .run(&(history, batches), |(history, (batch_rows_max, step))| {
            runtime.block_on(play_history(&history, batch_rows_max, step));
            Ok(())
        })
        .expect("every history ends in the map's books");
}

async fn play_history(history: &[(u8, u64, Act)], batch_rows_max: usize, step: usize) {
    let bench = Bench::open().await;
    let mut config = bench.config();
    config.batch_rows_max = batch_rows_max;
    let running = bench.start_with("a", config).await;
    let (mut ledger, mut rows) = (Ledger::default(), 0);
    for acts in history.chunks(step) {
        for (partition, day, act) in acts {
            rows += play(&bench, &mut ledger, &stamp(*partition, *day), act);
        }
        bench.announce().await;
        tokio::task::yield_now().await;
    }
    bench.until_applied(rows).await;
    let nets = balances(&running).await;
    assert_eq!(nets, ledger.nets());
    for clearing in ["2206", "2207", "2242"] {
        assert!(!nets.contains_key(clearing), "{clearing} is zero once everything has caught up");
    }
    running.shutdown().await;
}

#[tokio::test]
async fn reversals_are_never_netted_with_what_they_reverse() {
    let bench = Bench::open().await;
    let running = bench.start("a").await;
    let mut ledger = Ledger::default();
    let gift = Act::Gift { paid: 500, promo: 20, reversed: true };
    let rows = play(&bench, &mut ledger, &stamp(1, 0), &gift);
    bench.until_applied(rows).await;
    let rules = "SELECT count(DISTINCT rule) FROM {s}.vouchers WHERE rule IN
        ('wallet.spend', 'wallet.refund', 'settlement.settle', 'settlement.reverse') AND coins = 520";
    assert_eq!(bench.count(rules).await, 4);
    assert!(balances(&running).await.is_empty());
    running.shutdown().await;
}

#[tokio::test]
async fn the_log_closes_no_further_than_its_slowest_source() {
    let bench = Bench::open().await;
    let running = bench.start("a").await;
    let early = stamp(0, 0).decided_at;
    let late = early + TimeDelta::minutes(5);
    bench.payments.close(late);
    bench.entries.close(late);
    bench.payouts.close(late);
    bench.items.close(early);
    bench.until("the early time is reached", || async { bench.closed_until_min().await == early }).await;
    bench.items.close(late);
    bench.until("the late time is reached", || async { bench.closed_until_min().await == late }).await;
    running.shutdown().await;
}
