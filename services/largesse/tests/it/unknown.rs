//! Invariant under test: a COMMIT that is cut under a gift is told to its viewer as an outcome that nobody knows, the same key
//! learns the truth, the gift is charged once and ends once, and the books close.

use crate::refunds::House;
use ids::{OrderId, SendKey, ViewerId, named_id};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// The end of the wallet's append, its COMMIT, now takes long enough to be cut.
const SLOW_COMMIT: &str = "
CREATE FUNCTION wallet.slow() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN IF NEW.last_seqs <> OLD.last_seqs THEN PERFORM pg_sleep(3); END IF; RETURN NULL; END';
CREATE CONSTRAINT TRIGGER slow AFTER UPDATE ON wallet.log_head_groups DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION wallet.slow()";

/// What it cuts sleeps in that trigger.
const CUT: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event = 'PgSleep'";

async fn send(client: &Client, (url, token): (String, String), key: SendKey) -> (StatusCode, Value) {
    let gift = json!({ "room_id": named_id("room", "aria"), "gift_id": 1101, "quantity": 1 });
    let request = client.post(url).bearer_auth(token).header("Idempotency-Key", key.to_string()).json(&gift);
    let answer = request.send().await.expect("an answer");
    (answer.status(), answer.json().await.expect("JSON"))
}

#[tokio::test]
async fn a_commit_cut_under_a_gift_is_told_as_unknown_and_the_same_key_learns_the_truth() {
    let house = House::start_with(&[]).await;
    let token = house.token("ann").await;
    house.recharge(&token, 1_000).await;
    let coins = async || house.get(&token, "/v1/wallet").await["available"]["paid_coins"].as_i64();
    let before = coins().await.expect("coins");
    let pool = house.database.pool().await;
    sqlx::raw_sql(SLOW_COMMIT).execute(&pool).await.expect("a slow COMMIT");
    let (client, key) = (Client::new(), SendKey::now());
    let way = (house.url("/v1/gift-orders"), token.clone());
    let sent = tokio::spawn({
        let (client, way) = (client.clone(), way.clone());
        async move { send(&client, way, key).await }
    });
    let began = Instant::now();
    while sqlx::query_scalar::<_, i64>(CUT).fetch_one(&pool).await.expect("a count") == 0 {
        assert!(began.elapsed() < PATIENCE, "no COMMIT was under way");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let cut = Instant::now();
    let (status, problem) = sent.await.expect("it ends");
    assert_eq!(status, StatusCode::GATEWAY_TIMEOUT, "{problem}");
    assert!(problem["type"].as_str().is_some_and(|kind| kind.ends_with("/outcome-unknown")), "{problem}");
    sqlx::raw_sql("DROP TRIGGER slow ON wallet.log_head_groups").execute(&pool).await.expect("as before");
    let known = loop {
        let (status, known) = send(&client, way.clone(), key).await;
        if status.is_success() {
            break known;
        }
        assert!(cut.elapsed() < PATIENCE, "never known: {status} {known}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    println!("the truth was known {:?} after the cut", cut.elapsed());
    assert_eq!(known["outcome"], "accepted", "{known}");
    let order = OrderId::of(ViewerId::from_uuid(named_id("viewer", "ann")), key);
    let path = format!("/v1/gift-orders/{order}");
    let has_ended = |order: &Value| order["state"] == "delivered" || order["state"] == "returned_undelivered";
    let ended = house.get_until(&token, &path, "the gift has ended", has_ended).await;
    let charge = known["charge_coins"].as_i64().expect("a charge");
    assert!(charge > 0, "{known}");
    let left = if ended["state"] == "delivered" { before - charge } else { before };
    house
        .get_until(&token, "/v1/wallet", "charged once", |wallet| {
            wallet["available"]["paid_coins"].as_i64() == Some(left)
        })
        .await;
    let (status, again) = send(&client, way, key).await;
    assert!(status.is_success() && again["outcome"] == "accepted", "{status} {again}");
    house.check().await;
    assert_eq!(coins().await, Some(left), "charged again");
}
