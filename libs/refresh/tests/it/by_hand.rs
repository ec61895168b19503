//! Invariant under test: what a person pins is what every node runs, until the pin is taken away.

use crate::shop::{BOUND, Market, price, reaches, until, until_told};
use contracts::lane::Lane;
use refresh::{Alone, AskError, Control, ElectionError, Order, PgLease};
use std::sync::Arc;

#[tokio::test]
async fn rolling_back_takes_every_node_to_the_version_before_and_unpinning_takes_it_forward() {
    let market = Market::new(100);
    let producer = market.produce();
    let nodes = [market.consume("a").await, market.consume("b").await];
    for version in 2..=4_u64 {
        let version = market.reprice(&producer, 1, version * 10).await;
        for node in &nodes {
            reaches(node, version).await;
        }
    }
    assert_eq!(producer.roll_back("ann").await.expect("there is one"), 3);
    for node in &nodes {
        until(node, |status| status.version == 3).await;
        assert_eq!(price(node, 1), Some(30));
    }
    assert_eq!(producer.roll_back("ann").await.expect("there is one more"), 2);
    for node in &nodes {
        until(node, |status| status.version == 2).await;
        assert_eq!(price(node, 1), Some(20));
    }
    // The source goes on, and nobody follows.
    let reads = market.source.reads();
    let version = market.reprice(&producer, 1, 50).await;
    until_told(&producer, |status| status.pinned == Some(2)).await;
    assert_eq!((nodes[0].view().version, market.source.reads()), (2, reads), "a pinned set is not read");
    producer.ask(Order::Unpin, "ann").await.expect("asked");
    for node in &nodes {
        reaches(node, version).await;
        assert_eq!(price(node, 1), Some(50));
    }
}

#[tokio::test]
async fn a_node_that_starts_while_a_version_is_pinned_starts_with_it() {
    let market = Market::new(10);
    let producer = market.produce();
    let node = market.consume("a").await;
    reaches(&node, 1).await;
    reaches(&node, market.reprice(&producer, 1, 10).await).await;
    producer.ask(Order::Pin(1), "ann").await.expect("asked");
    until(&node, |status| status.version == 1).await;
    let late = market.consume("late").await;
    until(&late, |status| status.version == 1).await;
    assert_eq!(price(&late, 1), Some(1));
}

#[tokio::test]
async fn a_version_that_is_not_kept_any_more_is_not_pinned_and_the_producer_says_so() {
    let market = Market::new(10);
    let producer = market.produce();
    let node = market.consume("a").await;
    reaches(&node, 1).await;
    for change in 0..refresh::HISTORY_MAX + 2 {
        let coins = u64::try_from(change).expect("small");
        reaches(&node, market.reprice(&producer, 1, 1_000 + coins).await).await;
    }
    let before = node.view().version;
    producer.ask(Order::Pin(1), "ann").await.expect("asked");
    let told = until_told(&producer, |status| status.problem.is_some()).await;
    assert!(told.problem.expect("a problem").contains("version 1 is not kept any more"));
    assert_eq!(node.view().version, before);
    let version = market.reprice(&producer, 1, 7).await;
    reaches(&node, version).await;
}

#[tokio::test]
async fn a_person_who_names_a_version_that_is_not_there_is_told_which_are_and_nothing_is_asked() {
    let market = Market::new(10);
    let nobody = Control::new(market.set.clone(), Arc::new(Alone::new(&Lane::Live)), market.cache.clone());
    let before = nobody.ask_checked(Order::Pin(1), "ann").await;
    assert!(matches!(before, Err(AskError::NothingAnnounced)), "{before:?}");
    let producer = market.produce();
    let control = producer.control();
    let node = market.consume("a").await;
    reaches(&node, 1).await;
    reaches(&node, market.reprice(&producer, 1, 10).await).await;
    match control.ask_checked(Order::Pin(7), "ann").await {
        Err(AskError::NotKept { version: 7, kept }) => assert_eq!(kept, [1, 2]),
        other => panic!("{other:?}"),
    }
    let unheld = control.ask_checked(Order::Approve(2), "ann").await;
    assert!(matches!(unheld, Err(AskError::NotHeldBack { version: 2, held_back: None })), "{unheld:?}");
    control.ask_checked(Order::Pin(1), "ann").await.expect("it is kept");
    until(&node, |status| status.version == 1).await;
    let still_kept = control.ask_checked(Order::Pin(7), "ann").await.expect_err("there is none");
    assert!(
        matches!(still_kept, AskError::NotKept { kept, .. } if kept == [1, 2]),
        "what was left can be gone to"
    );
    control.ask_checked(Order::Unpin, "ann").await.expect("asked");
    until(&node, |status| status.version == 2).await;
}

#[tokio::test]
async fn there_is_nothing_before_the_first_version() {
    let market = Market::new(10);
    let producer = market.produce();
    assert!(matches!(producer.roll_back("ann").await, Err(AskError::NothingBefore)));
    until_told(&producer, |status| status.stable.is_some()).await;
    assert!(matches!(producer.roll_back("ann").await, Err(AskError::NothingBefore)));
}

#[tokio::test]
async fn a_pin_outlives_the_producer_that_obeyed_it() {
    let database = testkit::postgres().await.fresh_database().await;
    let db = database.db("shop", &Lane::Live, &[&refresh::MIGRATOR]).await;
    let market = Market::new(10);
    let lease = || Arc::new(PgLease::new(db.clone(), "a"));
    let stranger = market.produce_by(Arc::new(PgLease::new(db.clone(), "b")), "stranger");
    stranger.stop().await; // It may have claimed, and gave back.
    let first = market.produce_by(lease(), "first");
    let node = market.consume("a").await;
    reaches(&node, 1).await;
    reaches(&node, market.reprice(&first, 1, 10).await).await;
    first.ask(Order::Pin(1), "ann").await.expect("asked");
    until(&node, |status| status.version == 1).await;
    first.stop().await;
    let second = market.produce_by(lease(), "second");
    let told = until_told(&second, |status| status.pinned == Some(1)).await;
    assert_eq!(told.stable.map(|stable| stable.version), Some(1));
    market.source.change(|stock| stock.prices.clear());
    second.changed().await;
    assert_eq!(node.view().version, 1);
    second.ask(Order::Unpin, "ann").await.expect("asked");
    reaches(&node, 3).await;
}

#[tokio::test]
async fn nothing_is_asked_of_a_set_that_nobody_publishes() {
    let database = testkit::postgres().await.fresh_database().await;
    let db = database.db("shop", &Lane::Live, &[&refresh::MIGRATOR]).await;
    let lease = PgLease::new(db, "a");
    let market = Market::new(1);
    let asked = refresh::Election::ask(&lease, &market.set, Order::Pin(1), "ann").await;
    assert!(matches!(asked, Err(ElectionError::NoProducer)));
    tokio::time::timeout(BOUND, market.alone().release(&market.set))
        .await
        .expect("in time")
        .expect("released");
}
