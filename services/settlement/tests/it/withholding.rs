//! Invariant under test: what is withheld changes only by a rule that one person proposed and another approved, from a day
//! to come on; and what is in force stays as it is.

use crate::desk::Desk;
use axum::http::StatusCode;
use chrono::{Days, NaiveDate, Utc};
use contracts::log::AccountingZone;
use ids::Uuid;
use serde_json::{Value, json};

const RULES: &str = "/v1/finance/withholding-rules";
const PROPOSALS: &str = "/v1/finance/withholding-proposals";

fn in_days(days: u64) -> NaiveDate {
    let today = AccountingZone::default().day_of(Utc::now());
    today.checked_add_days(Days::new(days)).expect("a day")
}

fn table(valid_from: NaiveDate, quick_minor: i64) -> Value {
    json!({
        "payee": "streamer", "valid_from": valid_from, "name": "as announced", "method": { "cumulative": {
            "cost_ppm": 200_000, "allowance_minor": 600_000, "brackets": [
                { "above_minor": 0, "rate_ppm": 30_000, "quick_minor": 0 },
                { "above_minor": 3_600_000, "rate_ppm": 100_000, "quick_minor": quick_minor },
            ] } },
    })
}

fn proposal(rule: &Value) -> Value {
    json!({ "proposal_id": Uuid::now_v7(), "reason": "announcement 1", "rule": rule })
}

async fn unexplained(desk: &Desk) -> Vec<String> {
    let found: Vec<String> = sqlx::query_scalar(desk.db.sql(settlement::UNEXPLAINED))
        .bind(10_i64)
        .fetch_all(desk.db.pool())
        .await
        .expect("reads");
    found
}

#[tokio::test]
async fn a_rule_is_in_force_once_another_person_approves_it_and_before_its_day() {
    let desk = Desk::open().await;
    let (mia, ced) = (Uuid::now_v7(), Uuid::now_v7());
    let ask = proposal(&table(in_days(1), 252_000));
    let told = desk.post(mia, PROPOSALS, &ask).await;
    assert_eq!((told.status, &told.body["state"]), (StatusCode::CREATED, &json!("waiting")), "{}", told.body);
    assert_eq!(desk.post(mia, PROPOSALS, &ask).await.body, told.body, "asked again it is the same");
    let reused = json!({ "proposal_id": ask["proposal_id"], "reason": "other", "rule": ask["rule"] });
    assert_eq!(desk.post(mia, PROPOSALS, &reused).await.slug(), "proposal-reused");
    assert_eq!(desk.post(mia, PROPOSALS, &proposal(&ask["rule"])).await.slug(), "rule-day-taken");
    let before = desk.get(RULES).await["rules"].as_array().expect("a list").len();
    let decide = |step: &str| format!("{PROPOSALS}/{}/{step}", ask["proposal_id"].as_str().expect("an id"));
    assert_eq!(desk.post(mia, &decide("approve"), &Value::Null).await.slug(), "maker-is-checker");
    let approved = desk.post(ced, &decide("approve"), &Value::Null).await;
    assert_eq!((approved.status, &approved.body["state"]), (StatusCode::OK, &json!("approved")));
    assert_eq!(desk.post(ced, &decide("approve"), &Value::Null).await.body, approved.body);
    assert_eq!(desk.post(ced, &decide("refuse"), &Value::Null).await.slug(), "proposal-decided");
    let list = desk.get(RULES).await;
    let rules = list["rules"].as_array().expect("a list");
    assert_eq!(rules.len(), before + 1);
    let mut expected = ask["rule"].clone();
    expected["rule_id"] = approved.body["rule_id"].clone();
    assert_eq!(rules[0], expected, "the newest of the streamers', with every figure as it was proposed");
    assert_eq!(desk.post(mia, PROPOSALS, &proposal(&ask["rule"])).await.slug(), "none", "it waits");
    assert_eq!(unexplained(&desk).await, Vec::<String>::new());

    let second = desk.get(RULES).await["proposals"][0]["proposal_id"].as_str().expect("an id").to_owned();
    let again = desk.post(ced, &format!("{PROPOSALS}/{second}/approve"), &Value::Null).await;
    assert_eq!(again.slug(), "rule-day-taken", "one rule a day");
    let refused = desk.post(ced, &format!("{PROPOSALS}/{second}/refuse"), &Value::Null).await;
    assert_eq!(refused.body["state"], "refused", "{}", refused.body);
    assert_eq!(unexplained(&desk).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_no_rule_or_begins_today_is_refused_and_nobody_changes_one_past_the_program() {
    let desk = Desk::open().await;
    let mia = Uuid::now_v7();
    let slug = async |ask: Value| desk.post(mia, PROPOSALS, &ask).await.slug().to_owned();
    assert_eq!(slug(proposal(&table(in_days(0), 252_000))).await, "day-not-to-come");
    let told = desk.post(mia, PROPOSALS, &proposal(&table(in_days(1), 2_520_000))).await;
    assert_eq!(told.slug(), "withholding-rule-refused");
    let detail = told.body["detail"].as_str().expect("words");
    assert!(detail.contains("bracket 2 takes off 2520000") && detail.contains("252000"), "{detail}");
    let silent = json!({ "proposal_id": Uuid::now_v7(), "reason": " ", "rule": table(in_days(1), 252_000) });
    assert_eq!(slug(silent).await, "reason-missing");
    let unknown = json!({ "proposal_id": Uuid::now_v7(), "reason": "x", "rule": { "payee": "viewer" } });
    assert_eq!(desk.post(mia, PROPOSALS, &unknown).await.status, StatusCode::BAD_REQUEST);
    let none = format!("{PROPOSALS}/{}/approve", Uuid::now_v7());
    assert_eq!(desk.post(mia, &none, &Value::Null).await.slug(), "no-such-proposal");
    assert_eq!(desk.get(RULES).await["proposals"], json!([]), "nothing was kept");

    for sql in [
        "UPDATE {s}.withholding_rules SET rate_ppm = 1",
        "DELETE FROM {s}.withholding_brackets",
        "INSERT INTO {s}.withholding_proposals (proposal_id, payee_kind, valid_from, rule, reason, state, created_by,
            decided_by, decided_at, rule_id) VALUES (gen_random_uuid(), 1, '2030-01-01', '{}', 'x', 2, 'mia', 'mia', now(), 3)",
    ] {
        let done = sqlx::query(desk.db.sql(sql)).execute(desk.db.pool()).await;
        assert!(done.is_err_and(|error| pg::is_constraint(&error)), "{sql}");
    }
    let put = "INSERT INTO {s}.withholding_rules (rule_id, payee_kind, valid_from, name, method, rate_ppm)
        VALUES (99, 1, '2030-01-01', 'mine', 1, 0)";
    sqlx::query(desk.db.sql(put))
        .execute(desk.db.pool())
        .await
        .expect("the database cannot know whose it is");
    assert_eq!(unexplained(&desk).await, ["withholding rule 99"], "the audit names it");
}
