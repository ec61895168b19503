//! Invariant under test: every row that moves money is in one voucher, with its coins.

use crate::database::{Bench, debit, item, noon, order, stamp};
use chrono::{DateTime, Utc};
use contracts::item::ItemKind;
use contracts::log::{LogName, Seq, Stamp};
use contracts::order::OrderKind;
use contracts::voucher::Voucher;
use ids::OrderId;
use recon::BreakKind;

fn voucher(rule: &str, (from_seq, to_seq): (Seq, Seq), row_count: i64, coins: i64) -> Voucher {
    let at: DateTime<Utc> = noon();
    let stamp: Stamp = stamp(1, at);
    let source = if rule.starts_with("wallet") { LogName::Entries } else { LogName::Items };
    Voucher {
        posted_day: stamp.day,
        stamp,
        rule: rule.to_owned(),
        source,
        from_seq,
        to_seq,
        row_count,
        coins,
        postings: Vec::new(),
    }
}

/// Six gifts of 10 coins in partition 1: six entries, six items.
fn six_gifts(bench: &Bench) {
    let at = stamp(1, noon());
    for _ in 0..6 {
        let order_id = OrderId::now();
        bench.entries.push(debit(&at, order_id, 10));
        bench.orders.push(order(&at, order_id, OrderKind::Delivered, 10));
        bench.items.push(item(&at, order_id, ItemKind::Settled, 10));
    }
}

async fn breaks_of(bench: &Bench) -> Vec<(BreakKind, String, i64)> {
    let running = bench.start().await;
    bench.until_applied().await;
    bench.close_and_compare(&running, noon()).await;
    let compared = || async {
        bench.count("SELECT count(*) FROM {s}.voucher_progress WHERE covered_seq = 6").await == 2
    };
    bench.until("both sources are compared to their ends", compared).await;
    let breaks = bench.breaks(&running).await;
    running.shutdown().await;
    let mut named: Vec<_> = breaks.into_iter().map(|found| (found.kind, found.logs, found.coins)).collect();
    named.sort();
    named
}

#[tokio::test]
async fn vouchers_that_cover_their_rows_are_no_break() {
    let bench = Bench::open().await;
    six_gifts(&bench);
    bench.vouchers.push(voucher("wallet.spend", (1, 4), 4, 40));
    bench.vouchers.push(voucher("settlement.settle", (1, 6), 6, 60));
    bench.vouchers.push(voucher("wallet.spend", (5, 6), 2, 20));
    assert_eq!(breaks_of(&bench).await, []);
}

#[tokio::test]
async fn a_voucher_with_other_coins_or_another_rule_is_a_break() {
    let bench = Bench::open().await;
    six_gifts(&bench);
    bench.vouchers.push(voucher("wallet.spend", (1, 6), 6, 59));
    bench.vouchers.push(voucher("settlement.reverse", (1, 6), 6, 60));
    let expected = [
        (BreakKind::MissingVoucher, "settlement.items".to_owned(), 60),
        (BreakKind::ExtraVoucher, "settlement.items".to_owned(), 60),
        (BreakKind::VoucherMismatch, "wallet.entries".to_owned(), 1),
    ];
    assert_eq!(breaks_of(&bench).await, expected);
}

#[tokio::test]
async fn rows_between_two_vouchers_and_after_the_last_are_missed() {
    let bench = Bench::open().await;
    six_gifts(&bench);
    bench.vouchers.push(voucher("wallet.spend", (1, 2), 2, 20));
    bench.vouchers.push(voucher("wallet.spend", (4, 6), 3, 30));
    bench.vouchers.push(voucher("settlement.settle", (1, 4), 4, 40));
    let expected = [
        (BreakKind::MissingVoucher, "settlement.items".to_owned(), 20),
        (BreakKind::MissingVoucher, "wallet.entries".to_owned(), 10),
    ];
    assert_eq!(breaks_of(&bench).await, expected);
}

#[tokio::test]
async fn rows_posted_twice_are_a_break() {
    let bench = Bench::open().await;
    six_gifts(&bench);
    bench.vouchers.push(voucher("wallet.spend", (1, 6), 6, 60));
    bench.vouchers.push(voucher("wallet.spend", (5, 6), 2, 20));
    bench.vouchers.push(voucher("settlement.settle", (1, 6), 6, 60));
    let expected = [(BreakKind::VoucherOverlap, "wallet.entries".to_owned(), 20)];
    assert_eq!(breaks_of(&bench).await, expected);
}
