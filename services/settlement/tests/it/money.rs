//! Payees' money in tests: earning it, asking for it, and taking a batch on its way.

use crate::desk::{Desk, Told};
use crate::orders::{day_of, delivered, noon};
use axum::http::StatusCode;
use contracts::order::Order;
use ids::{StreamerId, Uuid};
use serde_json::{Value, json};
use std::time::Duration;

pub const BATCHES: &str = "/v1/finance/payout-batches";

/// Coins that earn one minor unit by the default contract: half of 20 coins' face value of 0.1 fen.
pub const COINS_PER_FEN: i64 = 20;

/// Earns a streamer so many minor units on a day, and makes the day's statement final. Released once out of its hold.
pub async fn earn(desk: &Desk, streamer: StreamerId, fen: i64, day: i64) -> Order {
    let order = desk.orders.append(delivered(streamer, fen * COINS_PER_FEN, 0, day));
    finish(desk, streamer, day).await;
    order
}

/// Makes a day's statement final.
pub async fn finish(desk: &Desk, streamer: StreamerId, day: i64) {
    desk.settle_all(noon(0)).await;
    desk.finalise(streamer.uuid(), day_of(day), noon(day + 1)).await;
}

/// Where a streamer's money stands.
pub async fn money(desk: &Desk, streamer: StreamerId) -> Value {
    desk.get(&format!("/v1/finance/payees/{streamer}")).await
}

pub fn minor(money: &Value, field: &str) -> i64 {
    money[format!("{field}_minor")].as_i64().unwrap_or_else(|| panic!("{field} is missing in {money}"))
}

/// Waits until nothing but what is on hold is pending.
pub async fn until_available(desk: &Desk, streamer: StreamerId, available: i64) {
    for _ in 0..1_500 {
        if minor(&money(desk, streamer).await, "available") == available {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{available} were never available: {}", money(desk, streamer).await);
}

/// Gives a streamer an account that another person approves.
pub async fn open_account(desk: &Desk, streamer: StreamerId) {
    let (account, ann) = (Uuid::now_v7(), Uuid::now_v7());
    let given = json!({
        "account_id": account, "payee_id": streamer, "holder": "Ann, \"the\" streamer",
        "account_no": "6222020200112233445", "bank_code": "ICBKCNBJ",
    });
    let told = desk.post(ann, "/v1/finance/payee-accounts", &given).await;
    assert_eq!(told.status, StatusCode::CREATED, "{}", told.body);
    let approve = format!("/v1/finance/payee-accounts/{account}/approve");
    assert_eq!(desk.post(ann, &approve, &Value::Null).await.slug(), "maker-is-checker");
    assert_eq!(desk.post(Uuid::now_v7(), &approve, &Value::Null).await.status, StatusCode::OK);
}

pub async fn request(desk: &Desk, streamer: StreamerId, amount: Option<i64>) -> Told {
    let mut ask = json!({ "request_id": Uuid::now_v7(), "payee_id": streamer });
    if let Some(amount) = amount {
        ask["amount_minor"] = amount.into();
    }
    desk.post(Uuid::now_v7(), "/v1/finance/payout-requests", &ask).await
}

/// Takes a step of a batch as somebody.
pub async fn step(desk: &Desk, who: Uuid, batch: &str, step: &str) -> Told {
    desk.post(who, &format!("{BATCHES}/{batch}/{step}"), &Value::Null).await
}

/// Builds, approves and submits a batch of all that was asked for; its id and its lines.
pub async fn submit_all(desk: &Desk) -> (String, Vec<Value>) {
    let batch = Uuid::now_v7().to_string();
    let built = desk.post(Uuid::now_v7(), BATCHES, &json!({ "batch_id": batch })).await;
    assert_eq!(built.status, StatusCode::CREATED, "{}", built.body);
    assert_eq!(step(desk, Uuid::now_v7(), &batch, "approve").await.status, StatusCode::OK);
    let file = step(desk, Uuid::now_v7(), &batch, "submit").await;
    assert_eq!(file.status, StatusCode::OK, "{}", file.body);
    (batch, file.body["lines"].as_array().expect("lines").clone())
}

/// The bank's word of one line.
pub async fn confirm(desk: &Desk, batch: &str, line: &Value, outcome: &str) -> Told {
    let mut word = json!({ "line_id": line["line_id"], "outcome": outcome });
    if outcome == "rejected" {
        word["reason"] = "the account is closed".into();
    }
    desk.post(Uuid::now_v7(), &format!("{BATCHES}/{batch}/confirmations"), &json!({ "lines": [word] })).await
}
