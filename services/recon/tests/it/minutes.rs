//! Invariant under test: a fact that one log states and its neighbour does not is found, named, and named once.

use crate::database::{Bench, debit, item, noon, order, refund, stamp};
use chrono::TimeDelta;
use contracts::item::ItemKind;
use contracts::order::OrderKind;
use ids::OrderId;
use recon::BreakKind;

/// A gift that every log agrees on.
fn gift(bench: &Bench, partition: u8, paid: i64) -> OrderId {
    let (order_id, at) = (OrderId::now(), stamp(partition, noon()));
    bench.entries.push(debit(&at, order_id, paid));
    bench.orders.push(order(&at, order_id, OrderKind::Delivered, paid));
    bench.items.push(item(&at, order_id, ItemKind::Settled, paid));
    order_id
}

#[tokio::test]
async fn minutes_that_agree_cost_no_reading_of_rows() {
    let bench = Bench::open().await;
    let running = bench.start().await;
    // In several batches of one minute, so that digests are added to.
    for number in 0..60 {
        gift(&bench, number % 7, 10 + i64::from(number));
        if number % 20 == 19 {
            bench.until_applied().await;
        }
    }
    let (undelivered, at) = (OrderId::now(), stamp(3, noon()));
    bench.entries.push(debit(&at, undelivered, 5));
    bench.orders.push(order(&at, undelivered, OrderKind::Refunding, 5));
    bench.entries.push(refund(&at, undelivered, 5));
    bench.orders.push(order(&at, undelivered, OrderKind::ReturnedUndelivered, 5));
    bench.until_applied().await;
    let pulls = [bench.entries.pulls(), bench.orders.pulls(), bench.items.pulls()];
    bench.close_and_compare(&running, noon()).await;
    assert_eq!(bench.count("SELECT count(*) FROM {s}.minutes WHERE outcome = 1").await, 14);
    assert_eq!(bench.count("SELECT count(*) FROM {s}.minutes WHERE outcome = 2").await, 0);
    let facts = "SELECT sum(row_count)::bigint FROM {s}.digests WHERE pair = 1 AND side = 1";
    assert_eq!(bench.count(facts).await, 62, "every fact of every batch is in its minute's digest");
    assert_eq!([bench.entries.pulls(), bench.orders.pulls(), bench.items.pulls()], pulls);
    assert_eq!(running.count_breaks().await.expect("reads"), voucher_breaks(&bench).await);
    running.shutdown().await;
}

/// These tests make no vouchers, which is itself a difference and is counted apart.
async fn voucher_breaks(bench: &Bench) -> i64 {
    bench.count("SELECT count(*) FROM {s}.breaks WHERE kind = 'missing_voucher'").await
}

/// The breaks between logs as (kind, order, coins), sorted.
async fn named(bench: &Bench, running: &recon::Running) -> Vec<(BreakKind, Option<OrderId>, i64)> {
    let breaks = bench.breaks(running).await.into_iter();
    let mut named: Vec<_> = breaks
        .filter(|found| found.kind != BreakKind::MissingVoucher)
        .map(|found| (found.kind, found.order_id, found.coins))
        .collect();
    named.sort_unstable();
    named
}

#[tokio::test]
async fn planted_differences_are_found_and_named() {
    let bench = Bench::open().await;
    for _ in 0..20 {
        gift(&bench, 1, 10);
    }
    let at = stamp(1, noon());
    let lost = OrderId::now();
    bench.entries.push(debit(&at, lost, 7));
    let changed = OrderId::now();
    bench.entries.push(debit(&at, changed, 100));
    bench.orders.push(order(&at, changed, OrderKind::Delivered, 90));
    bench.items.push(item(&at, changed, ItemKind::Settled, 90));
    let doubled = gift(&bench, 1, 30);
    bench.items.push(item(&at, doubled, ItemKind::Settled, 30));
    let unreversed = gift(&bench, 2, 40);
    let at = stamp(2, noon());
    bench.entries.push(refund(&at, unreversed, 40));
    bench.orders.push(order(&at, unreversed, OrderKind::RefundedDelivered, 40));
    let running = bench.start().await;
    bench.until_applied().await;
    bench.close_and_compare(&running, noon()).await;
    let expected = [
        (BreakKind::MissingOrder, Some(lost), 7),
        (BreakKind::DuplicateItem, Some(doubled), 30),
        (BreakKind::MissingReversal, Some(unreversed), 40),
        (BreakKind::AmountMismatch, Some(changed), 10),
    ];
    assert_eq!(named(&bench, &running).await, expected);
    assert_eq!(bench.count("SELECT count(*) FROM {s}.minutes WHERE outcome = 2").await, 3);
    running.shutdown().await;
}

#[tokio::test]
async fn what_was_found_once_is_not_found_again_after_a_restart() {
    let bench = Bench::open().await;
    bench.entries.push(debit(&stamp(1, noon()), OrderId::now(), 7));
    let running = bench.start().await;
    bench.until_applied().await;
    bench.close_and_compare(&running, noon()).await;
    running.shutdown().await;
    let before = bench.count("SELECT count(*) FROM {s}.breaks").await;
    // As after a crash between finding and remembering: the minute is compared again.
    let forget = bench.db.sql("UPDATE {s}.progress SET before_minute = 0");
    sqlx::query(forget).execute(bench.db.pool()).await.expect("forgets");
    let forget = bench.db.sql("DELETE FROM {s}.minutes");
    sqlx::query(forget).execute(bench.db.pool()).await.expect("forgets");
    let running = bench.start().await;
    bench.close_and_compare(&running, noon() + TimeDelta::minutes(3)).await;
    assert_eq!(bench.count("SELECT count(*) FROM {s}.minutes WHERE outcome = 2").await, 1);
    assert_eq!(bench.count("SELECT count(*) FROM {s}.breaks").await, before);
    running.shutdown().await;
}

#[tokio::test]
async fn an_open_minute_is_not_judged() {
    let bench = Bench::open().await;
    bench.entries.push(debit(&stamp(1, noon()), OrderId::now(), 7));
    let running = bench.start().await;
    bench.until_applied().await;
    bench.entries.close(noon() + TimeDelta::minutes(5));
    bench.orders.close(noon() - TimeDelta::minutes(1));
    bench.items.close(noon() + TimeDelta::minutes(5));
    let orders_closed = || async {
        bench.count("SELECT count(*) FROM {s}.progress WHERE pair = 1 AND before_minute > 0").await == 64
    };
    bench.until("what is closed is compared", orders_closed).await;
    assert_eq!(bench.count("SELECT count(*) FROM {s}.minutes").await, 0);
    assert_eq!(running.count_breaks().await.expect("reads"), 0);
    running.shutdown().await;
}

#[tokio::test]
async fn of_two_nodes_one_works_and_the_other_goes_on_when_it_is_gone() {
    let bench = Bench::open().await;
    let first = bench.start_as("a").await;
    let second = bench.start_as("b").await;
    assert_eq!((first.status().len(), second.status().len()), (4, 0), "the second stands by");
    bench.entries.push(debit(&stamp(1, noon()), OrderId::now(), 7));
    bench.until_applied().await;
    first.shutdown().await;
    bench.entries.push(debit(&stamp(2, noon()), OrderId::now(), 7));
    bench.until_applied().await;
    assert_eq!(second.status().len(), 4, "the second works");
    bench.close_and_compare(&second, noon()).await;
    assert_eq!(named(&bench, &second).await.len(), 2, "one of each, found once");
    second.shutdown().await;
}
