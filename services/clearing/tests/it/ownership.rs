//! Invariant under test: however many instances there are, each row is posted once.

use crate::database::{Bench, balances};
use crate::ledger::{entry, item, payment, stamp};
use contracts::entry::EntryKind;
use contracts::item::ItemKind;
use contracts::payment::PaymentKind;

fn push_recharges(bench: &Bench, count: u8) {
    for number in 0..count {
        bench.payments.push(payment(stamp(number % 64, 0), PaymentKind::Recharge, 1));
    }
}

#[tokio::test]
async fn one_connection_is_enough_for_three_readers_and_one_writer() {
    let bench = Bench::open_with_one_connection().await;
    let running = bench.start("a").await;
    for round in 0..10_u8 {
        push_recharges(&bench, 64);
        for partition in 0..64 {
            let spent = entry(stamp(partition, 0), EntryKind::Debit, -1, -1);
            bench.entries.push(spent);
            bench.items.push(item(stamp(partition, 0), ItemKind::Settled, 1, 1));
        }
        bench.until_applied(i64::from(round + 1) * 192).await;
    }
    assert_eq!(balances(&running).await.get("2206"), None);
    running.shutdown().await;
}

const OF_B: &str = "SELECT count(*) FROM {s}.log_heads WHERE owner = 'b'";

#[tokio::test]
async fn two_instances_share_the_partitions_and_the_second_takes_all_when_the_first_stops() {
    let bench = Bench::open().await;
    let config = clearing::Config { lease_ms: 400, ..bench.config() };
    let first = bench.start_with("a", config.clone()).await;
    push_recharges(&bench, 100);
    bench.until_applied(100).await;
    let second = bench.start_with("b", config).await;
    push_recharges(&bench, 100);
    bench.until_applied(200).await;
    bench.until("half is handed over", || async { bench.count(OF_B).await == 32 }).await;
    push_recharges(&bench, 100);
    bench.until_applied(300).await;
    first.shutdown().await;
    push_recharges(&bench, 100);
    bench.until_applied(400).await;
    bench.until("all is handed over", || async { bench.count(OF_B).await == 64 }).await;
    assert_eq!(balances(&second).await.get("1122"), Some(&400_000_000));
    second.shutdown().await;
}

#[tokio::test]
async fn a_deposed_instance_that_wakes_up_posts_nothing_twice() {
    let bench = Bench::open().await;
    let slow = clearing::Config { lease_ms: 3_600_000, ..bench.config() };
    let first = bench.start_with("a", slow).await;
    push_recharges(&bench, 64);
    bench.until_applied(64).await;
    // With such a lease it looks every ten minutes: as good as asleep.
    let expire = bench.db.sql("UPDATE {s}.log_nodes SET leased_until = now() - interval '1 hour'");
    let quick = clearing::Config { lease_ms: 400, ..bench.config() };
    sqlx::query(expire).execute(bench.db.pool()).await.expect("expires");
    let second = bench.start_with("b", quick).await;
    push_recharges(&bench, 200);
    bench.until_applied(264).await;
    assert_eq!(balances(&second).await.get("1122"), Some(&264_000_000));
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test]
async fn a_restart_with_the_same_files_adds_no_policy_and_a_changed_one_does() {
    let bench = Bench::open().await;
    let versions = || bench.count("SELECT count(*) FROM {s}.policies");
    bench.start("a").await.shutdown().await;
    bench.start("a").await.shutdown().await;
    assert_eq!(versions().await, 1);
    let mut config = bench.config();
    config.face_values[0].micros_per_coin = money::Micros::new(90_000);
    bench.start_with("a", config).await.shutdown().await;
    assert_eq!(versions().await, 2);
    assert_eq!(bench.count("SELECT count(*) FROM {s}.accounts WHERE version = 2").await, 21);
}
