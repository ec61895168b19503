//! Invariant under test: a row that a service itself wrote wrong, by one coin, is named with both sides' rows soon after
//! its minute closes, in a running system.

use crate::refunds::House;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The minute of the gift must end first.
const PATIENCE: Duration = Duration::from_secs(240);
/// What is promised, in seconds; it takes 1 or 2.
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
    println!("named {late} s after its minute closed");
    assert!(late <= NAMED_WITHIN_S, "named {late} s after its minute closed");
    let other = house.json(&["break", "list", "--kind", "missing_order"]).await;
    assert_eq!(other["breaks"], Value::Array(vec![]), "and nothing else");
}
