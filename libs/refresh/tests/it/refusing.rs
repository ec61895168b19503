//! Invariant under test: a bad version reaches nobody: the producer holds it back, or the node keeps what it has, and
//! both say why.

use crate::shop::{BOUND, Market, Price, price, reaches, until, until_told};
use refresh::{BadRow, CanaryPlan, Order, Rows, Rules, Verdict, roster};
use std::time::Duration;

#[test]
fn a_key_that_comes_twice_is_refused_with_its_name() {
    let mut rows = Rows::new();
    rows.put("prices", &7_u32, &Price { coins: 1 }).expect("the first");
    let twice = rows.put("prices", &7_u32, &Price { coins: 2 });
    assert_eq!(twice, Err(BadRow::DuplicateKey { table: "prices".to_owned(), key: "7".to_owned() }));
}

#[test]
fn rows_and_names_past_their_limits_are_refused() {
    let mut rows = Rows::new();
    let long = "x".repeat(refresh::ROW_BYTES_MAX);
    assert!(matches!(rows.put("prices", &1, &long), Err(BadRow::TooLong { len, .. }) if len > long.len()));
    for name in ["", "Prices", "a table", "a\tb", &"t".repeat(64)] {
        assert!(matches!(rows.table(name), Err(BadRow::TableName(_))), "{name}");
        assert!(matches!(rows.put(name, &1, &1), Err(BadRow::TableName(_))), "{name}");
    }
}

#[tokio::test]
async fn a_table_that_lost_its_rows_is_held_back_until_it_has_them_again() {
    let mut market = Market::new(100);
    market.rules = Rules::none().rows_min("prices", 50);
    let (producer, node) = (market.produce(), market.consume("a").await);
    reaches(&node, 1).await;
    market.source.change(|stock| stock.prices.retain(|gift, _| *gift < 49));
    producer.changed().await;
    let told = until_told(&producer, |status| status.held_back.is_some()).await;
    let held = told.held_back.expect("held back");
    assert_eq!(
        (held.version, held.reason.as_str()),
        (2, "the table prices has 49 rows, and 50 are the least")
    );
    assert_eq!(node.view().version, 1);
    node.look_now().await;
    let as_of = node.status().as_of_ms;
    tokio::time::sleep(Duration::from_millis(150)).await; // Some looks of the producer.
    node.look_now().await;
    assert_eq!(node.status().as_of_ms, as_of, "a version that is held back leaves the one before it old");
    let version = market.reprice(&producer, 99, 1).await;
    reaches(&node, version).await;
    assert_eq!(
        until_told(&producer, |status| status.held_back.is_none()).await.stable.map(|t| t.version),
        Some(3)
    );
}

#[tokio::test]
async fn a_change_of_too_many_rows_waits_for_a_person_and_for_this_version_only() {
    let mut market = Market::new(100);
    market.rules = Rules::none().change_max_percent("prices", 10);
    let strict = market.rules.clone();
    let (producer, node) = (market.produce(), market.consume_with("a", None, strict).await);
    reaches(&node, 1).await;
    let double = |count: u32| {
        market.source.change(|stock| stock.prices.range_mut(..count).for_each(|(_, coins)| *coins += 1))
    };
    double(10);
    producer.changed().await;
    reaches(&node, 2).await;
    double(11);
    producer.changed().await;
    let told = until_told(&producer, |status| status.held_back.is_some()).await;
    assert!(told.held_back.expect("held back").reason.contains("11 of 100 rows"));
    producer.ask(Order::Approve(3), "ann").await.expect("asked");
    reaches(&node, 3).await;
    assert_eq!(price(&node, 10), Some(11), "also the node's own rule lets an approved version pass");
    double(11);
    producer.changed().await;
    until_told(&producer, |status| status.held_back.as_ref().is_some_and(|held| held.version == 4)).await;
    assert_eq!(node.view().version, 3);
}

#[tokio::test]
async fn a_set_that_contradicts_itself_is_held_back_before_anybody_hears_of_it() {
    let market = Market::new(3);
    let (producer, node) = (market.produce(), market.consume("a").await);
    reaches(&node, 1).await;
    market.source.change(|stock| {
        stock.rooms.insert("ann's".to_owned(), 77);
    });
    producer.changed().await;
    let held = until_told(&producer, |status| status.held_back.is_some()).await.held_back.expect("held back");
    assert_eq!(held.reason, "the room ann's sells 77, which has no price");
    assert_eq!((node.view().version, node.status().wanted), (1, Some(1)));
}

#[tokio::test]
async fn a_node_that_refuses_keeps_its_version_says_why_and_ages() {
    let market = Market::new(3);
    let rules = Rules::none().check("prices are low", |_, after: &crate::shop::Shop| {
        if after.sum_coins < 100 { Ok(()) } else { Err(format!("{} coins in all", after.sum_coins)) }
    });
    let producer = market.produce();
    let (strict, easy) = (market.consume_with("strict", None, rules).await, market.consume("easy").await);
    reaches(&strict, 1).await;
    // While the source is silent nothing can be confirmed, so what confirms the change is later than this.
    market.source.break_it(true);
    until_told(&producer, |status| status.problem.is_some()).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let before =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis();
    market.source.break_it(false);
    let version = market.reprice(&producer, 1, 1_000).await;
    reaches(&easy, version).await;
    let refused =
        until(&strict, |status| matches!(status.verdict, Verdict::Refused { version: 2, .. })).await;
    assert_eq!((refused.version, price(&strict, 1)), (1, Some(1)));
    assert!(
        u128::from(refused.as_of_ms.expect("it serves one")) < before,
        "what is refused makes nothing fresh"
    );
    let heard = tokio::time::timeout(BOUND, async {
        loop {
            let seen = roster(&market.cache, &market.set).await.expect("readable").unwrap_or_default();
            let verdict = seen.nodes.get("strict").map(|report| report.verdict.clone());
            if let Some(Verdict::Refused { reason, .. }) = verdict {
                return (reason, seen.nodes_by_version());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let (reason, by_version) = heard.await.expect("the producer hears of it");
    assert_eq!(reason, "prices are low: 1002 coins in all");
    assert_eq!(by_version, [(1, 1), (2, 1)].into());
    assert_eq!(strict.status().as_of_ms, refused.as_of_ms, "nor does it later");
    assert!(easy.status().as_of_ms > refused.as_of_ms);
    let version = market.reprice(&producer, 1, 2).await;
    reaches(&strict, version).await;
    assert_eq!(strict.status().verdict, Verdict::Acknowledged);
}

/// A key that this program reads without regard to case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Folded(String);

impl<'de> serde::Deserialize<'de> for Folded {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Folded, D::Error> {
        Ok(Folded(String::deserialize(from)?.to_lowercase()))
    }
}

#[derive(Clone, Default)]
struct Names {
    rooms: refresh::Table<Folded, u32>,
}

impl refresh::DataSet for Names {
    fn table_mut(&mut self, name: &str) -> Option<&mut dyn refresh::RowTable> {
        (name == "rooms").then_some(&mut self.rooms)
    }
}

#[tokio::test]
async fn two_keys_that_a_program_reads_as_one_are_held_back_and_refused() {
    let market = Market::new(0);
    market.source.change(|stock| {
        stock.rooms.insert("Ann".to_owned(), 1);
        stock.rooms.insert("ann".to_owned(), 2);
        stock.prices = [(1, 1), (2, 2)].into();
    });
    let parts = refresh::ProducerParts::<Names> {
        set: market.set.clone(),
        election: market.alone(),
        cache: market.cache.clone(),
        node: "names".to_owned(),
        source: market.source.clone(),
        rules: Rules::none(),
        settings: market.producing,
    };
    let names = refresh::Producer::start(parts).expect("good parts");
    let held = until_told(&names, |status| status.held_back.is_some()).await.held_back.expect("held back");
    assert_eq!(held.reason, "the table rooms has 1 rows, and 2 were announced");
    names.stop().await;
    // A producer that tells them apart publishes both; the program that does not refuses.
    let _shop = market.produce();
    let parts = refresh::ConsumerParts::<Names> {
        set: market.set.clone(),
        cache: market.cache.clone(),
        node: "names".to_owned(),
        disk: None,
        rules: Rules::none(),
        fallback: None,
        settings: market.consuming,
    };
    let node = refresh::Consumer::start(parts).await.expect("good parts");
    let mut status = node.subscribe();
    let refused = status.wait_for(|status| matches!(status.verdict, Verdict::Refused { .. }));
    tokio::time::timeout(BOUND, refused).await.expect("in time").expect("it runs");
    assert_eq!(node.view().version, 0);
}

#[tokio::test]
async fn a_check_that_panics_is_a_refusal() {
    let market = Market::new(3);
    let rules = Rules::none().check("always panics later", |before: &crate::shop::Shop, _| {
        assert!(before.prices.is_empty(), "a bug in a check");
        Ok(())
    });
    let producer = market.produce();
    let node = market.consume_with("a", None, rules).await;
    reaches(&node, 1).await;
    market.reprice(&producer, 1, 5).await;
    until(&node, |status| matches!(status.verdict, Verdict::Refused { version: 2, .. })).await;
    assert_eq!(node.view().version, 1);
}

fn with_canary(share_percent: u32) -> Market {
    let mut market = Market::new(10);
    market.producing.canary = Some(CanaryPlan { share_percent, soak: Duration::from_millis(50) });
    market
}

#[tokio::test]
async fn a_share_of_the_nodes_tries_a_version_and_the_others_wait() {
    let mut market = with_canary(25);
    market.producing.canary = Some(CanaryPlan { share_percent: 25, soak: Duration::from_secs(3_600) });
    let producer = market.produce();
    let nodes = eight_heard(&market).await;
    let version = market.reprice(&producer, 1, 100).await;
    let told =
        until_told(&producer, |status| status.canary.as_ref().is_some_and(|c| !c.nodes.is_empty())).await;
    let canary = told.canary.expect("a canary");
    assert_eq!((canary.nodes.len(), canary.target.version), (2, version), "a quarter of eight");
    let is_first = |n: usize| canary.nodes.contains(&format!("node-{n}"));
    for (n, node) in nodes.iter().enumerate().filter(|(n, _)| is_first(*n)) {
        reaches(node, version).await;
        assert!(is_first(n));
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    for (n, node) in nodes.iter().enumerate() {
        assert_eq!(node.view().version, if is_first(n) { version } else { 1 }, "node-{n}");
    }
    assert_eq!(producer.status().stable.map(|stable| stable.version), Some(1));
}

#[tokio::test]
async fn the_others_follow_when_the_first_have_acknowledged() {
    let market = with_canary(25);
    let producer = market.produce();
    let nodes = eight_heard(&market).await;
    let version = market.reprice(&producer, 1, 100).await;
    for node in &nodes {
        reaches(node, version).await;
    }
    until_told(&producer, |status| status.stable.is_some_and(|stable| stable.version == version)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_version_goes_no_further_before_all_of_the_first_have_acknowledged() {
    let market = with_canary(100);
    let gate = std::sync::Arc::new(std::sync::Mutex::new(()));
    let passing = gate.clone();
    let slow = Rules::none().check("a slow check", move |_, _: &crate::shop::Shop| {
        drop(passing.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        Ok(())
    });
    let producer = market.produce();
    let (quick, slow) = (market.consume("quick").await, market.consume_with("slow", None, slow).await);
    reaches(&quick, 1).await;
    reaches(&slow, 1).await;
    all_heard(&market, 2).await;
    let ((open, wait), closing) = (std::sync::mpsc::sync_channel::<()>(1), gate.clone());
    let (is_closed, told) = std::sync::mpsc::sync_channel::<()>(1);
    let keeper = std::thread::spawn(move || {
        let _shut = closing.lock();
        let _ = is_closed.send(());
        let _ = wait.recv();
    });
    told.recv().expect("the gate is shut");
    let version = market.reprice(&producer, 1, 100).await;
    reaches(&quick, version).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    let waiting = producer.status();
    open.send(()).expect("the keeper waits");
    keeper.join().expect("the gate is open");
    assert_eq!(waiting.stable.map(|stable| stable.version), Some(1), "one of two has not acknowledged");
    until_told(&producer, |status| status.stable.is_some_and(|stable| stable.version == version)).await;
    reaches(&slow, version).await;
}

/// Eight nodes that serve the first version, and that the producer has heard.
async fn eight_heard(market: &Market) -> Vec<refresh::Consumer<crate::shop::Shop>> {
    let mut nodes = Vec::new();
    for n in 0..8 {
        nodes.push(market.consume(&format!("node-{n}")).await);
    }
    for node in &nodes {
        reaches(node, 1).await;
    }
    all_heard(market, 8).await;
    nodes
}

async fn all_heard(market: &Market, count: usize) {
    let heard = tokio::time::timeout(BOUND, async {
        while roster(&market.cache, &market.set).await.expect("readable").unwrap_or_default().nodes.len()
            < count
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    heard.await.expect("all nodes are heard");
}

#[tokio::test]
async fn a_version_that_one_of_the_first_refuses_goes_to_nobody_and_the_first_go_back() {
    let market = with_canary(100);
    let producer = market.produce();
    let strict = Rules::none().check("no 13", |_, after: &crate::shop::Shop| {
        let is_bad = after.prices.iter().any(|(_, price)| price.coins == 13);
        if is_bad { Err("13 is bad luck".to_owned()) } else { Ok(()) }
    });
    let (easy, strict) = (market.consume("easy").await, market.consume_with("strict", None, strict).await);
    reaches(&easy, 1).await;
    reaches(&strict, 1).await;
    all_heard(&market, 2).await;
    market.reprice(&producer, 1, 13).await;
    let held = until_told(&producer, |status| status.held_back.is_some()).await.held_back.expect("held back");
    assert_eq!(
        (held.version, held.reason.as_str()),
        (2, "the node strict refused it: no 13: 13 is bad luck")
    );
    until(&easy, |status| status.version == 1 && status.wanted == Some(1)).await;
    assert_eq!((price(&easy, 1), price(&strict, 1)), (Some(1), Some(1)));
    let version = market.reprice(&producer, 1, 14).await;
    reaches(&easy, version).await;
    reaches(&strict, version).await;
}

#[tokio::test]
async fn where_nobody_can_try_a_version_nobody_follows() {
    let market = with_canary(10);
    let producer = market.produce();
    until_told(&producer, |status| status.stable.is_some()).await;
    let version = market.reprice(&producer, 1, 100).await;
    until_told(&producer, |status| {
        status.canary.as_ref().is_some_and(|canary| canary.target.version == version)
    })
    .await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(producer.status().stable.map(|stable| stable.version), Some(1));
    let node = market.consume("late").await;
    reaches(&node, version).await;
    until_told(&producer, |status| status.stable.is_some_and(|stable| stable.version == version)).await;
}
