//! Invariant under test: one key makes one recharge, and only its viewer sees it.

use crate::till::Till;
use axum::http::{Method, StatusCode};
use cashier::{Config, Profile};
use ids::{SendKey, Uuid, ViewerId};
use serde_json::{Value, json};

#[tokio::test]
async fn the_same_key_gives_the_same_answer_and_another_body_is_refused() {
    let till = Till::open().await;
    let (ann, key) = (ViewerId::now(), SendKey::now());
    let first = till.ask(ann, key, 600).await;
    assert_eq!(first.status, StatusCode::CREATED);
    assert_eq!(
        (first.body["paid_coins"].as_i64(), first.body["promo_coins"].as_i64()),
        (Some(6_000), Some(0)),
        "{first:?}"
    );
    let id = first.body["recharge_id"].as_str().expect("an id");
    assert_eq!(first.body["pay_url"], format!("/pay/sandbox/{id}"));
    let again = till.ask(ann, key, 600).await;
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    let other = till.ask(ann, key, 700).await;
    assert_eq!((other.status, other.slug()), (StatusCode::CONFLICT, "request-reused"));
    let bob = till.ask(ViewerId::now(), key, 700).await;
    assert_eq!(bob.status, StatusCode::CREATED, "another viewer's key is another key");
    let list = till.as_viewer(ann, (Method::GET, "/v1/recharges"), key, Value::Null).await;
    assert_eq!(list.body["recharges"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn bad_asks_are_refused_by_name() {
    let till = Till::open().await;
    let ann = ViewerId::now();
    for (amount, slug) in
        [(0, "amount-out-of-range"), (-1, "amount-out-of-range"), (i64::MAX, "amount-out-of-range")]
    {
        let told = till.ask(ann, SendKey::now(), amount).await;
        assert_eq!((told.status, told.slug()), (StatusCode::UNPROCESSABLE_ENTITY, slug), "{amount}");
    }
    sqlx::query(till.db.sql("INSERT INTO {s}.face_values VALUES ('CNY', '2001-01-01', 300000)"))
        .execute(till.db.pool())
        .await
        .expect("a newer face value");
    assert_eq!(till.ask(ann, SendKey::now(), 1).await.slug(), "amount-not-whole-coins");
    assert_eq!(till.ask(ann, SendKey::now(), 3).await.body["paid_coins"], 10);
    let nowhere = json!({ "amount_minor": 600, "channel": "nowhere" });
    let told = till.as_viewer(ann, (Method::POST, "/v1/recharges"), SendKey::now(), nowhere).await;
    assert_eq!(told.slug(), "unknown-channel");
    for body in [
        json!({ "amount_minor": 6.5, "channel": "sandbox" }),
        json!({ "amount_minor": "600", "channel": "sandbox" }),
        json!({ "amount_minor": 600, "channel": "sandbox", "paid_coins": 1 }),
        json!({ "amount_minor": 600 }),
    ] {
        let told = till.as_viewer(ann, (Method::POST, "/v1/recharges"), SendKey::now(), body.clone()).await;
        assert_eq!(told.status, StatusCode::BAD_REQUEST, "{body} was taken: {told:?}");
    }
    // A key of the year 2000, and one of the year 2100.
    for (bytes, slug) in [(0x00dc_6acf_ac00_u128, "key-too-old"), (0x03bb_2cc3_d800, "key-from-the-future")] {
        let key = SendKey::from_uuid(Uuid::from_u128((bytes << 80) | (0x7 << 76) | (0x8 << 60)));
        assert_eq!(till.ask(ann, key, 600).await.slug(), slug);
    }
}

#[tokio::test]
async fn the_sandbox_pays_by_the_front_door_and_only_for_the_viewers_own() {
    let till = Till::open().await;
    let (ann, bob) = (ViewerId::now(), ViewerId::now());
    let id = till.recharge(ann, 600).await;
    let pay = |viewer, extra: Value| {
        let mut body = json!({ "recharge_id": id });
        body.as_object_mut().expect("an object").extend(extra.as_object().cloned().unwrap_or_default());
        till.as_viewer(viewer, (Method::POST, "/v1/sandbox/payments"), SendKey::now(), body)
    };
    assert_eq!(pay(bob, json!({})).await.slug(), "recharge-not-found");
    assert_eq!(pay(ann, json!({ "refund": true })).await.outcome(), ("kept_aside", "first"));
    assert_eq!(pay(ann, json!({ "times": 3, "delay_ms": 1 })).await.outcome(), ("credited", "replayed"));
    assert_eq!(till.payments().await.len(), 2);
    assert_eq!((till.coins_due().await, till.state_of(ann, &id).await.as_str()), (0, "refunded"));
    assert_eq!(till.state_of(bob, &id).await, "none");
    assert_eq!(pay(ann, json!({ "times": 0 })).await.slug(), "callback-malformed");
}

#[tokio::test]
async fn production_has_no_sandbox() {
    let mut config = Config::try_default().expect("the defaults are whole");
    config.profile = Profile::Production;
    let till = Till::open_with(config).await;
    let ann = ViewerId::now();
    let body = json!({ "recharge_id": ViewerId::now() });
    let told = till.as_viewer(ann, (Method::POST, "/v1/sandbox/payments"), SendKey::now(), body).await;
    assert_eq!((told.status, told.slug()), (StatusCode::NOT_FOUND, "no-such-address"));
    assert_eq!(till.ask(ann, SendKey::now(), 600).await.slug(), "unknown-channel");
    assert_eq!(till.callback(&json!({})).await.slug(), "unknown-channel");
}
