//! Invariant under test: a node serves whole versions only, gets the next one as a delta where it can, and knows how
//! old what it serves is.

use crate::shop::{BOUND, Market, price, reaches, until};
use refresh::{Origin, Snapshot, Verdict, Versioned, WaitError};
use std::time::Duration;

#[tokio::test]
async fn a_change_arrives_as_a_delta_and_shares_the_rows_that_did_not_change() {
    let market = Market::new(1_000);
    let producer = market.produce();
    let node = market.consume("a").await;
    reaches(&node, 1).await;
    assert_eq!(node.status().origin, Some(Origin::Snapshot));
    let before = node.view();
    let version = market.reprice(&producer, 7, 70).await;
    reaches(&node, version).await;
    assert_eq!(node.status().origin, Some(Origin::Delta));
    let after = node.view();
    assert_eq!((before.value.prices.get(&7).expect("a price").coins, price(&node, 7)), (7, Some(70)));
    assert_eq!(after.value.sum_coins, before.value.sum_coins + 63, "what is derived moves along");
    let shared = (0..1_000).filter(|gift| {
        let rows = (before.value.prices.get(gift), after.value.prices.get(gift));
        matches!(rows, (Some(old), Some(new)) if std::sync::Arc::ptr_eq(old, new))
    });
    assert_eq!(shared.count(), 999);
}

#[tokio::test]
async fn rows_come_and_go_and_no_reader_sees_two_tables_of_two_moments() {
    let market = Market::new(1);
    let producer = market.produce();
    let node = market.consume("a").await;
    reaches(&node, 1).await;
    let snapshot = node.snapshot();
    let watching = tokio::spawn(async move {
        let mut seen = 0;
        let mut last = 0;
        while last < 60 {
            let view = snapshot.get();
            // Each version has one room more than the last, which sells the price of that version.
            assert_eq!(view.value.rooms.len() + 1, usize::try_from(view.version).expect("small"));
            assert!(view.value.rooms.iter().all(|(_, gift)| view.value.prices.contains_key(gift)));
            seen += usize::from(view.version != last);
            last = view.version;
            tokio::task::yield_now().await;
        }
        seen
    });
    for version in 2..=60 {
        let gift = u32::try_from(version).expect("small");
        market.source.change(|stock| {
            stock.prices.insert(gift, 1);
            stock.rooms.insert(format!("room {version}"), gift);
            stock.rooms.values_mut().for_each(|sold| *sold = gift);
            stock.prices.retain(|known, _| *known == gift);
        });
        producer.changed().await;
        reaches(&node, version).await;
    }
    let seen = tokio::time::timeout(BOUND, watching).await.expect("in time").expect("every view was whole");
    assert!(seen > 1);
}

#[tokio::test]
async fn a_node_that_slept_through_more_deltas_than_are_kept_takes_the_snapshot() {
    let market = Market::new(100);
    let producer = market.produce();
    let awake = market.consume("awake").await;
    reaches(&awake, 1).await;
    let folder = tempfile::tempdir().expect("a folder");
    let asleep = market.consume_with("asleep", Some(folder.path().to_owned()), Default::default()).await;
    reaches(&asleep, 1).await;
    asleep.stop().await;
    for change in 0..40_u64 {
        let version = market.reprice(&producer, 3, 1_000 + change).await;
        reaches(&awake, version).await;
    }
    let asleep = market.consume_with("asleep", Some(folder.path().to_owned()), Default::default()).await;
    reaches(&asleep, 41).await;
    assert_eq!((asleep.status().origin, price(&asleep, 3)), (Some(Origin::Snapshot), Some(1_039)));
}

#[tokio::test]
async fn a_source_that_fails_takes_nothing_away_and_lets_the_age_grow() {
    let market = Market::new(10);
    let producer = market.produce();
    let node = market.consume("a").await;
    reaches(&node, 1).await;
    market.source.break_it(true);
    market.source.change(|stock| {
        stock.prices.insert(1, 99);
    });
    producer.changed().await;
    let mut told = producer.subscribe();
    let says = told.wait_for(|status| status.problem.as_ref().is_some_and(|why| why.contains("fell over")));
    tokio::time::timeout(BOUND, says).await.expect("it says so").expect("it runs");
    let old = tokio::time::timeout(BOUND, async {
        while node.status().age().is_none_or(|age| age < Duration::from_millis(400)) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    old.await.expect("the age grows");
    assert_eq!((price(&node, 1), node.status().verdict), (Some(1), Verdict::Acknowledged));
    market.source.break_it(false);
    reaches(&node, 2).await;
    until(&node, |status| status.age().is_some_and(|age| age < Duration::from_millis(400))).await;
    assert_eq!(price(&node, 1), Some(99));
}

#[tokio::test]
async fn a_version_that_does_not_come_is_an_error_that_says_why() {
    let market = Market::new(1);
    let node = market.consume("a").await;
    let error = node.wait_for(1, Duration::from_millis(50)).await.expect_err("nobody publishes");
    assert_eq!(error, WaitError::NotYet { wanted: 1, known: 0, verdict: Verdict::Unannounced });
}

#[test]
fn an_older_version_is_never_taken_from_an_offer() {
    let snapshot = Snapshot::new(Versioned { version: 0, value: "none" });
    let mut reader = snapshot.reader();
    assert!(snapshot.offer(Versioned { version: 2, value: "two" }));
    assert!(!snapshot.offer(Versioned { version: 1, value: "one" }));
    assert!(!snapshot.offer(Versioned { version: 2, value: "another two" }));
    assert_eq!((snapshot.get().value, reader.get().value, snapshot.version()), ("two", "two", 2));
}
