//! Invariant under test: a row that a service itself wrote wrong, by one coin, is named with both sides' rows soon after
//! its minute closes, in a running system; and written off by two people, it leaves the books.

use crate::refunds::{House, close};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The minute of the gift must end first.
const PATIENCE: Duration = Duration::from_secs(240);
/// What is promised, in seconds from the end of the minute.
const NAMED_WITHIN_S: i64 = 10;

#[tokio::test]
async fn a_coin_too_much_in_a_row_that_a_service_wrote_is_named_with_its_row_after_its_minute() {
    let house = House::start_with(&[("FAULT_GIFT_ORDER_A_COIN_HIGH", "1101")]).await;
    let ann = house.token("ann").await;
    house.recharge(&ann, 100).await;
    let order = house.gifts("ann", &ann, 1).await[0];
    let began = Instant::now();
    let found = loop {
        let list = house.json(&["break", "list", "--kind", "amount_mismatch"]).await;
        if let Some(found) = list["breaks"].as_array().and_then(|breaks| breaks.first()) {
            break found.clone();
        }
        assert!(began.elapsed() < PATIENCE, "never named");
        tokio::time::sleep(Duration::from_millis(250)).await;
    };
    assert_eq!(
        (&found["order_id"], &found["coins"], &found["logs"]),
        (&json!(order), &json!(1), &json!("entries_orders"))
    );
    let id = found["break_id"].as_str().expect("an id");
    let detail = house.json(&["break", "show", id]).await;
    let coins = |side: &str| detail[side]["row"]["paid_coins"].as_i64();
    let spent = detail["before"]["row"]["available"]["paid_coins"].as_i64().map(|coins| -coins);
    assert_eq!(coins("after"), spent.map(|spent| spent + 1), "both rows are shown: {detail:#}");
    let minute = found["minute"].as_i64().expect("a minute");
    let closed = DateTime::from_timestamp((minute + 1) * 60, 0).expect("an instant");
    let detected: DateTime<Utc> =
        serde_json::from_value::<DateTime<Utc>>(found["detected_at"].clone()).expect("a time");
    let late = (detected - closed).num_seconds();
    assert!(late <= NAMED_WITHIN_S, "named {late} s after its minute closed");
    let other = house.json(&["break", "list", "--kind", "missing_order"]).await;
    assert_eq!(other["breaks"], Value::Array(vec![]), "and nothing else");

    // The coin that was settled and never spent stands in the clearing account, until two people write it off.
    assert_eq!(gift_clearing(&house).await, ("account 2206 -100000, sub-ledger 0".to_owned(), false));
    let open = |detail: &Value| detail["break"]["state"] == "open";
    house.until(&["break", "show", id], "open", open).await;
    let detail = close(&house, id, &["--action", "write-off", "--coins", "1"]).await;
    assert_eq!(detail["proposals"][0]["effect"]["proof"]["log"], "clearing.vouchers", "{detail:#}");
    assert_eq!(gift_clearing(&house).await, ("account 2206 0, sub-ledger 0".to_owned(), true));
}

/// What `check` says of the account between wallet and settlement. The orders themselves stay a coin high.
async fn gift_clearing(house: &House) -> (String, bool) {
    let report = house.report().await;
    let lines = report["invariants"].as_array().expect("a list");
    let line = lines.iter().find(|line| line["name"] == "gift-clearing-2206-is-zero").expect("it is checked");
    (line["figure"].as_str().unwrap_or_default().to_owned(), line["passed"] == json!(true))
}
