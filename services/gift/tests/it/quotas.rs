//! Invariant under test: a viewer or a room over its quota is told so before the wallet is asked, and an SRE changes
//! quotas while gifts come in: on every node, and for those that start later.

use crate::bench::{Bench, Call, Node, ROSE, wait_until};
use crate::store::RoomMood;
use axum::http::StatusCode;
use edge::Role;
use ids::{SendKey, Uuid, ViewerId};
use serde_json::{Value, json};
use std::time::Duration;

async fn change(bench: &Bench, node: &Node, role: Role, path: &str, per_s: u32) -> StatusCode {
    let body = json!({ "per_s": per_s, "burst": 2 });
    let call = Call::put(path).token(&bench.token(role, Uuid::now_v7())).json(&body);
    node.call(call).await.0
}

async fn send(bench: &Bench, node: &Node, viewer: ViewerId) -> (StatusCode, Value) {
    bench.send(node, viewer, SendKey::now(), bench.body(ROSE, 1)).await
}

#[tokio::test]
async fn a_viewer_over_the_quota_is_told_when_to_come_back_and_pays_nothing() {
    let bench = Bench::open().await;
    let node = bench.start().await;
    let (viewer, other) = (ViewerId::now(), ViewerId::now());
    for viewer in [viewer, other] {
        bench.wallet.give(viewer, 1_000, 0).await;
    }
    for _ in 0..3 {
        assert_eq!(send(&bench, &node, viewer).await.0, StatusCode::CREATED, "there is no quota yet");
    }
    // Refused as soon as three come within a second, which a slow machine may not reach at once.
    assert_eq!(change(&bench, &node, Role::Sre, "/internal/quotas/viewer", 1).await, StatusCode::OK);
    let mut sent = 3;
    let refused = loop {
        let (status, answer) = send(&bench, &node, viewer).await;
        if status != StatusCode::CREATED || sent == 60 {
            break (status, answer);
        }
        sent += 1;
    };
    assert_eq!(refused.0, StatusCode::TOO_MANY_REQUESTS, "{}", refused.1);
    assert_eq!(refused.1["type"], "/problems/viewer-quota");
    assert_eq!(refused.1["retry_after_s"], 1);
    assert_eq!(
        bench.wallet.balance(viewer).paid_coins.get(),
        1_000 - 10 * sent,
        "a refused gift costs nothing"
    );
    assert_eq!(send(&bench, &node, other).await.0, StatusCode::CREATED, "a quota is each viewer's own");
    let own = format!("/internal/quotas/viewer/{viewer}");
    assert_eq!(change(&bench, &node, Role::Sre, &own, 0).await, StatusCode::OK);
    assert_eq!(send(&bench, &node, viewer).await.0, StatusCode::CREATED, "this one may as much as it likes");
}

#[tokio::test]
async fn a_room_over_the_quota_takes_no_gifts_of_anybody_until_it_is_lifted() {
    let bench = Bench::open().await;
    let node = bench.start().await;
    assert_eq!(change(&bench, &node, Role::Sre, "/internal/quotas/room", 1).await, StatusCode::OK);
    let mut answers = Vec::new();
    for _ in 0..40 {
        let viewer = ViewerId::now();
        bench.wallet.give(viewer, 100, 0).await;
        answers.push(send(&bench, &node, viewer).await);
    }
    assert!(answers[..2].iter().all(|(status, _)| *status == StatusCode::CREATED), "{answers:?}");
    let refused = answers.iter().find(|(status, _)| *status != StatusCode::CREATED).expect("one is refused");
    assert_eq!(
        (refused.0, &refused.1["type"]),
        (StatusCode::TOO_MANY_REQUESTS, &"/problems/room-quota".into())
    );
    assert_eq!(change(&bench, &node, Role::Sre, "/internal/quotas/room", 0).await, StatusCode::OK);
    for _ in 0..5 {
        let viewer = ViewerId::now();
        bench.wallet.give(viewer, 100, 0).await;
        assert_eq!(send(&bench, &node, viewer).await.0, StatusCode::CREATED);
    }
}

#[tokio::test]
async fn all_viewers_of_a_tenant_share_its_quota_and_others_do_not_feel_it() {
    let bench = Bench::open().await;
    let node = bench.start().await;
    let (tenant, other) = (Uuid::now_v7(), Uuid::now_v7());
    assert_eq!(change(&bench, &node, Role::Sre, "/internal/quotas/tenant", 1).await, StatusCode::OK);
    let send_of = async |tenant: Uuid| {
        let viewer = ViewerId::now();
        bench.wallet.give(viewer, 100, 0).await;
        let call = Call::post("/v1/gift-orders").token(&bench.token_of(tenant, viewer)).key(SendKey::now());
        node.call(call.json(&bench.body(ROSE, 1))).await
    };
    // Refused as soon as three come within a second, which a slow machine may not reach at once.
    let mut refused = None;
    for _ in 0..60 {
        let (status, answer) = send_of(tenant).await;
        if status != StatusCode::CREATED {
            refused = Some((status, answer["type"].clone()));
            break;
        }
    }
    assert_eq!(refused, Some((StatusCode::TOO_MANY_REQUESTS, "/problems/tenant-quota".into())));
    assert_eq!(send_of(other).await.0, StatusCode::CREATED, "a quota is each tenant's own");
    let viewer = ViewerId::now();
    bench.wallet.give(viewer, 1_000, 0).await;
    for _ in 0..5 {
        assert_eq!(
            send(&bench, &node, viewer).await.0,
            StatusCode::CREATED,
            "nobody's viewer has no such quota"
        );
    }
}

#[tokio::test]
async fn only_an_sre_changes_a_quota_and_only_to_one_that_can_be_counted() {
    let bench = Bench::open().await;
    let node = bench.start().await;
    for role in [Role::Viewer, Role::Finance, Role::Internal] {
        let status = change(&bench, &node, role, "/internal/quotas/viewer", 1).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{role:?}");
    }
    let status = change(&bench, &node, Role::Sre, "/internal/quotas/planet", 1).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let call = Call::put("/internal/quotas/viewer").token(&bench.token(Role::Sre, Uuid::now_v7()));
    let (status, problem) = node.call(call.json(&json!({ "per_s": 1, "burst": 0 }))).await;
    assert_eq!((status, &problem["type"]), (StatusCode::UNPROCESSABLE_ENTITY, &"/problems/bad-quota".into()));
    let viewer = ViewerId::now();
    bench.wallet.give(viewer, 100, 0).await;
    for _ in 0..5 {
        assert_eq!(send(&bench, &node, viewer).await.0, StatusCode::CREATED, "nothing was changed");
    }
}

/// Whether somebody new is refused within a few gifts. Refused as soon as three come within a second.
async fn refuses(bench: &Bench, node: &Node) -> bool {
    let viewer = ViewerId::now();
    bench.wallet.give(viewer, 1_000, 0).await;
    for _ in 0..12 {
        if send(bench, node, viewer).await.0 == StatusCode::TOO_MANY_REQUESTS {
            return true;
        }
    }
    false
}

async fn limits(bench: &Bench, node: &Node) -> Value {
    let call = Call::get("/internal/quotas").token(&bench.token(Role::Sre, Uuid::now_v7()));
    let (status, list) = node.call(call).await;
    assert_eq!(status, StatusCode::OK, "{list}");
    list["limits"].clone()
}

#[tokio::test]
async fn a_quota_set_on_one_node_holds_on_every_node_and_on_one_that_starts_later() {
    let mut bench = Bench::open().await;
    let first = bench.start().await;
    bench.node = "node-2".to_owned();
    let second = bench.start().await;
    assert!(!refuses(&bench, &second).await, "nobody has set a quota");
    let free = ViewerId::now();
    let path = format!("/internal/quotas/viewer/{free}");
    assert_eq!(change(&bench, &first, Role::Sre, "/internal/quotas/viewer", 1).await, StatusCode::OK);
    assert_eq!(change(&bench, &first, Role::Sre, &path, 0).await, StatusCode::OK);
    wait_until("the other node refuses", async || refuses(&bench, &second).await).await;

    first.stop().await;
    second.stop().await;
    bench.node = "node-3".to_owned();
    let third = bench.start().await;
    let expected = json!([
        { "scope": "viewer", "id": null, "per_s": 1, "burst": 2 },
        { "scope": "viewer", "id": free, "per_s": 0, "burst": 2 },
    ]);
    assert_eq!(limits(&bench, &third).await, expected);
    wait_until("the node that came later refuses", async || refuses(&bench, &third).await).await;
    bench.wallet.give(free, 1_000, 0).await;
    for _ in 0..12 {
        assert_eq!(send(&bench, &third, free).await.0, StatusCode::CREATED, "this one may any number");
    }
    let sre = bench.token(Role::Sre, Uuid::now_v7());
    for path in ["/internal/quotas/viewer", path.as_str()] {
        assert_eq!(third.call(Call::delete(path).token(&sre)).await.0, StatusCode::NO_CONTENT);
    }
    assert!(!refuses(&bench, &third).await, "it is as the configuration says again");
    assert_eq!(limits(&bench, &third).await, json!([]));
}

#[tokio::test]
async fn a_quota_of_the_nil_id_is_refused_and_bounds_nobody() {
    let bench = Bench::open().await;
    let node = bench.start().await;
    let path = format!("/internal/quotas/viewer/{}", Uuid::nil());
    assert_eq!(change(&bench, &node, Role::Sre, &path, 1).await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(bench.count("SELECT count(*) FROM {s}.limits").await, 0);
    assert!(!refuses(&bench, &node).await);
}

#[tokio::test]
async fn a_quota_holds_over_all_nodes_and_each_counts_for_itself_while_the_cache_is_away() {
    let mut bench = Bench::open().await;
    let (first, viewer) = (bench.start().await, ViewerId::now());
    bench.node = "node-2".to_owned();
    let second = bench.start().await;
    bench.wallet.give(viewer, 10_000, 0).await;
    let quota = json!({ "per_s": 1, "burst": 30 });
    let sre = bench.token(Role::Sre, Uuid::now_v7());
    for node in [&first, &second] {
        let set = Call::put("/internal/quotas/viewer").token(&sre).json(&quota);
        assert_eq!(node.call(set).await.0, StatusCode::OK);
    }
    let is_refused = async |node: &Node| send(&bench, node, viewer).await.0 == StatusCode::TOO_MANY_REQUESTS;
    let mut sent = 0;
    while !is_refused(&first).await {
        sent += 1;
        assert!(sent <= 60, "the first node never refused");
    }
    // The other has 30 of its own, and learns with the first of them that there are none.
    let began = std::time::Instant::now();
    let mut by_second = 0;
    while !is_refused(&second).await {
        by_second += 1;
        assert!(by_second < 25, "the second node did not learn what the first let through");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("{sent} by the first; {by_second} by the second within {:?}", began.elapsed());
    // Without the cache, a node counts what it sees itself.
    bench.rooms.set_mood(RoomMood::Failing);
    let other = ViewerId::now();
    bench.wallet.give(other, 10_000, 0).await;
    for node in [&first, &second] {
        for _ in 0..10 {
            assert_eq!(send(&bench, node, other).await.0, StatusCode::CREATED);
        }
    }
}
