//! Invariant under test: matching rules are changed by two people, after a look at what they would have done.

use crate::desk_api::slug;
use crate::small_day::{Office, SmallDay, day, differences};
use axum::http::StatusCode;
use bills::wechat::write::Fault;
use edge::Role;
use serde_json::{Value, json};

const PATH: &str = "/v1/finance/matching-rules";

/// Rules that tolerate a fee of a few fen.
fn generous(version: u32) -> Value {
    json!({
        "name": "channel-trades", "version": version, "walls": "outside",
        "tolerances": { "rounding": { "cause": "rounding", "currency": "CNY", "least_minor": -5, "most_minor": 5 } },
        "passes": [
            { "name": "exact", "act": { "exact": { "by": ["reference"] } } },
            { "name": "nearly", "act": { "fallback_key": { "by": ["reference"], "tolerance": "rounding" } } },
        ],
    })
}

async fn propose(office: &Office, rules: &Value) -> (StatusCode, Value) {
    let body = json!({ "scope": "channel", "rules": rules, "reason": "they round" });
    office.api.post(&office.maker, PATH, &body).await
}

#[tokio::test]
async fn a_version_is_tried_on_a_past_day_and_is_in_force_when_another_person_approves() {
    let books = SmallDay::usual().await;
    let office = books.reconcile_minutes().await;
    office.import(&books.bill(&[Fault::AmountOff { row: 4, by_minor: 3 }])).await;
    assert_eq!(differences(&office.run(day()).await.1), ["bill_amount_mismatch"]);
    let (status, proposed) = propose(&office, &generous(2)).await;
    assert_eq!((status, &proposed["state"]), (StatusCode::CREATED, &json!("proposed")), "{proposed}");
    let dry = format!("{PATH}/2/dry-run?day={}", day());
    let (status, tried) = office.api.post(&office.maker, &dry, &json!({})).await;
    assert_eq!((status, &tried["counts"]), (StatusCode::OK, &json!({ "newly_matched": 2 })), "{tried}");
    let matched = "SELECT count(*) FROM {s}.matches";
    assert_eq!(books.bench.count(matched).await, 11, "a dry run keeps nothing");
    let approve = format!("{PATH}/2/approve");
    let own = office.api.person(Role::FinanceChecker, "mia");
    let (status, told) = office.api.post(&own, &approve, &json!({})).await;
    assert_eq!((status, slug(&told)), (StatusCode::FORBIDDEN, "maker-is-checker"), "{told}");
    let (status, _) = office.api.post(&office.maker, &approve, &json!({})).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "a maker does not decide");
    let (status, approved) = office.api.post(&office.checker, &approve, &json!({})).await;
    assert_eq!((status, &approved["state"]), (StatusCode::OK, &json!("approved")), "{approved}");
    let (_, report) = office.run(day()).await;
    assert_eq!(differences(&report), [""; 0], "{report}");
    assert!(
        report.contains("channel channel.sandbox rules 2 ") && report.contains("variance 3 "),
        "{report}"
    );
    let found = office.get("/v1/finance/breaks?kind=bill_amount_mismatch").await;
    assert_eq!(found["breaks"][0]["state"], "closed", "{found}");
    let (status, told) = office.api.post(&office.checker, &approve, &json!({})).await;
    assert_eq!((status, slug(&told)), (StatusCode::NOT_FOUND, "no-such-version"), "it is decided: {told}");
    let steps = office.get("/v1/finance/audit/breaks?subject=matching-rules/channel/2").await;
    let acts: Vec<&str> =
        steps["steps"].as_array().expect("a list").iter().filter_map(|s| s["act"].as_str()).collect();
    assert_eq!(acts, ["approved", "proposed"]);
    office.running.shutdown().await;
}

#[tokio::test]
async fn rules_that_do_not_run_or_are_not_next_are_refused_and_the_tables_keep_them() {
    let books = SmallDay::open().await;
    let office = Office::of(books.bench.start().await);
    let (status, told) = propose(&office, &generous(1)).await;
    assert_eq!((status, slug(&told)), (StatusCode::CONFLICT, "matching-rules-not-next"), "{told}");
    let mut fuzzy = generous(2);
    fuzzy["passes"][0]["act"] = json!({ "exact": { "by": ["account"] } });
    let (_, told) = propose(&office, &fuzzy).await;
    assert_eq!(slug(&told), "matching-rules-refused", "{told}");
    assert_eq!(propose(&office, &generous(2)).await.0, StatusCode::CREATED);
    let (_, told) = propose(&office, &generous(3)).await;
    assert_eq!(slug(&told), "matching-rules-not-next", "one at a time: {told}");
    let db = &books.bench.db;
    let own = "UPDATE {s}.matching_rules SET state = 2, checker_id = maker_id, decided_at = now() WHERE version = 2 AND scope = 1";
    let refused = sqlx::query(db.sql(own)).execute(db.pool()).await.expect_err("maker and checker are one");
    let constraint = refused.as_database_error().and_then(sqlx::error::DatabaseError::constraint);
    assert_eq!(constraint, Some("matching_rules_checker_is_not_the_maker"));
    let (status, told) = office.api.post(&office.checker, &format!("{PATH}/2/reject"), &json!({})).await;
    assert_eq!((status, &told["state"]), (StatusCode::OK, &json!("rejected")));
    assert_eq!(propose(&office, &generous(3)).await.0, StatusCode::CREATED);
    let change = "UPDATE {s}.matching_rules SET rules = '{}' WHERE version = 1";
    sqlx::query(db.sql(change)).execute(db.pool()).await.expect_err("what is decided stays");
    office.running.shutdown().await;
}
