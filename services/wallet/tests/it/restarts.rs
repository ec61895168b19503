//! Invariant under test: whoever writes next knows exactly what was committed, and whoever wrote before can
//! write nothing more.

use crate::bank::{Bank, account_of, coins, debit, order_of, outcome, problem, wait_until};
use contracts::entry::Outcome;
use contracts::wallet::{Act, Replay, Wallet};
use ids::{Partition, RequestId, ViewerId};

#[tokio::test]
async fn a_restart_rebuilds_the_same_balances_with_and_without_a_snapshot() {
    let mut bank = Bank::open().await;
    let mut accounts = Vec::new();
    for paid in 0..40 {
        let account_id = bank.account_with(100 + paid).await;
        let order_id = order_of(&bank.debit(account_id, 10 + paid).await.expect("enough"));
        if paid % 3 == 0 {
            assert_eq!(outcome(bank.refund(account_id, order_id).await), Outcome::Accepted);
        }
        if paid % 5 == 0 {
            bank.submit(account_id, Act::Freeze).await.expect("decided");
        }
        accounts.push(account_id);
    }
    let mut before = Vec::new();
    for account_id in &accounts {
        before.push(bank.view(*account_id).await);
    }
    bank.crash();
    assert_eq!(covered(&bank).await, 0, "nothing was saved: all of it is tail");
    bank.start_again().await;
    for (account_id, view) in accounts.iter().zip(&before) {
        assert_eq!(bank.view(*account_id).await, *view);
    }
    bank.stop().await;
    assert!(covered(&bank).await > 0, "a clean shutdown leaves a snapshot");
    bank.start_again().await;
    for (account_id, view) in accounts.iter().zip(&before) {
        assert_eq!(bank.view(*account_id).await, *view);
    }
    bank.assert_books_balance().await;
}

async fn covered(bank: &Bank) -> i64 {
    sqlx::query_scalar(bank.db.sql("SELECT coalesce(sum(as_of_seq), 0)::bigint FROM {s}.snapshot_heads"))
        .fetch_one(bank.db.pool())
        .await
        .expect("a sum")
}

#[tokio::test]
async fn a_repeat_after_a_restart_still_gets_the_first_answer() {
    let mut bank = Bank::open().await;
    let ann = bank.account_with(100).await;
    let request_id = bank.request();
    let first = bank.submit_as(request_id, ann, debit(30)).await.expect("enough");
    bank.crash();
    bank.start_again().await;
    let again = bank.submit_as(request_id, ann, debit(30)).await.expect("the same");
    assert_eq!((again.replay, again.entry), (Replay::Replayed, first.entry));
    assert_eq!(problem(bank.submit_as(request_id, ann, debit(29)).await), "request-reused");
    bank.assert_books_balance().await;
}

/// A node that looks after its lease every ten minutes: as good as asleep when it has run out.
fn sleepy() -> wallet::Config {
    let mut config = crate::bank::config();
    config.lease_ms = 3_600_000;
    config
}

#[tokio::test]
async fn a_deposed_writer_writes_nothing_and_says_so() {
    let bank = Bank::open_with(sleepy()).await;
    let ann = bank.account_with(100).await;
    bank.fall_asleep().await;
    let second = bank.second("second").await;
    assert_eq!(problem(bank.debit(ann, 30).await), "shard-moved");
    assert_eq!(problem(bank.debit(ann, 30).await), "shard-moved");
    assert_eq!(second.balance(ann).await, (100, 0));
    assert_eq!(outcome(second.debit(ann, 30).await), Outcome::Accepted);
    assert_eq!(
        bank.wallet().account(ann).await.expect_err("not ours"),
        contracts::wallet::WalletError::ShardMoved
    );
    second.assert_books_balance().await;
}

#[tokio::test]
async fn a_lost_shard_takes_nothing_of_its_batch_with_it() {
    let mut config = sleepy();
    config.lane_count = 1;
    let bank = Bank::open_with(config).await;
    let [ours, lost] = [5, 6].map(|number| account_of(Partition::try_new(number).expect("it exists")));
    bank.recharge(ours, 100, 0).await;
    bank.recharge(lost, 100, 0).await;
    bank.run_sql("UPDATE {s}.log_head_groups SET epochs[7] = epochs[7] + 1 WHERE part_group = 0").await;
    let (kept, gone) = tokio::join!(bank.debit(ours, 30), bank.debit(lost, 30));
    assert_eq!((outcome(kept), problem(gone)), (Outcome::Accepted, "shard-moved"));
    assert_eq!(bank.balance(ours).await, (70, 0), "stepped twice, and charged once");
    assert_eq!(outcome(bank.debit(ours, 71).await), Outcome::NotEnoughCoins);
    bank.assert_books_balance().await;
}

#[tokio::test]
async fn another_node_takes_over_when_the_lease_of_a_dead_one_ends() {
    let mut bank = Bank::open().await;
    let ann = bank.account_with(100).await;
    let second = bank.second("other").await;
    assert_eq!(problem(second.debit(ann, 30).await), "shard-moved");
    bank.crash();
    wait_until("the lease ended", async || second.debit(ann, 30).await.is_ok()).await;
    assert_eq!(second.balance(ann).await, (70, 0));
    second.assert_books_balance().await;
}

#[tokio::test]
async fn two_nodes_that_fight_over_every_shard_lose_and_double_nothing() {
    let rounds = if std::env::var_os("LARGESSE_TEST_LONG").is_some() { 60 } else { 6 };
    let bank = Bank::open_with(sleepy()).await;
    let ann = bank.account_with(10_000).await;
    let mut acknowledged = 0;
    for round in 0..rounds {
        bank.fall_asleep().await;
        let other = bank.second(format!("other-{round}").leak()).await;
        for turn in 0..10 {
            let request_id = bank.request();
            let node = if (round + turn) % 2 == 0 { &bank } else { &other };
            let mut answer = node.submit_as(request_id, ann, debit(1)).await;
            if answer.is_err() {
                answer = other.submit_as(request_id, ann, debit(1)).await;
            }
            acknowledged += i64::from(answer.is_ok());
        }
        other.assert_books_balance().await;
        if round == rounds - 1 {
            assert_eq!(other.balance(ann).await, (10_000 - acknowledged, 0));
        }
    }
    assert!(acknowledged >= 30, "{acknowledged}");
}

#[tokio::test]
async fn evicted_accounts_and_forgotten_keys_are_read_from_the_tables() {
    let mut config = crate::bank::config();
    config.lane_count = 1;
    config.accounts_max = 8;
    config.keys_max = 64;
    config.snapshot_rows = 16;
    let bank = Bank::open_with(config).await;
    let partition = Partition::try_new(5).expect("it exists");
    let accounts: Vec<ViewerId> = (0..60).map(|_| account_of(partition)).collect();
    let mut requests: Vec<(RequestId, ViewerId)> = Vec::new();
    for round in 0..3 {
        for account_id in &accounts {
            bank.recharge(*account_id, 10, 1).await;
            let request_id = bank.request();
            bank.submit_as(request_id, *account_id, debit(3)).await.expect("enough");
            requests.push((request_id, *account_id));
        }
        assert_eq!(bank.balance(accounts[0]).await, (8 * (round + 1), 0));
        bank.pass(chrono::TimeDelta::seconds(2)); // Keys are forgotten by whole seconds.
    }
    let before = bank.balance(accounts[7]).await;
    for (request_id, account_id) in &requests {
        let again = bank.submit_as(*request_id, *account_id, debit(3)).await.expect("the first answer");
        assert_eq!(again.replay, Replay::Replayed);
        let reused = bank.submit_as(*request_id, *account_id, debit(4)).await;
        assert_eq!(problem(reused), "request-reused");
    }
    assert_eq!(bank.balance(accounts[7]).await, before);
    bank.assert_books_balance().await;
}

/// Entries that a takeover reads, whatever else it reads.
const TAIL: &str = "
SELECT sum(h.last_seq - greatest((SELECT max(c.as_of_seq) FROM {s}.account_changes c WHERE c.partition = h.partition),
    (SELECT s.as_of_seq FROM {s}.snapshot_heads s WHERE s.partition = h.partition), 0))::bigint
FROM {s}.log_heads h";

async fn number(bank: &Bank, sql: &'static str) -> i64 {
    sqlx::query_scalar(bank.db.sql(sql)).fetch_one(bank.db.pool()).await.expect("a number")
}

#[tokio::test]
async fn snapshots_keep_up_and_bound_the_tail() {
    for snapshot_changes_max in [0, 3] {
        let mut config = crate::bank::config();
        (config.snapshot_rows, config.replay_rows_max) = (50, 100);
        config.snapshot_changes_max = snapshot_changes_max;
        let mut bank = Bank::open_with(config).await;
        let ann = bank.account_with(5_000).await;
        for _ in 0..600 {
            bank.debit(ann, 1).await.expect("enough");
        }
        bank.crash();
        let tail = number(&bank, TAIL).await;
        assert!(tail <= 200, "two lanes of at most 100 rows each: {tail}");
        let kept = number(&bank, "SELECT count(*) FROM {s}.account_changes").await;
        assert!(kept <= 3, "rows are written, and what they say is forgotten here: {kept}");
        let saved = number(&bank, "SELECT sum(as_of_seq)::bigint FROM {s}.snapshot_heads").await;
        assert!(saved > 300, "{saved}");
        bank.start_again().await;
        assert_eq!(bank.balance(ann).await, (4_400, 0));
        assert_eq!(coins(4_400), bank.view(ann).await.available.paid_coins);
        bank.assert_books_balance().await;
    }
}

#[tokio::test]
async fn a_restart_rebuilds_the_same_accounts_from_kept_changes_and_from_the_log_where_one_is_missing() {
    let mut config = crate::bank::config();
    (config.lane_count, config.snapshot_rows, config.snapshot_changes_max) = (1, 8, 64);
    let mut bank = Bank::open_with(config).await;
    let partition = Partition::try_new(5).expect("it exists");
    let accounts: Vec<ViewerId> = (0..7).map(|_| account_of(partition)).collect();
    let expires_at_ms = (bank.now() + chrono::TimeDelta::hours(1)).timestamp_millis();
    for round in 0..12 {
        for (at, account_id) in accounts.iter().enumerate() {
            if at == 6 && round != 5 {
                continue; // In one row of changes and in no later one.
            }
            bank.recharge(*account_id, 10, 1).await;
            let order_id = order_of(&bank.debit(*account_id, 3).await.expect("enough"));
            match (at, round) {
                (1, 4) => drop(bank.refund(*account_id, order_id).await.expect("decided")),
                (2, 11) => drop(bank.submit(*account_id, Act::Freeze).await.expect("decided")),
                (0, 0) | (4, 8) => {
                    let hold = Act::HoldPlace { coins: coins(2), expires_at_ms };
                    drop(bank.submit(*account_id, hold).await.expect("decided"));
                }
                _ => {}
            }
        }
    }
    let mut before = Vec::new();
    for account_id in &accounts {
        before.push(bank.view(*account_id).await);
    }
    bank.crash();
    assert_eq!(number(&bank, "SELECT count(*) FROM {s}.accounts").await, 0, "no account has a row");
    assert!(number(&bank, TAIL).await < 16);
    let kept = number(&bank, "SELECT count(*) FROM {s}.account_changes").await;
    assert!(kept > 6, "{kept}");
    let missing = "DELETE FROM {s}.account_changes WHERE account_ids @> ARRAY[$1::uuid]";
    for left_out in [accounts[6], ViewerId::now()] {
        bank.start_again().await;
        for (account_id, view) in accounts.iter().zip(&before) {
            assert_eq!(bank.view(*account_id).await, *view);
        }
        bank.assert_books_balance().await;
        bank.crash();
        let left_out = sqlx::query(bank.db.sql(missing)).bind(left_out.uuid());
        left_out.execute(bank.db.pool()).await.expect("it is gone");
    }
    bank.start_again().await;
    bank.pass(chrono::TimeDelta::minutes(61));
    wait_until("both holds expired", async || {
        let held = [bank.view(accounts[0]).await.held, bank.view(accounts[4]).await.held];
        held.iter().all(|held| held.paid_coins.is_zero() && held.promo_coins.is_zero())
    })
    .await;
    bank.stop().await;
    assert_eq!(number(&bank, "SELECT count(*) FROM {s}.account_changes").await, 0, "rows say all of it");
    assert_eq!(number(&bank, "SELECT count(*) FROM {s}.accounts").await, 7);
    bank.start_again().await;
    assert_eq!(bank.balance(accounts[0]).await, (12 * 8, 0));
    bank.assert_books_balance().await;
}

#[tokio::test]
async fn what_a_failed_snapshot_left_out_is_in_the_next() {
    let rows = (
        "ALTER TABLE {s}.accounts ADD CONSTRAINT refused CHECK (false) NOT VALID",
        "ALTER TABLE {s}.accounts DROP CONSTRAINT refused",
    );
    let changes = (
        "ALTER TABLE {s}.account_changes ADD CONSTRAINT refused CHECK (false) NOT VALID",
        "ALTER TABLE {s}.account_changes DROP CONSTRAINT refused",
    );
    for ((refuse, allow), snapshot_changes_max) in [(rows, 0), (changes, 64)] {
        let mut config = crate::bank::config();
        (config.lane_count, config.snapshot_rows) = (1, 16);
        config.snapshot_changes_max = snapshot_changes_max;
        let mut bank = Bank::open_with(config).await;
        let [ann, bob] = [5, 5].map(|number| account_of(Partition::try_new(number).expect("it exists")));
        bank.recharge(bob, 1_000, 0).await;
        bank.run_sql(refuse).await;
        bank.recharge(ann, 100, 0).await;
        for _ in 0..40 {
            bank.debit(bob, 1).await.expect("enough");
        }
        bank.run_sql(allow).await;
        wait_until("a snapshot is written", async || {
            bank.debit(bob, 1).await.expect("enough");
            number(&bank, TAIL).await < 20
        })
        .await;
        bank.crash();
        bank.start_again().await;
        assert_eq!(
            bank.balance(ann).await,
            (100, 0),
            "nothing happened to it since the snapshot that failed"
        );
        bank.assert_books_balance().await;
    }
}
