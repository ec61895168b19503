//! Invariant under test: what waits for somebody is listed for as long as it waits, newest first.

use crate::desk::Desk;
use crate::money::{earn, open_account, request, until_available};
use ids::{StreamerId, Uuid};
use serde_json::{Value, json};

const ACCOUNTS: &str = "/v1/finance/payee-accounts";
const REQUESTS: &str = "/v1/finance/payout-requests";

fn ids(list: &Value, name: &str) -> Vec<String> {
    let list = list.as_array().unwrap_or_else(|| panic!("no list: {list}"));
    list.iter().map(|one| one[name].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn an_account_waits_until_another_person_approves_it() {
    let desk = Desk::open().await;
    let (ann, mut given) = (Uuid::now_v7(), Vec::new());
    for holder in ["Ann", "Ben"] {
        let account = Uuid::now_v7();
        let body = json!({ "account_id": account, "payee_id": Uuid::now_v7(), "holder": holder, "account_no": "622202",
            "bank_code": "ICBKCNBJ" });
        desk.post(ann, ACCOUNTS, &body).await;
        given.push(account.to_string());
    }
    let waiting = async || ids(&desk.get(ACCOUNTS).await["accounts"], "account_id");
    assert_eq!(waiting().await, [given[1].clone(), given[0].clone()]);
    let older = desk.get(&format!("{ACCOUNTS}?before={}", given[1])).await;
    assert_eq!(ids(&older["accounts"], "account_id"), [given[0].clone()]);
    desk.post(ann, &format!("{ACCOUNTS}/{}/approve", given[1]), &Value::Null).await;
    assert_eq!(waiting().await.len(), 2, "whoever gave it cannot end its wait");
    desk.post(Uuid::now_v7(), &format!("{ACCOUNTS}/{}/approve", given[1]), &Value::Null).await;
    assert_eq!(waiting().await, [given[0].clone()]);
}

#[tokio::test]
async fn what_payees_asked_for_is_listed_with_where_it_stands() {
    let desk = Desk::open().await;
    let streamer = StreamerId::now();
    earn(&desk, streamer, 1_000_000, 1).await;
    until_available(&desk, streamer, 1_000_000).await;
    open_account(&desk, streamer).await;
    let (first, second) =
        (request(&desk, streamer, Some(20_000)).await, request(&desk, streamer, Some(30_000)).await);
    let id = |told: &crate::desk::Told| told.body["request_id"].as_str().expect("an id").to_owned();
    let listed = desk.get(REQUESTS).await;
    assert_eq!(ids(&listed["requests"], "request_id"), [id(&second), id(&first)]);
    assert_eq!(listed["requests"][0]["amount_minor"], 30_000);
    let cancel = format!("{REQUESTS}/{}/cancel", id(&second));
    desk.post(Uuid::now_v7(), &cancel, &Value::Null).await;
    let listed = desk.get(REQUESTS).await;
    assert_eq!(
        (&listed["requests"][0]["state"], &listed["requests"][1]["state"]),
        (&json!("cancelled"), &json!("open"))
    );
    let older = desk.get(&format!("{REQUESTS}?before={}", id(&second))).await;
    assert_eq!(ids(&older["requests"], "request_id"), [id(&first)]);
}
