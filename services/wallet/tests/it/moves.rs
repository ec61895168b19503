//! Invariant under test: while groups of partitions move between the databases of two servers under load, every debit
//! is decided once, in one of them, and a move that is cut off leaves nobody without a home.

use crate::bank::{Bank, account_of, config, wait_until};
use crate::every_payment::EveryPayment;
use crate::nodes::{Load, accounts, persist, share};
use contracts::entry::Outcome;
use contracts::log::LogName;
use contracts::wallet::{Wallet, WalletError};
use ids::{Partition, PartitionGroup, ViewerId, partition_of};
use seqlog::{Appender, AppenderSettings, Ownership, Relaying, TakeOver};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use wallet::{EntriesTable, MoveError, MoveStep, Moved, move_group};

fn group(number: i16) -> PartitionGroup {
    PartitionGroup::try_from(number).expect("there are eight")
}

async fn carry(from: &Bank, to: &Bank, number: i16) -> Result<Moved, MoveError> {
    move_group(&from.db, &to.db, group(number), &|step| println!("group {number}: {step:?}")).await
}

/// Whichever of two banks writes an account.
async fn balance(banks: &[&Bank], account_id: ViewerId) -> i64 {
    for bank in banks {
        if let Ok(view) = bank.wallet().account(account_id).await {
            return view.available.paid_coins.get();
        }
    }
    panic!("nobody holds {account_id:?}");
}

/// Accepted debits of what lies in a database, by its own word.
async fn debits_here(bank: &Bank) -> i64 {
    let debits = "SELECT count(*) FROM {s}.entries e JOIN {s}.log_heads h USING (partition)
        WHERE e.kind = 4 AND e.outcome = 0";
    sqlx::query_scalar(bank.db.sql(debits)).fetch_one(bank.db.pool()).await.expect("a count")
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_move_to_another_server_and_back_under_load_and_every_debit_is_decided_once() {
    let mut config = config();
    config.snapshot_rows = 20; // Snapshots move, too.
    let first = Bank::open_with(config).await;
    let accounts = accounts(&first).await;
    let (server, _own) = testkit::own_postgres().await;
    let second = first.beside(&server, "second", None).await;
    assert_eq!(second.wallet().held(), [], "it takes nothing by itself");
    let load = Load::start(&[&first, &second], &accounts);
    tokio::time::sleep(Duration::from_millis(200)).await; // Something to copy.
    for number in [3, 5] {
        let moved = carry(&first, &second, number).await.expect("it moves");
        assert!(moved.entries >= 8, "each of eight partitions had a recharge: {moved:?}");
        assert!(moved.accounts > 0, "snapshots were written: {moved:?}");
    }
    share(&[&first, &second], &[48, 16]).await;
    carry(&second, &first, 5).await.expect("it moves back");
    share(&[&first, &second], &[56, 8]).await;
    let (accepted, longest) = load.stop().await;
    println!("{accepted} debits; the longest took {longest:?}");
    assert_eq!(debits_here(&first).await + debits_here(&second).await, accepted);
    let mut left = 0;
    for account_id in &accounts {
        left += balance(&[&first, &second], *account_id).await;
    }
    assert_eq!(left, 64_000_000 - accepted);
    first.assert_books_balance().await;
    second.assert_books_balance().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recharges_are_applied_once_while_their_readers_group_moves() {
    let cashier = Arc::new(EveryPayment::default());
    let first = Bank::open_reading(config(), Some(cashier.clone())).await;
    let accounts: Vec<ViewerId> = Partition::all().map(account_of).collect();
    let (server, _own) = testkit::own_postgres().await;
    let second = first.beside(&server, "second", Some(cashier.clone())).await;
    let mut rounds = 0;
    for step in 0..40 {
        cashier.recharge_all(&first.bus, &accounts).await;
        rounds += 1;
        if step == 15 {
            carry(&first, &second, 1).await.expect("it moves");
        }
        if step == 30 {
            carry(&second, &first, 1).await.expect("it moves back");
        }
    }
    carry(&first, &second, 6).await.expect("it moves");
    share(&[&first, &second], &[56, 8]).await;
    wait_until("every recharge is applied", async || {
        cashier.announce(&first.bus).await;
        let mut paid = 0;
        for account_id in &accounts {
            paid += balance(&[&first, &second], *account_id).await;
        }
        paid == rounds * 64
    })
    .await;
    for account_id in &accounts {
        assert_eq!(balance(&[&first, &second], *account_id).await, rounds, "each recharge came once");
    }
    // Where nobody reads on, what moved is seen: how far the reader was.
    let third = first.beside(&testkit::postgres().await, "third", None).await;
    carry(&first, &third, 4).await.expect("it moves");
    let offsets = async |bank: &Bank| -> Vec<(i16, i64)> {
        let offsets =
            "SELECT partition, seq FROM {s}.read_offsets WHERE partition / 8 = 4 ORDER BY partition";
        sqlx::query_as(bank.db.sql(offsets)).fetch_all(bank.db.pool()).await.expect("offsets")
    };
    assert_eq!(offsets(&third).await, offsets(&first).await);
    assert_eq!(offsets(&third).await.len(), 8);
    first.assert_books_balance().await;
    second.assert_books_balance().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_was_cut_off_goes_on_or_is_taken_back() {
    let first = Bank::open().await;
    let accounts = accounts(&first).await;
    let second = first.beside(&testkit::postgres().await, "second", None).await;
    let place = pg::place_of(&second.db.pool());
    let account_id = accounts[group(2).partitions().next().expect("eight of them").index()];
    let nodes = [first.wallet(), second.wallet()];
    // What a move does before it is killed at the worst moment: nobody writes the group.
    let cut_off = async || {
        seqlog::begin_leaving(&first.db, LogName::Entries, group(2), &place).await.expect("it begins");
        seqlog::fence_out(&first.db, LogName::Entries, group(2)).await.expect("it is shut");
        share(&[&first], &[56]).await;
        assert_eq!(second.wallet().held(), [], "it was opened nowhere");
        // Not even by who asks nobody.
        let settings =
            AppenderSettings { ownership: Ownership::undisputed("alone"), relaying: Relaying::Off };
        let mut alone = Appender::new(first.db.clone(), EntriesTable, first.bus.clone(), settings);
        let taken = alone.take_over(partition_of(account_id.uuid())).await.expect("it is asked");
        assert_eq!(taken, TakeOver::NotOurs);
    };
    cut_off().await;
    let refused = nodes[0].list_entries(account_id, None, 10).await;
    assert_eq!(refused.expect_err("it does not lie here"), WalletError::ShardMoved);
    carry(&second, &first, 2).await.expect("it is taken back");
    share(&[&first], &[64]).await;
    assert_eq!(persist(&nodes, account_id).await.0.outcome(), Outcome::Accepted);
    cut_off().await;
    carry(&first, &second, 2).await.expect("it goes on");
    share(&[&first, &second], &[56, 8]).await;
    assert_eq!(persist(&nodes, account_id).await.0.outcome(), Outcome::Accepted);
    assert_eq!(balance(&[&second], account_id).await, 999_998);
    // The node of the old database answers for nothing that it has only an old copy of.
    let (answer, _) = persist(&nodes, account_id).await;
    let request_id = answer.entry.request_id;
    let refused = nodes[0].find_entry(account_id, request_id).await;
    assert_eq!(refused.expect_err("it does not lie here"), WalletError::ShardMoved);
    assert!(nodes[1].find_entry(account_id, request_id).await.expect("it lies here").is_some());
    first.assert_books_balance().await;
    second.assert_books_balance().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_moves_only_from_where_it_lies_to_where_nobody_writes_it() {
    let first = Bank::open().await;
    accounts(&first).await;
    let second = first.beside(&testkit::postgres().await, "second", None).await;
    let third = first.beside(&testkit::postgres().await, "third", None).await;
    let stranger = Bank::open().await;
    accounts(&stranger).await;
    assert!(matches!(carry(&first, &first, 0).await, Err(MoveError::SamePlace(_))));
    assert!(matches!(carry(&first, &stranger, 0).await, Err(MoveError::BothWrite { .. })));
    assert!(matches!(carry(&second, &third, 0).await, Err(MoveError::Elsewhere { .. })));
    carry(&first, &second, 0).await.expect("it moves");
    assert!(matches!(carry(&first, &second, 0).await, Err(MoveError::Elsewhere { .. })), "it has moved");
    assert!(matches!(carry(&first, &third, 0).await, Err(MoveError::Elsewhere { .. })));
    // A move onward that was cut off is no reason to open the first database's old copy again.
    let place = pg::place_of(&third.db.pool());
    seqlog::begin_leaving(&second.db, LogName::Entries, group(0), &place).await.expect("it begins");
    assert!(matches!(carry(&second, &first, 0).await, Err(MoveError::Elsewhere { .. })));
    carry(&second, &third, 0).await.expect("it goes on");
    share(&[&first, &second, &third], &[56, 0, 8]).await;
    third.assert_books_balance().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_moves_of_one_database_do_not_run_at_once() {
    let first = Bank::open().await;
    accounts(&first).await;
    let second = first.beside(&testkit::postgres().await, "second", None).await;
    let mut lock = first.db.pool().acquire().await.expect("a connection");
    let taken = first.db.sql("SELECT pg_advisory_lock(hashtext('{s}.moves'))");
    sqlx::query(taken).execute(&mut *lock).await.expect("the lock of a move");
    assert!(matches!(carry(&first, &second, 4).await, Err(MoveError::Busy(_))));
    sqlx::query("SELECT pg_advisory_unlock_all()").execute(&mut *lock).await.expect("that move is over");
    carry(&first, &second, 4).await.expect("it moves");
    share(&[&first, &second], &[56, 8]).await;
    second.assert_books_balance().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_differs_after_the_copy_stops_the_move_and_the_group_stays() {
    let first = Bank::open().await;
    let account_ids = accounts(&first).await;
    let second = first.beside(&testkit::postgres().await, "second", None).await;
    second
        .run_sql(
            "CREATE FUNCTION {s}.garble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                NEW.paid_after_coins := NEW.paid_after_coins + 1; RETURN NEW; END $$;
             CREATE TRIGGER garble BEFORE INSERT ON {s}.entries FOR EACH ROW EXECUTE FUNCTION {s}.garble()",
        )
        .await;
    assert!(matches!(carry(&first, &second, 7).await, Err(MoveError::Differs { .. })));
    share(&[&first, &second], &[64, 0]).await;
    let account_id = account_ids[group(7).partitions().next().expect("eight of them").index()];
    first.debit(account_id, 1).await.expect("it is decided where it was");
    let steps = Mutex::new(Vec::new());
    second.run_sql("DROP TRIGGER garble ON {s}.entries").await;
    let tell = |step: MoveStep| steps.lock().expect("no panic").push(step);
    move_group(&first.db, &second.db, group(7), &tell).await.expect("it moves");
    let steps = steps.into_inner().expect("no panic");
    assert!(steps.contains(&MoveStep::Opened), "{steps:?}");
    share(&[&first, &second], &[56, 8]).await;
    second.assert_books_balance().await;
}
