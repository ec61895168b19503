//! Invariant under test: nodes come and go while commands flow, and a list of nodes takes nothing from an owner.

use crate::node::{Mood, Node, Tables, config, keys};
use crate::rows::log_node;
use contracts::entry::Entry;
use contracts::wallet::{Act, Command, Wallet};
use guard::deps::Registry;
use ids::{Partition, RequestId, ViewerId};
use peer::{Calls, HttpLogSource, LiveNodes, Nodes, OwnerMap, RemoteWallet};
use seqlog::LogSource;
use std::sync::Arc;
use std::time::Duration;

/// Questions after which a node has been passed over for good, or not.
const SOME: usize = 5;

fn command() -> Command {
    Command { request_id: RequestId::now(), account_id: ViewerId::now(), body_hash: 1, act: Act::Freeze }
}

/// Waits until something holds: a machine may be slow, and a test must not be.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..6_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never: {what}");
}

/// A wallet that is configured to ask one node.
struct Growing {
    tables: Arc<Tables>,
    registry: Registry,
    live: LiveNodes,
    map: OwnerMap,
    wallet: Arc<RemoteWallet>,
}

impl Growing {
    fn configured(tables: Arc<Tables>, first: &Node) -> Growing {
        let (registry, mut config) = (Registry::default(), config());
        config.retry_max_ms = 60_000;
        let calls = Calls::declared_in(&registry, keys(), &config);
        let (live, nodes) = Nodes::open(&[first.url()]);
        let path = RemoteWallet::SHARDS_PATH;
        let map = OwnerMap::start(calls.clone(), nodes, path, config.map_poll());
        let wallet = Arc::new(RemoteWallet::start(&calls, map.clone(), &config).expect("few nodes"));
        Growing { tables, registry, live, map, wallet }
    }

    async fn decide(&self, count: usize) {
        let before = self.decided();
        let callers: Vec<_> = (0..count)
            .map(|_| {
                let wallet = Arc::clone(&self.wallet);
                tokio::spawn(async move { wallet.submit(command()).await })
            })
            .collect();
        for caller in callers {
            caller.await.expect("no panic").expect("decided");
        }
        assert_eq!(self.decided(), before + count, "each was decided once");
    }

    fn decided(&self) -> usize {
        self.tables.decided.lock().expect("no panic").len()
    }

    fn asks(&self, node: &Node) -> bool {
        self.map.urls().contains(&node.url())
    }

    fn calls_known(&self, node: &Node) -> usize {
        let of_node = |name: &str| name.ends_with(node.url().as_str());
        self.registry.report().iter().filter(|report| of_node(&report.name)).count()
    }
}

#[tokio::test]
async fn a_node_that_starts_later_is_found_and_takes_over_without_a_restart() {
    let tables = Arc::new(Tables::default());
    let first = Node::start(&tables, 1).await;
    let growing = Growing::configured(Arc::clone(&tables), &first);
    growing.decide(10).await;
    let second = Node::start(&tables, 0).await;
    growing.live.set(&[first.url(), second.url()]);
    until("the second node is asked", || second.asked() > 0).await;
    drop(first);
    let deciding = growing.decide(100);
    tokio::pin!(deciding);
    assert!(futures::poll!(&mut deciding).is_pending(), "nobody holds the shards");
    second.claim(2);
    deciding.await;
    assert_eq!(growing.map.status().without_owner, 0);
}

#[tokio::test]
async fn a_node_that_left_is_asked_no_more_and_nothing_is_kept_of_it() {
    let tables = Arc::new(Tables::default());
    let (first, second) = (Node::start(&tables, 0).await, Node::start(&tables, 1).await);
    let growing = Growing::configured(Arc::clone(&tables), &first);
    growing.live.set(&[second.url()]);
    growing.decide(10).await;
    assert_eq!(growing.calls_known(&second), 2, "commands and questions");
    first.claim(2);
    second.let_go();
    growing.live.set(&[]);
    until("the second node is let go of", || !growing.asks(&second)).await;
    let (asked, clock) = (second.asked(), first.asked());
    until("the first node is asked some more", || first.asked() > clock + SOME).await;
    assert_eq!(second.asked(), asked, "it still answers, and holds nothing");
    until("its dependencies are forgotten", || growing.calls_known(&second) == 0).await;
    assert!(growing.asks(&first), "what is configured is asked whoever lives");
    growing.decide(10).await;
    // It may come back.
    growing.live.set(&[second.url()]);
    until("it is asked again", || second.asked() > asked).await;
}

#[tokio::test]
async fn an_owner_off_the_list_keeps_its_shards_for_as_long_as_it_says_so() {
    let tables = Arc::new(Tables::default());
    let (first, second) = (Node::start(&tables, 0).await, Node::start(&tables, 1).await);
    let growing = Growing::configured(Arc::clone(&tables), &first);
    growing.live.set(&[second.url()]);
    growing.decide(10).await;
    // Its row expired, say, because it could not renew it.
    growing.live.set(&[]);
    let asked = second.asked();
    until("it is asked some more", || second.asked() > asked + SOME).await;
    assert_eq!(growing.map.status().without_owner, 0, "a list takes nothing from an owner");
    growing.decide(100).await;
    second.set_mood(Mood::Moved);
    first.claim(2);
    growing.decide(10).await;
    second.let_go();
    until("it is let go of", || !growing.asks(&second)).await;
}

#[tokio::test]
async fn an_owner_that_is_off_the_list_and_dead_is_let_go_of() {
    let tables = Arc::new(Tables::default());
    let (first, second) = (Node::start(&tables, 0).await, Node::start(&tables, 1).await);
    let growing = Growing::configured(Arc::clone(&tables), &first);
    growing.live.set(&[second.url()]);
    growing.decide(10).await;
    let url = second.url();
    drop(second);
    until("its silence is told", || growing.map.status().silent.iter().any(|why| why.contains(url.as_str())))
        .await;
    growing.live.set(&[]);
    until("it is let go of", || !growing.map.urls().contains(&url)).await;
    let status = growing.map.status();
    assert_eq!((status.without_owner, status.silent.len()), (64, 0), "{status:?}");
}

#[tokio::test]
async fn rows_come_from_a_node_that_was_not_there_at_the_start() {
    let gone = Node::start(&Arc::new(Tables::default()), 0).await;
    let (live, nodes) = Nodes::open(&[gone.url()]);
    drop(gone);
    let source = HttpLogSource::<Entry>::try_new(&Calls::new(keys(), &config()), nodes).expect("few nodes");
    let partition = Partition::try_new(7).expect("a partition");
    source.read_after(partition, 0, 10).await.expect_err("nobody answers");
    live.set(&[log_node().await]);
    let mut read = source.read_after(partition, 0, 10).await;
    for _ in 0..2_000 {
        if read.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        read = source.read_after(partition, 0, 10).await;
    }
    assert_eq!(read.expect("the new node answers").head.last_seq, 9);
}
