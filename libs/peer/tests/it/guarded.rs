//! Invariant under test: a node that is silent or says that it refuses is spared, and no command pays for that.

use crate::node::{Mood, Node, Tables, config, keys, wallet_through};
use contracts::entry::Entry;
use contracts::wallet::{Act, Command, Wallet, WalletError};
use guard::deps::{DependencyReport, Registry, State};
use ids::{Partition, RequestId, ViewerId};
use peer::{Calls, HttpLogSource};
use seqlog::LogSource;
use std::sync::Arc;
use std::time::Duration;

fn command() -> Command {
    Command { request_id: RequestId::now(), account_id: ViewerId::now(), body_hash: 1, act: Act::Freeze }
}

fn report_of(registry: &Registry, name: &str) -> DependencyReport {
    let of_node = |report: &DependencyReport| report.name.starts_with(&format!("{name} at http://"));
    registry.report().into_iter().find(of_node).expect("declared")
}

/// Waits until something holds: a machine may be slow, and a test must not be.
async fn until(mut holds: impl FnMut() -> bool) {
    for _ in 0..4_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it did not come to hold");
}

#[tokio::test]
async fn a_silent_node_is_spared_after_some_commands_and_all_of_them_are_decided_when_it_wakes() {
    let (tables, registry) = (Arc::new(Tables::default()), Registry::default());
    let node = Node::start(&tables, 1).await;
    let mut config = config();
    config.retry_max_ms = 60_000;
    let calls = Calls::declared_in(&registry, keys(), &config);
    let (wallet, _) = wallet_through(&calls, &[node.url()], &config).await;
    let wallet = Arc::new(wallet);
    wallet.submit(command()).await.expect("decided");
    node.set_mood(Mood::Stuck);
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let wallet = Arc::clone(&wallet);
            tokio::spawn(async move { wallet.submit(command()).await })
        })
        .collect();
    until(|| report_of(&registry, "wallet").opened > 0 && report_of(&registry, "wallet").refused > 0).await;
    node.set_mood(Mood::Well);
    for caller in callers {
        caller.await.expect("no panic").expect("decided when the node woke");
    }
    assert_eq!(tables.decided.lock().expect("no panic").len(), 101);
    while report_of(&registry, "wallet").state != State::Closed {
        wallet.submit(command()).await.expect("decided"); // A trial.
    }
}

#[tokio::test]
async fn what_an_open_breaker_refuses_has_certainly_not_happened() {
    let (tables, registry) = (Arc::new(Tables::default()), Registry::default());
    let node = Node::start(&tables, 1).await;
    let mut config = config();
    config.retry_max_ms = 50;
    let calls = Calls::declared_in(&registry, keys(), &config);
    let (wallet, _) = wallet_through(&calls, &[node.url()], &config).await;
    node.set_mood(Mood::Stuck);
    let mut told_of = Vec::new();
    while told_of.len() < 400 {
        let refused = wallet.submit(command()).await.expect_err("nobody decides");
        let is_sure = matches!(refused, WalletError::Unavailable(_));
        told_of.push(refused);
        if is_sure {
            break;
        }
    }
    assert!(matches!(told_of.last(), Some(WalletError::Unavailable(_))), "{told_of:?}");
    assert!(tables.decided.lock().expect("no panic").is_empty());
}

#[tokio::test]
async fn a_node_that_says_it_refuses_gets_no_commands_until_it_says_otherwise() {
    let tables = Arc::new(Tables::default());
    let node = Node::start(&tables, 1).await;
    let mut config = config();
    config.retry_max_ms = 60_000;
    let calls = Calls::new(keys(), &config);
    let (wallet, _) = wallet_through(&calls, &[node.url()], &config).await;
    let wallet = Arc::new(wallet);
    wallet.submit(command()).await.expect("decided");
    node.set_mood(Mood::Shedding);
    let asking = tokio::spawn({
        let wallet = Arc::clone(&wallet);
        async move { wallet.submit(command()).await }
    });
    tokio::time::sleep(Duration::from_millis(1_500)).await; // The command is tried again at least every 200 ms.
    let asked = tables.requests.lock().expect("no panic").len();
    assert!(asked <= 3, "{asked} requests, where one said that all would be refused");
    node.set_mood(Mood::Well);
    asking.await.expect("no panic").expect("decided when the node took it");
}

#[tokio::test]
async fn a_node_without_rows_is_soon_not_asked_and_the_other_answers() {
    let registry = Registry::default();
    let gone = Node::start(&Arc::new(Tables::default()), 0).await;
    let gone_url = gone.url();
    drop(gone);
    let calls = Calls::declared_in(&registry, keys(), &config());
    let source = HttpLogSource::<Entry>::try_new(&calls, &[gone_url]).expect("few nodes");
    let partition = Partition::try_new(7).expect("a partition");
    for _ in 0..10 {
        source.read_after(partition, 0, 10).await.expect_err("nobody answers");
    }
    let report = report_of(&registry, "log-rows");
    assert!(report.refused > 0 && report.fallbacks == 10, "{report:?}");
    assert_eq!(registry.strong_answer(), Ok(()), "a node is ready without its weak ones");
}

#[test]
fn the_declared_time_limit_is_the_shipped_one() {
    use figment::providers::{Format, Toml};
    let shipped = figment::Figment::from(Toml::string(peer::DEFAULTS));
    let shipped: peer::Config = shipped.extract().expect("the shipped defaults");
    for declared in peer::declared::declarations() {
        assert_eq!(declared.timeout, Duration::from_millis(shipped.request_timeout_ms), "{}", declared.name);
    }
}
