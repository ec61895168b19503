//! Invariant under test: the table says who is there, and its version moves when that changes and never else.

use crate::fleet::{BOUND, Fleet, url};
use routes::LISTED_MAX;
use std::time::{Duration, Instant};

/// Renewals after which a version that moves with them has moved.
const RENEWALS: u64 = 10;

#[tokio::test]
async fn renewals_move_no_version_and_nobody_reads_the_list_again() {
    let fleet = Fleet::open().await;
    let follower = fleet.follower("gift-1").await;
    let _listing = fleet.list("wallet-1", 7001).await;
    follower.until_asks(&[1, 7001]).await;
    let (version, loads) = (fleet.version().await, follower.routes.loads());
    let (began, mut known, mut renewals) = (Instant::now(), fleet.listed_until_ms().await, 0);
    while renewals < RENEWALS {
        assert!(began.elapsed() < BOUND, "{renewals} renewals were seen");
        tokio::time::sleep(Duration::from_millis(20)).await;
        let now = fleet.listed_until_ms().await;
        renewals += u64::from(now > known);
        known = now;
    }
    assert_eq!(fleet.version().await, version, "the list did not change");
    // A publisher that stalled for longer than its lease reads once more.
    let again = follower.routes.loads() - loads;
    assert!(again <= 1, "it was read {again} times more for {RENEWALS} renewals");
    assert_eq!(follower.routes.view().version, version);
}

#[tokio::test]
async fn a_process_that_is_gone_without_a_word_is_off_the_list_after_its_time_and_not_before() {
    let fleet = Fleet::open().await;
    let follower = fleet.follower("gift-1").await;
    let stays = fleet.list("wallet-1", 7001).await;
    fleet.until_listed(&[("wallet-1", 7001)]).await;
    let since = fleet.since("wallet-1").await;
    let fleet = fleet.expiring(Duration::from_secs(4));
    let killed = fleet.list("wallet-2", 7002).await;
    follower.until_asks(&[1, 7001, 7002]).await;
    drop(killed);
    let sql = "SELECT listed_until < clock_timestamp() FROM {s}.nodes WHERE service = 'wallet' AND node = 'wallet-2'";
    let is_over = async || -> Option<bool> {
        let found = sqlx::query_scalar(fleet.db.sql(sql)).fetch_optional(fleet.db.pool()).await;
        found.expect("the database answers")
    };
    // As long as its time runs it is there: whoever takes it off must find that it has run out.
    let began = Instant::now();
    let mut was_there = 0;
    while let Some(over) = is_over().await {
        was_there += usize::from(!over);
        assert!(began.elapsed() < BOUND, "it is still listed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(was_there > 0, "it was taken off before its time");
    follower.until_asks(&[1, 7001]).await;
    assert_eq!(
        fleet.since("wallet-1").await,
        since,
        "one that is there was taken off, too, and had to come again"
    );
    drop(stays);
}

#[tokio::test]
async fn a_node_that_starts_again_elsewhere_is_found_there_and_the_old_process_does_not_take_the_name_back() {
    let fleet = Fleet::open().await;
    let follower = fleet.follower("gift-1").await;
    let old = fleet.list("wallet-1", 7001).await;
    follower.until_asks(&[1, 7001]).await;
    let new = fleet.list("wallet-1", 7002).await;
    follower.until_asks(&[1, 7002]).await;
    let version = fleet.version().await;
    let (began, known) = (Instant::now(), fleet.listed_until_ms().await);
    while fleet.listed_until_ms().await < known + 1_000 {
        assert!(began.elapsed() < BOUND, "the new process does not say that it is there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        (fleet.version().await, fleet.wallets().await),
        (version, vec![("wallet-1".to_owned(), 7002)])
    );
    // The old one's end takes nothing from the new one.
    old.leave().await;
    fleet.until_listed(&[("wallet-1", 7002)]).await;
    new.leave().await;
    fleet.until_listed(&[]).await;
    follower.until_asks(&[1]).await;
}

#[tokio::test]
async fn a_process_whose_row_was_taken_away_lists_itself_again() {
    let fleet = Fleet::open().await;
    let follower = fleet.follower("gift-1").await;
    let _listing = fleet.list("wallet-1", 7001).await;
    follower.until_asks(&[1, 7001]).await;
    let version = fleet.version().await;
    // As a promotion does that loses the last change: the row is gone, and so is the version's last step.
    let mut tx = fleet.db.begin().await.expect("begins");
    sqlx::query(fleet.db.sql("DELETE FROM {s}.nodes")).execute(&mut *tx).await.expect("deleted");
    sqlx::query(fleet.db.sql("UPDATE {s}.versions SET version = 1"))
        .execute(&mut *tx)
        .await
        .expect("set back");
    tx.commit().await.expect("committed");
    fleet.until_listed(&[("wallet-1", 7001)]).await;
    let again = fleet.version().await;
    assert!(again > version, "version {again} came before, as {version} did");
}

#[tokio::test]
async fn more_nodes_than_a_process_speaks_to_are_not_listed() {
    let fleet = Fleet::open().await;
    let crowd = "
        INSERT INTO {s}.nodes (service, node, instance, url, listed_until, seal)
        SELECT 'wallet', 'crowd-' || n, gen_random_uuid(), 'http://127.0.0.1:' || n, now() + interval '1 hour',
            repeat('0', 64)
        FROM generate_series(1, $1) AS n";
    let count = i32::try_from(LISTED_MAX).expect("a small number");
    let made = sqlx::query(fleet.db.sql(crowd)).bind(count).execute(fleet.db.pool()).await;
    made.expect("as many as may be");
    let version = fleet.version().await;
    let listing = fleet.list("one-more", 7001).await;
    tokio::time::sleep(fleet.settings.renew_every * 3).await; // It tries, and tries again.
    assert_eq!((fleet.version().await, fleet.wallets().await.len()), (version, LISTED_MAX));
    let one_left = "DELETE FROM {s}.nodes WHERE node = 'crowd-1'";
    sqlx::query(fleet.db.sql(one_left)).execute(fleet.db.pool()).await.expect("one left");
    let began = Instant::now();
    while !fleet.wallets().await.iter().any(|(node, _)| node == "one-more") {
        assert!(began.elapsed() < BOUND, "there is room, and it is not listed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    listing.leave().await;
}

#[tokio::test]
async fn what_is_no_address_of_a_process_is_not_stored() {
    let fleet = Fleet::open().await;
    let insert = "
        INSERT INTO {s}.nodes (service, node, instance, url, listed_until, seal)
        VALUES ('wallet', 'odd', gen_random_uuid(), $1, now() + interval '1 hour', repeat('0', 64))";
    for bad in ["", "file:///etc/passwd", "http://u:p@a:1", "http://a:1/x", "http://a:1?x=1", "http://a b:1"]
    {
        let stored = sqlx::query(fleet.db.sql(insert)).bind(bad).execute(fleet.db.pool()).await;
        assert!(stored.is_err(), "{bad} was stored");
    }
    let good = sqlx::query(fleet.db.sql(insert)).bind(url(7001).as_str()).execute(fleet.db.pool()).await;
    good.expect("an address is stored");
}
