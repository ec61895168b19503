//! Sending over HTTP: what is answered, what is refused, and that nothing is charged twice.

use crate::bench::{Bench, CLAP, Call, GONE, Node, ROSE, wait_until};
use crate::fake_wallet::Mood;
use axum::http::StatusCode;
use contracts::catalogue::RoomState;
use edge::Role;
use ids::{OrderId, RoomId, SendKey, Uuid, ViewerId};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::time::Duration;

async fn open() -> (Bench, Node, ViewerId) {
    let bench = Bench::open().await;
    let node = bench.start().await;
    let viewer = ViewerId::now();
    bench.wallet.give(viewer, 100, 0).await;
    (bench, node, viewer)
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer_and_shows_nothing() {
    let (bench, node, viewer) = open().await;
    let key = SendKey::now();
    let (status, first) = bench.send(&node, viewer, key, bench.body(ROSE, 2)).await;
    assert_eq!((status, &first["replay"]), (StatusCode::CREATED, &"first".into()));
    assert_eq!(first["available"], json!({"paid_coins": 80, "promo_coins": 0}));
    bench.wallet.give(viewer, 7, 0).await;
    let (status, mut again) = bench.send(&node, viewer, key, bench.body(ROSE, 2)).await;
    assert_eq!((status, &again["replay"]), (StatusCode::OK, &"replayed".into()));
    again["replay"] = "first".into();
    assert_eq!(again, first, "what is answered comes from the stored entry");
    bench.settle().await;
    assert_eq!(bench.rooms.shown(OrderId::of(viewer, key)).len(), 1);
    assert_eq!(bench.wallet.balance(viewer).paid_coins.get(), 87);
}

#[tokio::test]
async fn a_key_with_another_body_is_refused_and_moves_nothing() {
    let (bench, node, viewer) = open().await;
    let key = SendKey::now();
    bench.send(&node, viewer, key, bench.body(ROSE, 1)).await;
    let (status, problem) = bench.send(&node, viewer, key, bench.body(ROSE, 2)).await;
    assert_eq!((status, &problem["type"]), (StatusCode::CONFLICT, &"/problems/request-reused".into()));
    assert_eq!(bench.wallet.balance(viewer).paid_coins.get(), 90);
}

#[tokio::test]
async fn a_refusal_is_pinned_to_its_key_even_after_a_recharge() {
    let (bench, node, viewer) = open().await;
    let key = SendKey::now();
    let (status, first) = bench.send(&node, viewer, key, bench.body(ROSE, 11)).await;
    assert_eq!(
        (status, &first["type"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &"/problems/not-enough-coins".into())
    );
    bench.wallet.give(viewer, 1_000, 0).await;
    assert_eq!(bench.send(&node, viewer, key, bench.body(ROSE, 11)).await, (status, first));
    let view = bench.state_of(&node, viewer, OrderId::of(viewer, key)).await;
    assert_eq!((&view["state"], &view["outcome"]), (&"refused".into(), &"not-enough-coins".into()));
    assert_eq!(view["charge_coins"], 0);
}

#[tokio::test]
async fn verdicts_are_pinned_and_unknown_names_are_not() {
    let (bench, node, viewer) = open().await;
    let key = SendKey::now();
    let (status, problem) = bench.send(&node, viewer, key, bench.body(GONE, 1)).await;
    assert_eq!(
        (status, &problem["type"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &"/problems/gift-off-shelf".into())
    );
    let key = SendKey::now();
    bench.save_room(&node, RoomState::Closed).await;
    let (_, closed) = bench.send(&node, viewer, key, bench.body(ROSE, 1)).await;
    assert_eq!(closed["type"], "/problems/room-closed");
    bench.save_room(&node, RoomState::Live).await;
    let (_, still) = bench.send(&node, viewer, key, bench.body(ROSE, 1)).await;
    assert_eq!(still["type"], "/problems/room-closed", "the same key gets the same answer");
    let submits = bench.wallet.submits();
    for (body, slug) in [
        (bench.body(99, 1), "no-such-gift"),
        (json!({"room_id": RoomId::now(), "gift_id": ROSE, "quantity": 1}), "no-such-room"),
    ] {
        let (status, problem) = bench.send(&node, viewer, SendKey::now(), body).await;
        assert_eq!(
            (status, problem["type"].as_str()),
            (StatusCode::NOT_FOUND, Some(&*format!("/problems/{slug}")))
        );
    }
    assert_eq!(bench.wallet.submits(), submits);
}

#[tokio::test]
async fn a_free_gift_is_shown_once_per_key_and_is_no_order() {
    let (bench, node, viewer) = open().await;
    let (one, another) = (SendKey::now(), SendKey::now());
    for key in [one, one, another] {
        let (status, answer) = bench.send(&node, viewer, key, bench.body(CLAP, 3)).await;
        assert_eq!((status, answer), (StatusCode::OK, json!({"charge_coins": 0, "outcome": "free"})));
    }
    bench.settle().await;
    let last = json!(OrderId::of(viewer, another));
    let sees = |seen: &[Value]| seen.iter().any(|event| event["order_id"] == last);
    wait_until("the room sees the last", || async { sees(&bench.rooms.seen()) }).await;
    assert_eq!(bench.rooms.seen().len(), 2, "once per key");
    assert_eq!(bench.rooms.seen()[0]["charge_coins"], 0);
    assert!(bench.orders().await.is_empty());
    assert_eq!(bench.wallet.entries().len(), 1, "the recharge alone");
}

#[tokio::test]
async fn wrong_bodies_are_refused_by_name_and_reach_no_wallet() {
    let (bench, node, viewer) = open().await;
    let submits = bench.wallet.submits();
    let room = bench.room;
    let body = |rest: &str| format!(r#"{{"room_id": "{room}", {rest}}}"#);
    let cases = [
        (body(r#""gift_id": 1, "quantity": 1.5"#), 400, Some("quantity")),
        (body(r#""gift_id": 1, "quantity": "1""#), 400, Some("quantity")),
        (body(r#""gift_id": 1, "quantity": -1"#), 400, Some("quantity")),
        (body(r#""gift_id": 1, "quantity": 99999999999999999999"#), 400, Some("quantity")),
        (body(r#""gift_id": 1, "quantity": 0"#), 422, Some("quantity")),
        (body(r#""gift_id": 1, "quantity": 1000000000"#), 422, Some("quantity")),
        (body(r#""gift_id": 1, "quantity": 10000"#), 422, Some("quantity")),
        (body(r#""gift_id": 1, "quantity": 1, "price": 0"#), 400, Some("price")),
        (body(r#""gift_id": 1, "quantity": 1, "charge_coins": 1"#), 400, Some("charge_coins")),
        (body(r#""gift_id": 1"#), 400, Some("quantity")),
        (body(r#""gift_id": 1, "gift_id": 1, "quantity": 1"#), 400, Some("gift_id")),
        (r#"{"room_id": "nowhere", "gift_id": 1, "quantity": 1}"#.to_owned(), 400, Some("room_id")),
        (body(r#""gift_id": 1, "quantity": 1"#)[..40].to_owned(), 400, None),
        ("[]".to_owned(), 400, None),
        (String::new(), 400, None),
    ];
    let token = bench.token(Role::Viewer, viewer.uuid());
    for (text, status, field) in cases {
        let call = Call::post("/v1/gift-orders").token(&token).key(SendKey::now()).text(text.clone());
        let (seen, problem) = node.call(call).await;
        assert_eq!(seen.as_u16(), status, "{text}: {problem}");
        if let Some(field) = field {
            assert_eq!(problem["field"], field, "{text}: {problem}");
        }
    }
    assert_eq!(bench.wallet.submits(), submits);
}

#[tokio::test]
async fn keys_and_tokens_are_checked_before_anything_else() {
    let (bench, node, viewer) = open().await;
    let submits = bench.wallet.submits();
    let body = bench.body(ROSE, 1);
    let token = bench.token(Role::Viewer, viewer.uuid());
    let call = || Call::post("/v1/gift-orders").json(&body);
    let key_at = |shift_ms: i64| {
        let ms = u64::try_from(chrono::Utc::now().timestamp_millis() + shift_ms).expect("after 1970");
        let bytes = (u128::from(ms) << 80 | 0x7000_8000_0000_0000_0001).to_be_bytes();
        ids::with_version(Uuid::from_bytes(bytes), 7).to_string()
    };
    let with_key = |key: String| call().token(&token).header("idempotency-key", key);
    let day_ms = 24 * 60 * 60 * 1_000;
    let cases: Vec<(Call, u16, &str)> = vec![
        (call().token(&token), 400, "key-missing"),
        (with_key("abc".into()), 400, "key-malformed"),
        (with_key("6ba7b810-9dad-41d1-80b4-00c04fd430c8".into()), 400, "key-malformed"),
        (with_key(key_at(-day_ms - 5_000)), 422, "key-too-old"),
        (with_key(key_at(70_000)), 422, "key-from-the-future"),
        (call().key(SendKey::now()), 401, "token-missing"),
        (call().key(SendKey::now()).token("x.y.z"), 401, "token-invalid"),
        (
            call().key(SendKey::now()).token(&bench.token(Role::Finance, viewer.uuid())),
            403,
            "role-not-allowed",
        ),
    ];
    for (call, status, slug) in cases {
        let (seen, problem) = node.call(call.clone()).await;
        assert_eq!(
            (seen.as_u16(), problem["type"].as_str()),
            (status, Some(&*format!("/problems/{slug}"))),
            "{call:?}"
        );
    }
    assert_eq!(bench.wallet.submits(), submits);
    let (status, sent) = node.call(with_key(key_at(-day_ms + 60_000))).await;
    assert_eq!(status, StatusCode::CREATED, "{sent}");
}

#[tokio::test]
async fn an_order_is_found_by_its_id_and_by_its_key_and_only_by_its_viewer() {
    let (bench, node, viewer) = open().await;
    let key = SendKey::now();
    bench.send(&node, viewer, key, bench.body(ROSE, 1)).await;
    let order_id = OrderId::of(viewer, key);
    bench.wait_for_state(&node, viewer, order_id, "delivered").await;
    let by_key = |who: ViewerId, key: SendKey| {
        let token = bench.token(Role::Viewer, who.uuid());
        Call::get(format!("/v1/gift-orders?key={key}")).token(&token)
    };
    let (status, found) = node.call(by_key(viewer, key)).await;
    assert_eq!((status, &found["state"]), (StatusCode::OK, &"delivered".into()));
    assert_eq!(found["order_id"], order_id.to_string());
    let (status, none) = node.call(by_key(viewer, SendKey::now())).await;
    assert_eq!((status, &none["type"]), (StatusCode::NOT_FOUND, &"/problems/no-such-order".into()));
    let stranger = ViewerId::now();
    assert_eq!(node.call(by_key(stranger, key)).await.0, StatusCode::NOT_FOUND);
    assert_eq!(bench.state_of(&node, stranger, order_id).await["type"], "/problems/no-such-order");
    let path = format!("/v1/gift-orders/{order_id}");
    let finance = node.call(Call::get(&path).token(&bench.token(Role::Finance, Uuid::now_v7()))).await;
    assert_eq!((finance.0, &finance.1["viewer_id"]), (StatusCode::OK, &viewer.to_string().into()));
    let sre = node.call(Call::get(&path).token(&bench.token(Role::Sre, Uuid::now_v7()))).await;
    assert_eq!(sre.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_order_taken_and_not_decided_is_accepted() {
    let (mut bench, node, viewer) = open().await;
    node.kill();
    bench.config.report_wait_ms = 60_000;
    let node = bench.start().await;
    let key = SendKey::now();
    bench.send(&node, viewer, key, bench.body(ROSE, 1)).await;
    let view = bench.state_of(&node, viewer, OrderId::of(viewer, key)).await;
    assert_eq!((&view["state"], &view["charge_coins"]), (&"accepted".into(), &10.into()));
    let by_finance = bench.finance_refund(&node, OrderId::of(viewer, SendKey::now())).await;
    assert_eq!(by_finance.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_wallet_that_is_away_pins_nothing() {
    let (bench, node, viewer) = open().await;
    let key = SendKey::now();
    bench.wallet.set_mood(Mood::Away);
    let (status, problem) = bench.send(&node, viewer, key, bench.body(ROSE, 1)).await;
    assert_eq!(
        (status, &problem["type"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"/problems/wallet-unavailable".into())
    );
    bench.wallet.set_mood(Mood::Well);
    let (status, _) = bench.send(&node, viewer, key, bench.body(ROSE, 1)).await;
    assert_eq!(status, StatusCode::CREATED);
}

#[tokio::test]
async fn many_sends_of_one_key_at_once_charge_and_show_once() {
    let (bench, node, viewer) = open().await;
    let key = SendKey::now();
    bench.wallet.set_mood(Mood::Slow(Duration::from_millis(20)));
    let body = bench.body(ROSE, 1);
    let calls: Vec<_> = (0..20).map(|_| node.spawn(bench.sending(viewer, key, &body).request())).collect();
    let mut statuses: Vec<u16> = Vec::new();
    for call in calls {
        statuses.push(call.await.expect("no panic").status().as_u16());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    bench.wallet.set_mood(Mood::Well);
    bench.settle().await;
    assert_eq!(bench.wallet.balance(viewer).paid_coins.get(), 90);
    assert_eq!(bench.rooms.shown(OrderId::of(viewer, key)).len(), 1);
    bench.assert_books_balance().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_is_a_send_unless_it_is_one(text in r#"[{}\[\]":, a-z0-9._-]{0,80}"#) {
        if let Ok(body) = serde_json::from_str::<gift::SendBody>(&text) {
            let value: Value = serde_json::from_str(&text).expect("it was read as JSON");
            prop_assert_eq!(value, serde_json::to_value(body).expect("plain"));
        }
    }
}
