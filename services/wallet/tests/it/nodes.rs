//! Invariant under test: several wallets over one database share the partitions; whoever dies, leaves or sleeps, every
//! debit is decided once, by the node that owns its account, and the gap is short.

use crate::bank::{Bank, account_of, config, debit, problem, wait_until};
use crate::every_payment::EveryPayment;
use contracts::entry::Outcome;
use contracts::wallet::{Answer, Command, Wallet, WalletError};
use ids::{Partition, RequestId, ViewerId};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wallet::WalletHandle;

/// One account of each partition, with coins.
pub async fn accounts(bank: &Bank) -> Vec<ViewerId> {
    let mut accounts = Vec::new();
    for partition in Partition::all() {
        let account_id = account_of(partition);
        bank.recharge(account_id, 1_000_000, 0).await;
        accounts.push(account_id);
    }
    accounts
}

pub async fn share(nodes: &[&Bank], counts: &[usize]) {
    wait_until("the shares are held", async || {
        nodes.iter().zip(counts).all(|(node, count)| node.wallet().held().len() == *count)
    })
    .await;
}

/// What a client does: the same command at one node after the other until one decides. Says how long it took.
pub async fn persist(nodes: &[WalletHandle], account_id: ViewerId) -> (Answer, Duration) {
    let act = debit(1);
    let body_hash = contracts::digest::body_hash(&act);
    let command = Command { request_id: RequestId::now(), account_id, body_hash, act };
    let began = Instant::now();
    loop {
        for node in nodes {
            match node.submit(command.clone()).await {
                Ok(answer) => return (answer, began.elapsed()),
                Err(WalletError::RequestReused | WalletError::BadCommand(_)) => panic!("a good command"),
                Err(_) => {}
            }
        }
        assert!(began.elapsed() < Duration::from_secs(20), "nobody decides for {account_id:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Sends debits of every account through both nodes until told to stop. Returns how many were accepted, and the
/// longest that one had to wait.
pub struct Load {
    stop: tokio::sync::watch::Sender<bool>,
    tasks: Vec<tokio::task::JoinHandle<(i64, Duration)>>,
}

impl Load {
    pub fn start(nodes: &[&Bank], accounts: &[ViewerId]) -> Load {
        let handles: Vec<WalletHandle> = nodes.iter().map(|node| node.wallet()).collect();
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let worker = |accounts: &[ViewerId]| {
            let (handles, stopped, accounts) = (handles.clone(), stopped.clone(), accounts.to_vec());
            tokio::spawn(async move {
                let (mut accepted, mut longest) = (0, Duration::ZERO);
                while !*stopped.borrow() {
                    for account_id in &accounts {
                        let (answer, took) = persist(&handles, *account_id).await;
                        accepted += i64::from(answer.outcome() == Outcome::Accepted);
                        longest = longest.max(took);
                    }
                }
                (accepted, longest)
            })
        };
        Load { stop, tasks: accounts.chunks(8).map(worker).collect() }
    }

    pub async fn stop(self) -> (i64, Duration) {
        self.stop.send_replace(true);
        let (mut accepted, mut longest) = (0, Duration::ZERO);
        for task in self.tasks {
            let (count, took) = task.await.expect("it ends");
            accepted += count;
            longest = longest.max(took);
        }
        (accepted, longest)
    }
}

async fn assert_spent(bank: &Bank, accounts: &[ViewerId], accepted: i64) {
    let mut left = 0;
    for account_id in accounts {
        left += bank.balance(*account_id).await.0;
    }
    assert_eq!(left, 64_000_000 - accepted, "each accepted debit took one coin, once");
    bank.assert_books_balance().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_is_replaced_under_load_within_five_seconds() {
    let mut config = config();
    config.lease_ms = 3_000; // As shipped.
    let mut first = Bank::open_with(config).await;
    let accounts = accounts(&first).await;
    let second = first.second("second").await;
    share(&[&first, &second], &[32, 32]).await;
    let load = Load::start(&[&first, &second], &accounts);
    let before = second.wallet().held().len();
    first.crash();
    let died = Instant::now();
    share(&[&second], &[64]).await;
    let replaced = died.elapsed();
    let (accepted, longest) = load.stop().await;
    println!(
        "from {before} to 64 partitions {replaced:?} after the kill; the longest debit took {longest:?}"
    );
    assert!(longest < Duration::from_secs(5), "a debit waited for {longest:?}");
    assert_spent(&second, &accounts, accepted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_drains_hands_over_under_load_and_no_debit_fails() {
    let mut first = Bank::open().await;
    let accounts = accounts(&first).await;
    let second = first.second("second").await;
    share(&[&first, &second], &[32, 32]).await;
    let load = Load::start(&[&first, &second], &accounts);
    let began = Instant::now();
    let kept = first.running.as_ref().expect("it runs").drain(Duration::from_secs(10)).await;
    assert!(kept.is_empty(), "{kept:?}");
    assert_eq!(first.wallet().held(), []);
    share(&[&second], &[64]).await;
    let moved = began.elapsed();
    first.stop().await;
    let (accepted, longest) = load.stop().await;
    println!("drained in {moved:?}; the longest debit took {longest:?}");
    assert!(longest < Duration::from_secs(3), "a debit waited for {longest:?}");
    assert_spent(&second, &accounts, accepted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_stopped_in_its_tracks_writes_nothing_when_it_wakes_and_joins_in_again() {
    let awake = Bank::open().await;
    let accounts = accounts(&awake).await;
    let sleeper = awake.on_a_thread("sleeper");
    wait_until("the shares are held", async || {
        sleeper.wallet.held().len() == 32 && awake.wallet().held().len() == 32
    })
    .await;
    let moved = sleeper.wallet.held()[0].0;
    sleeper.freeze();
    share(&[&awake], &[64]).await;
    let account_id = accounts[moved.index()];
    let act = debit(1);
    let body_hash = contracts::digest::body_hash(&act);
    let command = Command { request_id: RequestId::now(), account_id, body_hash, act };
    let mut asked = std::pin::pin!(sleeper.wallet.submit(command));
    assert!(futures::poll!(asked.as_mut()).is_pending(), "it waits in the sleeper, which knows of no loss");
    sleeper.thaw();
    assert_eq!(problem(asked.await), "shard-moved");
    // From the table: from here on the sleeper may be given this account again at any time.
    assert_eq!(awake.entries_of(account_id).await, 1, "the recharge, and nothing of the sleeper's");
    wait_until("it is a candidate again", async || sleeper.wallet.held().len() == 32).await;
    share(&[&awake], &[32]).await;
    let nodes = [awake.wallet(), sleeper.wallet.clone()];
    let (answer, _) = persist(&nodes, account_id).await;
    assert_eq!(answer.outcome(), Outcome::Accepted);
    awake.assert_books_balance().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_are_applied_once_while_partitions_move_between_two_readers() {
    let cashier = Arc::new(EveryPayment::default());
    let mut first = Bank::open_reading(config(), Some(cashier.clone())).await;
    let accounts: Vec<ViewerId> = Partition::all().map(account_of).collect();
    let second = first.second_reading("second", cashier.clone()).await;
    let mut rounds = 0;
    let mut third = None;
    for step in 0..60 {
        cashier.recharge_all(&first.bus, &accounts).await;
        rounds += 1;
        match step {
            20 => third = Some(first.second_reading("third", cashier.clone()).await),
            35 => first.crash(),
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let third = third.expect("it joined");
    wait_until("every recharge is applied", async || {
        cashier.announce(&second.bus).await;
        let applied = "SELECT coalesce(sum(seq), 0)::bigint FROM {s}.read_offsets";
        let applied: i64 =
            sqlx::query_scalar(second.db.sql(applied)).fetch_one(second.db.pool()).await.expect("a sum");
        applied == rounds * 64
    })
    .await;
    share(&[&second, &third], &[32, 32]).await;
    for account_id in &accounts {
        let mut balance = second.wallet().account(*account_id).await;
        if balance.is_err() {
            balance = third.wallet().account(*account_id).await;
        }
        let paid = balance.expect("one of them holds it").available.paid_coins.get();
        assert_eq!(paid, rounds, "each recharge of one coin came once");
    }
    second.assert_books_balance().await;
}
