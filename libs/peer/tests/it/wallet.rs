//! Invariant under test: however a node fails, a command is decided once and its caller learns the truth.

use crate::node::{Mood, Node, Tables, config, keys, wallet_over};
use contracts::wallet::{Act, Answer, Command, Replay, Wallet, WalletError};
use ids::{RequestId, ViewerId};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn command() -> Command {
    Command { request_id: RequestId::now(), account_id: ViewerId::now(), body_hash: 1, act: Act::Freeze }
}

#[tokio::test]
async fn commands_that_gather_travel_together_and_each_caller_gets_its_own_answer() {
    let tables = Arc::new(Tables::default());
    let node = Node::start(&tables, 1).await;
    let (wallet, _) = wallet_over(&[node.url()], &config()).await;
    let wallet = Arc::new(wallet);
    let callers: Vec<_> = (0..2_000)
        .map(|_| {
            let (wallet, command) = (Arc::clone(&wallet), command());
            tokio::spawn(async move { (command.request_id, wallet.submit(command).await) })
        })
        .collect();
    for caller in callers {
        let (asked, answer) = caller.await.expect("no panic");
        assert_eq!(answer.expect("decided").entry.request_id, asked);
    }
    let requests = tables.requests.lock().expect("no panic").clone();
    assert_eq!(requests.iter().sum::<usize>(), 2_000, "each command was sent once");
    assert!(requests.iter().all(|len| *len <= 512), "{requests:?}");
    assert!(requests.len() < 1_000, "{} requests for 2,000 commands", requests.len());
}

#[tokio::test]
async fn a_lone_command_does_not_wait_for_company() {
    let tables = Arc::new(Tables::default());
    let node = Node::start(&tables, 1).await;
    let (wallet, _) = wallet_over(&[node.url()], &config()).await;
    let mut quickest = Duration::MAX;
    for _ in 0..50 {
        let began = Instant::now();
        wallet.submit(command()).await.expect("decided");
        quickest = quickest.min(began.elapsed());
    }
    println!("a lone command: {quickest:?}");
    assert!(quickest < Duration::from_millis(5), "{quickest:?}");
}

#[tokio::test]
async fn a_dead_nodes_commands_wait_for_the_higher_epoch_and_are_decided_once() {
    let tables = Arc::new(Tables::default());
    let (first, second) = (Node::start(&tables, 1).await, Node::start(&tables, 0).await);
    let (wallet, _) = wallet_over(&[first.url(), second.url()], &config()).await;
    let wallet = Arc::new(wallet);
    wallet.submit(command()).await.expect("the first node decides");
    drop(first);
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let (wallet, command) = (Arc::clone(&wallet), command());
            tokio::spawn(async move { wallet.submit(command).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await; // The time a takeover takes.
    second.claim(2);
    for caller in callers {
        caller.await.expect("no panic").expect("decided by the second node");
    }
    assert_eq!(tables.decided.lock().expect("no panic").len(), 101);
}

#[tokio::test]
async fn a_shard_that_moved_is_followed() {
    let tables = Arc::new(Tables::default());
    let (first, second) = (Node::start(&tables, 1).await, Node::start(&tables, 0).await);
    let mut config = config();
    config.map_poll_ms = 60_000; // Only being wrong makes it ask.
    let (wallet, _) = wallet_over(&[first.url(), second.url()], &config).await;
    first.set_mood(Mood::Moved);
    second.claim(2);
    let began = Instant::now();
    wallet.submit(command()).await.expect("decided by the second node");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_decision_whose_answer_was_lost_is_found_and_told_as_doubted() {
    let tables = Arc::new(Tables::default());
    let node = Node::start(&tables, 1).await;
    let (wallet, _) = wallet_over(&[node.url()], &config()).await;
    node.set_mood(Mood::Mute);
    let command = command();
    let (sent, wallet) = (command.clone(), Arc::new(wallet));
    let asking = tokio::spawn({
        let wallet = Arc::clone(&wallet);
        async move { wallet.submit(sent).await }
    });
    while tables.decided.lock().expect("no panic").is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    node.set_mood(Mood::Well);
    let Answer { entry, replay } = asking.await.expect("no panic").expect("found");
    assert_eq!((entry.request_id, replay), (command.request_id, Replay::Doubted));
    assert_eq!(serde_json::to_value(replay).expect("JSON"), "replayed", "clients know two kinds");
    let again = wallet.submit(command).await.expect("decided before");
    assert_eq!(again.replay, Replay::Replayed, "without a lost answer there is no doubt");
}

#[tokio::test]
async fn without_an_answer_the_outcome_is_unknown_and_without_a_node_nothing_happened() {
    let tables = Arc::new(Tables::default());
    let node = Node::start(&tables, 1).await;
    let mut config = config();
    config.retry_max_ms = 500;
    let (wallet, _) = wallet_over(&[node.url()], &config).await;
    node.set_mood(Mood::Stuck);
    assert_eq!(wallet.submit(command()).await, Err(WalletError::OutcomeUnknown));
    drop(node);
    // As long as it is not noticed that the node's connections are closed, a command may be sent on one of them.
    let mut refused = WalletError::OutcomeUnknown;
    for _ in 0..5 {
        refused = wallet.submit(command()).await.expect_err("nobody is there");
        if refused != WalletError::OutcomeUnknown {
            break;
        }
    }
    assert!(matches!(refused, WalletError::Unavailable(_)), "{refused:?}");
}

#[tokio::test]
async fn more_commands_than_may_wait_for_an_owner_are_refused_at_once() {
    let tables = Arc::new(Tables::default());
    let node = Node::start(&tables, 0).await;
    let mut config = config();
    (config.waiting_len_max, config.retry_max_ms) = (3, 60_000);
    let calls = peer::Calls::new(keys(), &config);
    let path = peer::RemoteWallet::SHARDS_PATH;
    let map = peer::OwnerMap::start(calls.clone(), vec![node.url()], path, config.map_poll());
    let wallet = peer::RemoteWallet::start(&calls, map, &config).expect("few nodes");
    let mut waiting = [command(), command(), command()].map(|command| wallet.submit(command));
    for one in &mut waiting {
        assert!(futures::poll!(one).is_pending(), "it waits for an owner");
    }
    assert_eq!(wallet.submit(command()).await, Err(WalletError::Overloaded));
    node.claim(1);
    for one in waiting {
        one.await.expect("decided when there is an owner");
    }
}

#[tokio::test]
async fn a_process_with_another_signing_key_is_refused_and_says_why() {
    let tables = Arc::new(Tables::default());
    let node = Node::start(&tables, 1).await;
    let config = config();
    let stranger =
        edge::TokenKeys::from_secret(b"another secret that is just as long as ours").expect("a key");
    let calls = peer::Calls::new(stranger, &config);
    let path = peer::RemoteWallet::SHARDS_PATH;
    let map = peer::OwnerMap::start(calls, vec![node.url()], path, config.map_poll());
    for _ in 0..200 {
        if !map.status().silent.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let status = map.status();
    assert_eq!(status.without_owner, 64);
    assert!(status.silent[0].contains("LARGESSE_SECRET_TOKEN_KEY"), "{status:?}");
}
