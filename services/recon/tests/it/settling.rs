//! Invariant under test: what a bank's statement shows of a channel's payments goes into the books once, less what the
//! channel kept; and is taken back once where a later run no longer matches it.

use crate::fake_owner::Mood;
use crate::small_day::{Office, SmallDay, day};
use axum::http::StatusCode;
use contracts::owner::SettleChannel;
use serde_json::{Value, json};
use std::time::Duration;

pub async fn save_profile(office: &Office) {
    let profile = json!({
        "version": 1, "name": "icbc", "currency": "CNY",
        "columns": { "at": "date", "channel_ref": "ref", "our_ref": "note", "amount": { "in_positive": { "column": "amount" } } },
        "dates": { "format": "%Y-%m-%d", "offset": "+08:00" },
    });
    let (status, said) = office.api.post(&office.maker, "/v1/finance/bill-profiles", &profile).await;
    assert_eq!(status, StatusCode::CREATED, "{said}");
}

/// One line of the bank's statement about the channel's day.
async fn statement(office: &Office, number: &str, amount: &str) {
    let file = format!("date,ref,note,amount\n{},{number},sandbox-{},{amount}\n", day(), day());
    let path = "/v1/finance/bills?channel=sandbox&scope=bank&profile=icbc";
    let (status, bill) = office.api.post_file(&office.maker, path, file.as_bytes()).await;
    assert_eq!(status, StatusCode::CREATED, "{bill}");
}

/// What is listed, once so many have their voucher and none waits.
pub async fn until_posted(office: &Office, count: usize) -> Vec<Value> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        let page = office.get("/v1/finance/channel-settlements").await;
        let listed = page["settlements"].as_array().expect("a list").clone();
        if listed.len() == count && listed.iter().all(|one| !one["voucher_id"].is_null()) {
            return listed;
        }
        assert!(tokio::time::Instant::now() < deadline, "{page}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

pub fn amounts(settled: &[SettleChannel]) -> Vec<(i64, i64)> {
    settled.iter().map(|ask| (ask.gross_minor, ask.net_minor)).collect()
}

#[tokio::test]
async fn what_a_bank_shows_is_posted_once_less_the_fee_and_taken_back_where_it_is_not_matched_any_more() {
    let books = SmallDay::usual().await;
    let office = books.reconcile_minutes().await;
    save_profile(&office).await;
    statement(&office, "b-1", "72.22").await;
    books.bench.owner.set_mood(Mood::LosesAnswers);
    let run = office.ask_run(day()).await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        let waiting = office.get("/v1/finance/channel-settlements?waiting=true").await;
        if waiting["settlements"][0]["last_error"] == "the owning service has not answered: it is away" {
            assert_eq!(waiting["settlements"][0]["net_minor"], json!(7_222), "{waiting}");
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{waiting}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    books.bench.owner.set_mood(Mood::Answers);
    office.until_run(run, |run| run["state"] == "done").await;
    let posted = until_posted(&office, 1).await;
    let figures =
        ["payments", "gross_minor", "fee_minor", "net_minor", "turn"].map(|name| posted[0][name].clone());
    assert_eq!(figures, [json!(12), json!(7_266), json!(44), json!(7_222), json!(1)], "{posted:?}");
    let settled = books.bench.owner.settled();
    assert_eq!(amounts(&settled), [(7_266, 7_222)], "an answer that was lost costs no second voucher");
    assert_eq!((settled[0].day, settled[0].currency.as_str()), (day(), "CNY"));

    office.run(day()).await;
    assert_eq!(until_posted(&office, 1).await, posted, "the day again is the same match");

    // A second line with the same words: which of the two is it? Nothing is taken, and what was posted is taken back.
    statement(&office, "b-2", "72.22").await;
    office.run(day()).await;
    let listed = until_posted(&office, 2).await;
    assert_eq!(listed[0]["turn"], json!(2), "{listed:?}");
    assert_eq!(amounts(&books.bench.owner.settled()), [(7_266, 7_222), (-7_266, -7_222)]);
    office.run(day()).await;
    assert_eq!(until_posted(&office, 2).await.len(), 2, "it is taken back once");
    let none = office.get("/v1/finance/channel-settlements?channel=other").await;
    assert_eq!(none["settlements"], json!([]));
    office.running.shutdown().await;
}

#[tokio::test]
async fn a_refusal_is_kept_with_its_reason_and_asked_again_and_no_row_is_changed_or_deleted() {
    let books = SmallDay::usual().await;
    let office = books.reconcile_minutes().await;
    save_profile(&office).await;
    statement(&office, "b-1", "72.66").await;
    books.bench.owner.set_mood(Mood::Refuses);
    office.run(day()).await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        let page = office.get(&format!("/v1/finance/channel-settlements?day={}&waiting=true", day())).await;
        let why = page["settlements"][0]["last_error"].as_str().unwrap_or_default();
        if why.contains("no-such-account") {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{page}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    books.bench.owner.set_mood(Mood::Answers);
    let db = &books.bench.db;
    for sql in [
        "UPDATE {s}.channel_settlements SET gross_minor = 1",
        "UPDATE {s}.channel_settlements SET voucher_seq = 7",
        "DELETE FROM {s}.channel_settlements",
    ] {
        sqlx::query(db.sql(sql)).execute(db.pool()).await.expect_err(sql);
    }
    let now = "UPDATE {s}.channel_settlements SET next_at = now()";
    sqlx::query(db.sql(now)).execute(db.pool()).await.expect("its next time may change");
    assert_eq!(until_posted(&office, 1).await[0]["fee_minor"], json!(0));
    office.running.shutdown().await;
}

#[tokio::test]
async fn a_channels_own_bill_settles_nothing() {
    let books = SmallDay::usual().await;
    let office = books.reconcile_minutes().await;
    office.import(&books.bill(&[])).await;
    office.run(day()).await;
    let page = office.get("/v1/finance/channel-settlements").await;
    assert_eq!(page["settlements"], json!([]), "the channel's own bill shows no money at the bank");
    let (status, said) = office.api.get(&office.maker, "/v1/finance/channel-settlements?limit=0").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{said}");
    office.running.shutdown().await;
}
