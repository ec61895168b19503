//! Invariant under test: books that are whole pass, with the figures they have; what is not there is said.

use crate::by_hand::Books;
use books::{BooksError, catch_up_gaps, check};

#[tokio::test]
async fn whole_books_pass_with_a_figure_in_each_line() {
    let books = Books::whole().await;
    let report = books.check().await;
    let failed: Vec<_> = report.invariants.iter().filter(|line| !line.passed).collect();
    assert!(report.passed, "{failed:#?}");
    assert_eq!(report.skipped, Vec::<String>::new());
    let figure = |name: &str| {
        let line = report.invariants.iter().find(|line| line.name == name);
        line.unwrap_or_else(|| panic!("there is no line {name}")).figure.clone()
    };
    assert_eq!(
        figure("paid-coins-are-conserved"),
        "credited 1000 + returned 500 = available 400 + on hold 100 + spent 600 + expired 0 + withdrawn 400"
    );
    assert_eq!(figure("no-gap-in-wallet-entries"), "11 rows in 1 partitions");
    assert_eq!(figure("each-accepted-debit-has-one-order"), "3 accepted debits, 3 orders");
    assert_eq!(figure("entries-agree-with-orders"), "5 facts of 1150 coins");
    assert_eq!(figure("contracts-are-those-that-were-approved"), "3 contracts and face values");
    assert_eq!(
        figure("paid-coins-in-wallets-equal-2205-01"),
        "account 2205.01 50000000, sub-ledger 50000000"
    );
    assert_eq!(figure("trial-balance-is-zero"), "debits 518000000 − credits 518000000 = 0");
    assert!(report.invariants.iter().all(|line| !line.figure.is_empty()));
}

#[tokio::test]
async fn a_schema_that_is_not_there_is_skipped_and_said_so() {
    let books = Books::empty().await;
    books.migrate("wallet").await;
    let report = books.check().await;
    assert!(report.passed);
    assert_eq!(report.skipped, ["cashier", "gift", "settlement", "clearing"]);
    assert_eq!(report.invariants.len(), 8);
}

#[tokio::test]
async fn no_books_at_all_are_not_in_order() {
    let books = Books::empty().await;
    assert!(matches!(check(&books.source()).await, Err(BooksError::NoBooks)));
}

#[tokio::test]
async fn a_reader_that_never_saw_a_partition_lags_by_all_of_it() {
    let books = Books::whole().await;
    books.run("UPDATE wallet.log_head_groups SET epochs[7] = 1, last_seqs[7] = 40").await;
    let gaps = catch_up_gaps(&books.source()).await.expect("reads");
    let behind: Vec<_> =
        gaps.iter().filter(|gap| gap.lag_rows > 0).map(|gap| (&*gap.reader, gap.lag_rows)).collect();
    assert_eq!(behind, [("gift.orders", 40), ("clearing.entries", 40)]);
}

#[tokio::test]
async fn a_retired_day_is_still_proven_until_it_is_dropped() {
    let books = Books::whole().await;
    let before = books.check().await;
    books
        .run(
            "ALTER TABLE wallet.entries DETACH PARTITION wallet.entries_all;
             ALTER TABLE wallet.entries_all RENAME TO entries_y20260301;
             CREATE SCHEMA wallet_retired; ALTER TABLE wallet.entries_y20260301 SET SCHEMA wallet_retired",
        )
        .await;
    assert_eq!(books.check().await, before);
    books.run("UPDATE wallet_retired.entries_y20260301 SET paid_after_coins = 401 WHERE seq = 11").await;
    assert!(books.failures().await.contains(&"every-balance-is-the-sum-of-its-entries".to_owned()));
    books.run("DROP TABLE wallet_retired.entries_y20260301").await;
    assert!(books.failures().await.contains(&"no-gap-in-wallet-entries".to_owned()));
}

#[tokio::test]
async fn a_group_that_lies_elsewhere_is_named_until_its_database_is() {
    let (here, there) = (Books::whole().await, Books::whole().await);
    here.run("UPDATE wallet.log_head_groups SET moved_to = 'there'").await;
    assert!(here.failures().await.contains(&"each-wallet-group-in-one-database".to_owned()));
    let both = here.source().with_wallet_elsewhere(vec![there.pool.clone()]);
    let report = check(&both).await.expect("the books can be read");
    assert!(report.passed, "{report:#?}");
    here.run("UPDATE wallet.log_head_groups SET moved_to = NULL").await;
    let report = check(&both).await.expect("the books can be read");
    let twice = report.invariants.iter().find(|line| line.name == "each-wallet-group-in-one-database");
    assert!(!twice.expect("the line is there").passed, "it lies in both");
}
