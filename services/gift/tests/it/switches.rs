//! Invariant under test: what is switched on one node holds on every node, and never undoes what was accepted.

use crate::bench::{BOX, Bench, Call, Node, ROSE, wait_until};
use axum::http::StatusCode;
use edge::Role;
use ids::{SendKey, Uuid, ViewerId};
use serde_json::{Value, json};

/// Two nodes over one database and one cache.
async fn two() -> (Bench, Node, Node) {
    let mut bench = Bench::open().await;
    let first = bench.start().await;
    bench.node = "node-2".to_owned();
    let second = bench.start().await;
    (bench, first, second)
}

async fn set(bench: &Bench, node: &Node, name: &str, value: Value) -> (StatusCode, Value) {
    let token = bench.token(Role::Sre, Uuid::now_v7());
    node.call(Call::post("/v1/switches").token(&token).json(&json!({"name": name, "value": value}))).await
}

async fn state_of(bench: &Bench, node: &Node, name: &str) -> (u64, bool) {
    let token = bench.token(Role::Sre, Uuid::now_v7());
    let (status, list) = node.call(Call::get("/v1/switches").token(&token)).await;
    assert_eq!(status, StatusCode::OK, "{list}");
    let switches = list["switches"].as_array().expect("a list");
    let found = switches.iter().find(|one| one["name"] == name).expect("the switch");
    (found["value"].as_u64().expect("a number"), found["by_hand"].as_bool().expect("a word"))
}

async fn sees(bench: &Bench, node: &Node, name: &str, state: (u64, bool)) {
    wait_until("the node sees the switch", async || state_of(bench, node, name).await == state).await;
}

#[tokio::test]
async fn blind_boxes_switched_off_on_one_node_are_refused_by_every_node_and_repeats_are_not() {
    let (bench, first, second) = two().await;
    let viewer = ViewerId::now();
    bench.wallet.give(viewer, 1_000, 0).await;
    let key = SendKey::now();
    let (status, sent) = bench.send(&second, viewer, key, bench.body(BOX, 1)).await;
    assert_eq!(status, StatusCode::CREATED, "{sent}");
    assert_eq!(state_of(&bench, &first, "blind_boxes").await, (1, false));

    let (status, list) = set(&bench, &first, "blind_boxes", json!(0)).await;
    assert_eq!(status, StatusCode::OK, "{list}");
    assert_eq!(state_of(&bench, &first, "blind_boxes").await, (0, true), "the node that was asked has it");
    sees(&bench, &second, "blind_boxes", (0, true)).await;
    for node in [&first, &second] {
        let (status, refused) = bench.send(node, viewer, SendKey::now(), bench.body(BOX, 1)).await;
        assert_eq!((status.as_u16(), &refused["type"]), (422, &json!("/problems/gift-off-shelf")));
        let (status, sent) = bench.send(node, viewer, SendKey::now(), bench.body(ROSE, 1)).await;
        assert_eq!(status, StatusCode::CREATED, "other gifts go on: {sent}");
    }
    let (status, again) = bench.send(&second, viewer, key, bench.body(BOX, 1)).await;
    assert_eq!((status, &again["order_id"]), (StatusCode::OK, &sent["order_id"]), "{again}");

    let token = bench.token(Role::Sre, Uuid::now_v7());
    let clear = Call::delete("/v1/switches/blind_boxes").token(&token);
    assert_eq!(second.call(clear).await.0, StatusCode::OK);
    sees(&bench, &first, "blind_boxes", (1, false)).await;
    let (status, sent) = bench.send(&first, viewer, SendKey::now(), bench.body(BOX, 1)).await;
    assert_eq!(status, StatusCode::CREATED, "{sent}");
}

#[tokio::test]
async fn a_limit_set_on_one_node_bounds_the_watchers_of_the_other() {
    let (bench, first, second) = two().await;
    assert_eq!(set(&bench, &first, "room_subscribers_max", json!(0)).await.0, StatusCode::OK);
    sees(&bench, &second, "room_subscribers_max", (0, true)).await;
    let (status, refused) = second.call(Call::get(format!("/v1/rooms/{}/events", bench.room))).await;
    assert_eq!((status.as_u16(), &refused["type"]), (503, &json!("/problems/too-many-subscribers")));
}

#[tokio::test]
async fn values_and_names_that_are_none_are_refused_and_nothing_is_switched() {
    let bench = Bench::open().await;
    let node = bench.start().await;
    for (name, value, status, slug) in [
        ("blind_boxes", json!(2), 422, "bad-switch"),
        ("blind_boxes", json!(-1), 422, "bad-switch"),
        ("room_subscribers_max", json!(1_000_001), 422, "bad-switch"),
        ("room_subscribers_max", json!("many"), 400, "field-invalid"),
        ("red_boxes", json!(1), 400, "field-invalid"),
    ] {
        let (seen, problem) = set(&bench, &node, name, value.clone()).await;
        let expected = json!(format!("/problems/{slug}"));
        assert_eq!((seen.as_u16(), &problem["type"]), (status, &expected), "{name} {value}: {problem}");
    }
    let viewer = bench.token(Role::Viewer, Uuid::now_v7());
    let body = json!({"name": "blind_boxes", "value": 0});
    let (status, _) = node.call(Call::post("/v1/switches").token(&viewer).json(&body)).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(bench.count("SELECT count(*) FROM {s}.switches").await, 0);
    assert_eq!(state_of(&bench, &node, "blind_boxes").await, (1, false));
}
