//! Invariant under test: whatever the database does to a batch, no command is lost, doubled or spoiled by
//! another, and each gets an answer that is true.

use crate::bank::{Bank, debit, outcome, problem, wait_until};
use contracts::entry::Outcome;
use contracts::wallet::{Command, Wallet, WalletError};
use ids::{RequestId, ViewerId};
use sqlx::Executor;

impl Bank {
    pub async fn run_sql(&self, text: &'static str) {
        self.db.pool().execute(sqlx::raw_sql(self.db.sql(text))).await.expect("the statement runs");
    }
}

/// An idle connection still shows its last statement, so a statement is cut only while it runs.
const KILL_OTHERS: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
    WHERE datname = current_database() AND pid <> pg_backend_pid() \
    AND ($1 = '%' OR (state = 'active' AND query LIKE $1))";

#[tokio::test]
async fn a_command_the_database_refuses_spoils_no_other() {
    let bank = Bank::open().await;
    bank.run_sql("ALTER TABLE {s}.entries ADD CONSTRAINT entries_test_poison CHECK (body_hash <> 666)").await;
    let mut commands = Vec::new();
    for turn in 0..200 {
        let account_id = ViewerId::now();
        let act = contracts::wallet::Act::Bonus { coins: crate::bank::coins(1 + turn) };
        let body_hash = if turn % 67 == 50 { 666 } else { turn };
        commands.push(Command { request_id: bank.request(), account_id, body_hash, act });
    }
    commands.push(commands[0].clone()); // A repeat in the same batch keeps its leader's answer.
    let answers = bank.wallet().submit_all(commands.clone()).await;
    for (command, answer) in commands.iter().zip(answers) {
        if command.body_hash == 666 {
            assert_eq!(problem(answer), "bad-command");
        } else {
            assert_eq!(outcome(answer), Outcome::Accepted);
        }
    }
    bank.assert_books_balance().await;
}

#[tokio::test]
async fn an_unknown_commit_is_answered_so_and_the_shard_comes_back_knowing() {
    let bank = Bank::open().await;
    let ann = bank.account_with(100).await;
    // The end of an append's only statement, its COMMIT, now takes long enough to be cut.
    bank.run_sql(
        "CREATE FUNCTION {s}.slow() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN IF NEW.last_seqs <> OLD.last_seqs THEN PERFORM pg_sleep(1); END IF; RETURN NULL; END'; \
         CREATE CONSTRAINT TRIGGER slow AFTER UPDATE ON {s}.log_head_groups DEFERRABLE INITIALLY DEFERRED \
         FOR EACH ROW EXECUTE FUNCTION {s}.slow()",
    )
    .await;
    let epoch_before = epochs(&bank).await;
    let request_id = bank.request();
    let answer = tokio::spawn({
        let wallet = bank.wallet();
        let act = debit(30);
        let body_hash = contracts::digest::body_hash(&act);
        async move { wallet.submit(Command { request_id, account_id: ann, body_hash, act }).await }
    });
    wait_until("the COMMIT was cut", async || {
        let cut: i64 = sqlx::query_scalar(KILL_OTHERS)
            .bind("WITH advanced%")
            .fetch_one(bank.db.pool())
            .await
            .unwrap_or(0);
        cut > 0
    })
    .await;
    assert_eq!(answer.await.expect("it ends"), Err(WalletError::OutcomeUnknown));
    bank.run_sql("DROP TRIGGER slow ON {s}.log_head_groups").await;
    let again = ask_until_known(&bank, request_id, ann).await;
    assert_eq!(again, Outcome::Accepted);
    assert_eq!(bank.balance(ann).await, (70, 0));
    assert!(epochs(&bank).await > epoch_before, "the writer raised its own epoch");
    bank.assert_books_balance().await;
}

async fn epochs(bank: &Bank) -> i64 {
    sqlx::query_scalar(bank.db.sql("SELECT sum(epoch)::bigint FROM {s}.log_heads"))
        .fetch_one(bank.db.pool())
        .await
        .expect("a sum")
}

/// What a caller does: the same id again until the answer is known.
async fn ask_until_known(bank: &Bank, request_id: RequestId, account_id: ViewerId) -> Outcome {
    let mut known = None;
    wait_until("the outcome is known", async || {
        known = bank.submit_as(request_id, account_id, debit(30)).await.ok().map(|answer| answer.outcome());
        known.is_some()
    })
    .await;
    known.expect("it is known")
}

#[tokio::test]
async fn connections_cut_at_any_moment_lose_and_double_nothing() {
    // At full length, minutes of it.
    let times = if std::env::var_os("LARGESSE_TEST_LONG").is_some() { 100 } else { 1 };
    let bank = Bank::open().await;
    let ann = bank.account_with(100_000_000).await;
    let workers: Vec<_> = (0..8)
        .map(|_| {
            let wallet = bank.wallet();
            tokio::spawn(async move {
                let mut requests = Vec::new();
                for _ in 0..150 * times {
                    let request_id = RequestId::now();
                    let act = debit(30);
                    let body_hash = contracts::digest::body_hash(&act);
                    let command = Command { request_id, account_id: ann, body_hash, act };
                    while wallet.submit(command.clone()).await.is_err() {
                        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                    }
                    requests.push(request_id);
                }
                requests.len()
            })
        })
        .collect();
    let cutter = tokio::spawn({
        let pool = sqlx::PgPool::clone(&bank.db.pool());
        async move {
            for _ in 0..40 * times {
                let _ = sqlx::query_scalar::<_, i64>(KILL_OTHERS).bind("%").fetch_one(&pool).await;
                tokio::time::sleep(std::time::Duration::from_millis(15)).await;
            }
        }
    });
    let mut done = 0;
    for worker in workers {
        done += i64::try_from(worker.await.expect("it ends")).expect("few");
    }
    cutter.await.expect("it ends");
    bank.wait_open().await;
    assert_eq!(done, 1_200 * i64::from(times));
    assert_eq!(bank.balance(ann).await, (100_000_000 - 30 * done, 0));
    bank.assert_books_balance().await;
}

#[tokio::test]
async fn a_full_queue_answers_overloaded_at_once() {
    let mut config = crate::bank::config();
    config.lane_count = 1;
    config.queue_len_max = 4;
    let bank = Bank::open_with(config).await;
    let ann = bank.account_with(100).await;
    let begun: Vec<_> = (0..50)
        .map(|_| {
            let act = debit(1);
            let body_hash = contracts::digest::body_hash(&act);
            bank.wallet().begin(Command { request_id: bank.request(), account_id: ann, body_hash, act })
        })
        .collect();
    let refused = begun.iter().filter(|begun| matches!(begun, Err(WalletError::Overloaded))).count();
    assert_eq!(refused, 46, "four fit, nothing was drained in between");
    let mut accepted = 0;
    for pending in begun.into_iter().flatten() {
        accepted += i64::from(outcome(pending.decision().await) == Outcome::Accepted);
    }
    assert_eq!(bank.balance(ann).await, (100 - accepted, 0));
    bank.assert_books_balance().await;
}
