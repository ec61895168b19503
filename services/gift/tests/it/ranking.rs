//! What rooms were given: rankings and counts, from the cache, from memory, and from the rows alone.

use crate::bench::{Bench, Call, Node, ROSE, wait_until};
use crate::store::RoomMood;
use axum::http::StatusCode;
use ids::{OrderId, SendKey, ViewerId};
use serde_json::{Value, json};
use std::sync::Arc;

async fn ranking(bench: &Bench, node: &Node) -> Value {
    let (status, ranking) = node.call(Call::get(format!("/v1/rooms/{}/ranks", bench.room))).await;
    assert_eq!(status, StatusCode::OK, "{ranking}");
    ranking
}

fn shows(ranking: &Value, coins: i64, gifts: i64) -> bool {
    ranking["ranks"][0]["coins"] == coins && ranking["gift_count"] == gifts
}

async fn wait_for(bench: &Bench, node: &Node, coins: i64, gifts: i64) {
    let what = format!("{coins} coins in {gifts} gifts");
    wait_until(&what, || async { shows(&ranking(bench, node).await, coins, gifts) }).await;
}

async fn rich_viewer(bench: &Bench) -> ViewerId {
    let viewer = ViewerId::now();
    bench.wallet.give(viewer, 1_000, 0).await;
    viewer
}

async fn send(bench: &Bench, node: &Node, viewer: ViewerId, quantity: u32) -> OrderId {
    let key = SendKey::now();
    let (status, sent) = bench.send(node, viewer, key, bench.body(ROSE, quantity)).await;
    assert_eq!(status, StatusCode::CREATED, "{sent}");
    OrderId::of(viewer, key)
}

/// Reads a ranking until that asks the store for nothing.
async fn heat(bench: &Bench, node: &Node) {
    wait_until("the room is hot", || async {
        let before = bench.rooms.untracked_reads();
        for _ in 0..20 {
            ranking(bench, node).await;
        }
        bench.rooms.untracked_reads() == before
    })
    .await;
}

/// What becomes hot is served from memory for a minute, unless a change is heard.
async fn heated_bench() -> Bench {
    let mut bench = Bench::open().await;
    (bench.config.hot_per_s, bench.config.hot_stale_max_ms) = (10, 60_000);
    bench
}

#[tokio::test]
async fn a_hot_room_is_read_from_memory_and_shows_the_next_gift() {
    let bench = heated_bench().await;
    let node = bench.start().await;
    let viewer = rich_viewer(&bench).await;
    send(&bench, &node, viewer, 4).await;
    wait_for(&bench, &node, 40, 4).await;
    heat(&bench, &node).await;
    let tables = node.hot_tables();
    let hot = |shelf| {
        let of_shelf = tables.iter().filter(move |table| table.shelf == shelf);
        of_shelf.flat_map(|table| &table.rows).filter(|row| row.hot).count()
    };
    assert_eq!(hot(cache::Shelf::Rank), 1, "{tables:?}");
    send(&bench, &node, viewer, 3).await;
    wait_for(&bench, &node, 70, 7).await;
}

#[tokio::test]
async fn a_node_sees_what_it_ranked_itself_without_being_told() {
    let bench = heated_bench().await;
    bench.rooms.tell_nobody();
    let node = bench.start().await;
    let viewer = rich_viewer(&bench).await;
    send(&bench, &node, viewer, 4).await;
    let coins = || async { ranking(&bench, &node).await["ranks"][0]["coins"].clone() };
    wait_until("the first gift", || async { coins().await == 40 }).await;
    heat(&bench, &node).await;
    send(&bench, &node, viewer, 3).await;
    wait_until("the second gift", || async { coins().await == 70 }).await;
}

#[tokio::test]
async fn gifts_that_were_refunded_stay_counted_and_a_cache_that_forgot_is_filled_from_the_rows() {
    let mut bench = Bench::open().await;
    let node = bench.start().await;
    let (ann, bob) = (rich_viewer(&bench).await, rich_viewer(&bench).await);
    send(&bench, &node, ann, 4).await;
    let order_id = send(&bench, &node, bob, 5).await;
    wait_for(&bench, &node, 50, 9).await;
    bench.finance_refund(&node, order_id).await;
    wait_for(&bench, &node, 40, 9).await;
    node.stop().await;
    bench.rooms = Arc::default();
    let node = bench.start().await;
    wait_for(&bench, &node, 40, 9).await;
}

#[tokio::test]
async fn a_stop_writes_what_was_counted_last() {
    let mut bench = Bench::open().await;
    bench.config.counters_write_ms = 60_000;
    let node = bench.start().await;
    let viewer = rich_viewer(&bench).await;
    send(&bench, &node, viewer, 4).await;
    wait_for(&bench, &node, 40, 0).await;
    node.stop().await;
    let node = bench.start().await;
    wait_for(&bench, &node, 40, 4).await;
}

#[tokio::test]
async fn a_cache_that_is_away_costs_the_ranking_and_no_gift() {
    let bench = Bench::open().await;
    let node = bench.start().await;
    let viewer = rich_viewer(&bench).await;
    send(&bench, &node, viewer, 4).await;
    wait_for(&bench, &node, 40, 4).await;
    bench.rooms.set_mood(RoomMood::Failing);
    let away = ranking(&bench, &node).await;
    assert_eq!((&away["ranks"], away.get("gift_count")), (&json!([]), None), "{away}");
    send(&bench, &node, viewer, 3).await;
    bench.rooms.set_mood(RoomMood::Well);
    wait_until("the ranking is back", || async {
        ranking(&bench, &node).await["gift_count"].as_i64() >= Some(4)
    })
    .await;
    bench.settle().await;
    bench.assert_books_balance().await;
}

#[tokio::test]
async fn a_setting_out_of_its_range_is_refused_by_name() {
    let mut bench = Bench::open().await;
    bench.config.hot_per_s = 1;
    let refused = bench.refused_start().await;
    assert!(refused.contains("hot_per_s is out of its range"), "{refused}");
}
