//! Invariant under test: a day whose keys are all refused as expired leaves the log, and nothing that is still
//! answered changes.

use crate::bank::{Bank, config, debit, problem, wait_until};
use chrono::{TimeDelta, Utc};
use contracts::wallet::Wallet;
use ids::ViewerId;

/// A wallet whose snapshots write rows at once, with one account that had entries long ago and has new ones.
async fn with_a_past() -> (Bank, ViewerId, ids::RequestId) {
    let mut config = config();
    (config.snapshot_rows, config.snapshot_changes_max) = (1, 0);
    config.replay_rows_max = 10;
    let bank = Bank::open_with(config).await;
    let ann = bank.account_with(100).await;
    let old = bank.request();
    bank.submit_as(old, ann, debit(30)).await.expect("decided");
    bank.pass(TimeDelta::days(402));
    bank.debit(ann, 20).await.expect("decided");
    (bank, ann, old)
}

#[tokio::test]
async fn an_old_day_goes_whole_and_the_wallet_answers_as_before() {
    let (mut bank, ann, old) = with_a_past().await;
    let now = Utc::now() + TimeDelta::days(402);
    assert_eq!(wallet::list_old_days(&bank.db, Utc::now(), 400).await.expect("days"), [], "not old enough");
    wait_until("snapshots cover the old days", async || {
        let days = wallet::list_old_days(&bank.db, now, 400).await.expect("days");
        days.iter().all(|day| day.uncovered_partitions == 0)
    })
    .await;
    let days = wallet::list_old_days(&bank.db, now, 400).await.expect("days");
    let entries: i64 = days.iter().flat_map(|day| &day.parts).map(|part| part.rows).sum();
    assert_eq!(entries, 2, "the recharge and the old debit: {days:?}");
    for day in &days {
        wallet::retire_day(&bank.db, day.day).await.expect("it goes");
    }
    assert_eq!(wallet::list_old_days(&bank.db, now, 400).await.expect("days"), []);
    assert_eq!(bank.entries_of(ann).await, 1, "what is left in the log");
    bank.debit(ann, 5).await.expect("decided");
    bank.crash();
    bank.start_again().await;
    assert_eq!(bank.balance(ann).await, (45, 0), "the balance outlives its entries");
    // The old key is refused as it was before the day went; nothing is decided anew under it.
    assert_eq!(problem(bank.submit_as(old, ann, debit(30)).await), "bad-command");
    let listed = bank.wallet().list_entries(ann, None, 10).await.expect("a page");
    assert_eq!(listed.len(), 2, "history ends where the log does");
    // Kept and retired entries together are the whole account.
    let mut left = sum_of(&bank, "wallet.entries").await;
    for day in &days {
        left += sum_of(&bank, &format!("wallet_retired.{}", day.day.format("entries_y%Y%m%d"))).await;
    }
    assert_eq!(left, 45);
}

async fn sum_of(bank: &Bank, table: &str) -> i64 {
    let sum = format!("SELECT coalesce(sum(paid_delta_coins), 0)::bigint FROM {table}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(sum)).fetch_one(bank.db.pool()).await.expect("a sum")
}

/// Connections to this database that are at it.
const DETACHING: &str = "FROM pg_stat_activity WHERE datname = current_database()
    AND query LIKE 'ALTER TABLE%DETACH PARTITION%'";

#[tokio::test]
async fn a_day_that_was_half_detached_is_finished() {
    let (bank, ann, _) = with_a_past().await;
    let now = Utc::now() + TimeDelta::days(402);
    let days = wallet::list_old_days(&bank.db, now, 400).await.expect("days");
    let day = days.iter().find(|day| !day.parts.is_empty()).expect("it has entries").day;
    // Cut off while it waits for a reader: the server marks the table, and the second half never comes.
    let mut reader = bank.db.begin().await.expect("a transaction");
    sqlx::query(bank.db.sql("SELECT count(*) FROM {s}.entries")).execute(&mut *reader).await.expect("read");
    let db = bank.db.clone();
    let cut = tokio::spawn(async move { wallet::retire_day(&db, day).await });
    wait_until("the table is marked", async || {
        sqlx::query_scalar::<_, bool>("SELECT EXISTS (SELECT FROM pg_inherits WHERE inhdetachpending)")
            .fetch_one(bank.db.pool())
            .await
            .expect("an answer")
    })
    .await;
    assert!(!cut.is_finished(), "it waits for the reader");
    cut.abort();
    let second = wallet::retire_day(&bank.db, day).await;
    assert!(matches!(second, Err(wallet::RetireError::Busy)), "the first one still waits: {second:?}");
    let end = format!("SELECT pg_terminate_backend(pid) {DETACHING}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(end)).execute(bank.db.pool()).await.expect("it is ended");
    wait_until("the first one is gone", async || {
        let left = format!("SELECT count(*) {DETACHING}");
        sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(left))
            .fetch_one(bank.db.pool())
            .await
            .expect("a count")
            == 0
    })
    .await;
    reader.rollback().await.expect("it ends");
    wallet::retire_day(&bank.db, day).await.expect("it is finished");
    let gone = wallet::list_old_days(&bank.db, now, 400).await.expect("days");
    assert!(gone.iter().all(|other| other.day != day), "{gone:?}");
    assert_eq!(bank.balance(ann).await, (50, 0));
    bank.debit(ann, 1).await.expect("the log takes entries");
}
