//! The stack as separate processes on real servers.
//!
//! Invariant under test: whatever happens to one process, no acknowledged gift is lost, none is charged twice, and
//! the books close.

use crate::evening::{Evening, READY_WITHIN};
use sqlx::PgConnection;
use std::time::{Duration, Instant};

/// The wallet node that holds most shards.
async fn busiest_wallet(connection: &mut PgConnection) -> String {
    let sql = "SELECT owner FROM wallet.log_heads WHERE log = 'wallet.entries'
               GROUP BY owner ORDER BY count(*) DESC LIMIT 1";
    sqlx::query_scalar(sql).fetch_one(connection).await.expect("somebody holds shards")
}

async fn shards_of(connection: &mut PgConnection, node: &str) -> i64 {
    let sql = "SELECT count(*) FROM wallet.log_heads WHERE log = 'wallet.entries' AND owner = $1";
    sqlx::query_scalar(sql).bind(node).fetch_one(connection).await.expect("a count")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_node_killed_in_the_middle_of_an_evening_costs_time_and_no_gift() {
    let mut evening = Evening::begin(1).await;
    let mut connection = evening.connect().await.expect("the database");
    let victim = busiest_wallet(&mut connection).await;
    let shards = shards_of(&mut connection, &victim).await;
    evening.cluster().kill(&victim).unwrap_or_else(|error| panic!("{error}"));
    let killed_at = Instant::now();
    while shards_of(&mut connection, &victim).await > 0 {
        assert!(killed_at.elapsed() < Duration::from_secs(30), "{victim}'s shards were not taken over");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("{victim} was killed with {shards} shards; all taken over after {:?}", killed_at.elapsed());
    evening
        .act(move |cluster| {
            cluster.start_again(&victim)?;
            cluster.wait_ready_of(&victim, READY_WITHIN)
        })
        .await;
    evening.end("a wallet node killed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_told_to_stop_in_the_middle_of_an_evening_cost_no_gift_more_than_one_more_try() {
    let mut evening = Evening::begin(1).await;
    for node in ["wallet-1", "gift-1", "wallet-2", "gift-2"] {
        let told_at = Instant::now();
        evening.act(move |cluster| cluster.terminate(node)).await;
        println!("{node} has handed over and ended after {:?}", told_at.elapsed());
        evening
            .act(move |cluster| {
                cluster.start_again(node)?;
                cluster.wait_ready_of(node, READY_WITHIN)
            })
            .await;
    }
    let told = evening.end("four nodes told to stop").await;
    assert!(told.tries_max <= 2, "a gift was sent {} times", told.tries_max);
}
