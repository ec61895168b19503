//! Invariant under test: a break goes its way by two people, each step once and kept, and its command runs once.

use crate::database::{Bench, debit, noon, order, stamp};
use crate::desk_api::{DeskApi, Person, slug};
use crate::fake_owner::Mood;
use axum::http::StatusCode;
use contracts::order::OrderKind;
use edge::Role;
use ids::{OrderId, Uuid, ViewerId};
use recon::{Action, Running};
use serde_json::{Value, json};

/// A running recon with one break of 70 coins that people may work on at once.
pub struct Floor {
    pub bench: Bench,
    pub running: Running,
    pub api: DeskApi,
    pub maker: Person,
    pub checker: Person,
    pub break_id: String,
}

impl Floor {
    pub async fn open() -> Floor {
        Floor::open_with(|_| {}).await
    }

    pub async fn open_with(tune: impl Fn(&mut recon::Config) + Send + Sync + 'static) -> Floor {
        let mut bench = Bench::open().await;
        bench.tune = Box::new(move |config| {
            config.open_after_s = 0;
            config.recheck_every_s = 1;
            config.healing.rules.clear();
            tune(config);
        });
        let order_id = OrderId::now();
        bench.entries.push(debit(&stamp(1, noon()), order_id, 70));
        let running = bench.start().await;
        bench.until_applied().await;
        bench.close_and_compare(&running, noon()).await;
        let api = DeskApi::of(&running);
        let (maker, checker) =
            (api.person(Role::FinanceMaker, "mia"), api.person(Role::FinanceChecker, "ced"));
        let found = api.only_break(&maker, "missing_order").await;
        let break_id = found["break_id"].as_str().expect("an id").to_owned();
        let floor = Floor { bench, running, api, maker, checker, break_id };
        floor.until_state("open").await;
        floor
    }

    pub async fn detail(&self) -> Value {
        self.api.detail(&self.maker, &self.break_id).await
    }

    /// What waits for a checker.
    pub async fn waiting(&self) -> Value {
        let (status, queue) = self.api.get(&self.checker, "/v1/finance/proposals").await;
        assert_eq!(status, StatusCode::OK, "{queue}");
        queue
    }

    pub async fn until_state(&self, state: &str) {
        let is_there = || async { self.detail().await["break"]["state"] == state };
        self.bench.until(&format!("the break is {state}"), is_there).await;
    }

    pub async fn act(&self, who: &Person, act: &str, body: Value) -> (StatusCode, Value) {
        self.api.act(who, &self.break_id, act, body).await
    }

    pub async fn refused(&self, who: &Person, act: &str, body: Value) -> String {
        let (status, problem) = self.act(who, act, body).await;
        assert!(status.is_client_error(), "{problem}");
        slug(&problem).to_owned()
    }
}

pub fn grant() -> Value {
    let funds = json!({ "paid_coins": 70, "promo_coins": 0 });
    json!({ "action": "grant_coins", "viewer_id": ViewerId::now(), "funds": funds })
}

#[tokio::test]
async fn two_people_bring_a_break_to_its_end_and_every_step_is_kept() {
    let floor = Floor::open().await;
    let (status, said) = floor.act(&floor.checker, "comments", json!({ "text": "Who looks?" })).await;
    assert_eq!(status, StatusCode::OK, "{said}");
    let approval = floor.api.propose(&floor.maker, &floor.break_id, grant()).await;
    let (status, deed) = floor.act(&floor.checker, "approvals", approval).await;
    assert_eq!((status, &deed["break"]["state"]), (StatusCode::OK, &json!("approved")), "{deed}");
    floor.until_state("closed").await;
    assert_eq!(floor.bench.owner.done().len(), 1);
    assert_eq!(floor.bench.owner.asked(), 1);

    let auditor = floor.api.person(Role::Auditor, "aud");
    let detail = floor.api.detail(&auditor, &floor.break_id).await;
    assert_eq!(detail["break"]["closed_why"], "effect_proven");
    assert_eq!(detail["before"]["row"]["available"]["paid_coins"], -70, "the entry stands beside nothing");
    assert_eq!(detail["after"].get("row"), None);
    assert_eq!(detail["comments"][0]["text"], "Who looks?");
    let proposal = &detail["proposals"][0];
    assert_eq!(proposal["effect"]["proof"]["request_id"], proposal["effect"]["request_id"]);
    let steps = detail["history"].as_array().expect("a list");
    let acts: Vec<&str> = steps.iter().rev().filter_map(|step| step["act"].as_str()).collect();
    assert_eq!(
        acts,
        ["detected", "opened", "commented", "assigned", "proposed", "approved", "posted", "closed"]
    );
    let (_, verified) = floor.api.get(&auditor, "/v1/finance/audit/breaks/verification").await;
    assert_eq!(verified["fault"], Value::Null, "{verified}");
    let head = verified["head"].as_str().expect("a head");
    let path = |anchor: &str| format!("/v1/finance/audit/breaks/verification?anchor={anchor}");
    let (_, verified) = floor.api.get(&auditor, &path(head)).await;
    assert_eq!(verified["fault"], Value::Null, "{verified}");
    let (_, verified) = floor.api.get(&auditor, &path(&format!("1:{}", "00".repeat(32)))).await;
    assert_eq!(verified["fault"], json!({ "seq": 1, "kind": "wrong_anchor" }));
    let (_, problem) = floor.api.get(&auditor, &path("1:0")).await;
    assert_eq!(slug(&problem), "anchor-malformed");
    floor.running.shutdown().await;
}

#[tokio::test]
async fn each_role_takes_its_own_steps_and_an_auditor_none() {
    let floor = Floor::open().await;
    let auditor = floor.api.person(Role::Auditor, "aud");
    let comment = || json!({ "text": "I was here" });
    assert_eq!(floor.refused(&auditor, "comments", comment()).await, "role-not-allowed");
    let given = json!({ "assignee_id": floor.maker.sub });
    assert_eq!(floor.act(&floor.checker, "assignments", given).await.0, StatusCode::OK);
    let body = json!({ "action": grant(), "reason": "so" });
    assert_eq!(floor.refused(&floor.checker, "proposals", body.clone()).await, "role-not-allowed");
    let (_, proposed) = floor.act(&floor.maker, "proposals", body.clone()).await;
    let approval = json!({ "proposal_id": proposed["proposal_id"], "digest": proposed["digest"] });
    assert_eq!(floor.refused(&floor.maker, "approvals", approval.clone()).await, "role-not-allowed");
    let finance = floor.api.person(Role::Finance, "fin");
    assert_eq!(floor.refused(&finance, "approvals", approval).await, "role-not-allowed");
    assert_eq!(floor.refused(&floor.maker, "proposals", body).await, "step-not-now");
    for (path, status) in [("breaks", StatusCode::FORBIDDEN), ("audit/breaks", StatusCode::FORBIDDEN)] {
        let viewer = floor.api.person(Role::Viewer, "vic");
        assert_eq!(floor.api.get(&viewer, &format!("/v1/finance/{path}")).await.0, status);
    }
    floor.running.shutdown().await;
}

#[tokio::test]
async fn the_maker_cannot_check_by_the_api_nor_by_the_table() {
    let floor = Floor::open().await;
    let both = floor.api.person(Role::FinanceChecker, "mia"); // The maker, with another token.
    let approval = floor.api.propose(&floor.maker, &floor.break_id, grant()).await;
    assert_eq!(floor.refused(&both, "approvals", approval.clone()).await, "maker-is-checker");
    let rejection = json!({
        "proposal_id": approval["proposal_id"], "digest": approval["digest"], "reason": "not mine to say",
    });
    assert_eq!(floor.refused(&both, "rejections", rejection).await, "maker-is-checker");
    let db = &floor.bench.db;
    let tried = [
        "UPDATE {s}.proposals SET decision = 1, checker_id = maker_id, decided_digest = digest, decided_at = now()",
        "UPDATE {s}.proposals SET decision = 1, decided_digest = digest, decided_at = now()",
        "UPDATE {s}.proposals SET decision = 1, checker_id = gen_random_uuid(), decided_at = now()",
        "UPDATE {s}.proposals SET maker_id = gen_random_uuid()",
        "DELETE FROM {s}.proposals",
    ];
    for sql in tried {
        let error = sqlx::query(db.sql(sql)).execute(db.pool()).await.expect_err(sql);
        assert!(error.as_database_error().is_some(), "{sql}: {error}");
    }
    assert_eq!(floor.detail().await["break"]["state"], "proposed");
    assert_eq!(floor.act(&floor.checker, "approvals", approval).await.0, StatusCode::OK);
    floor.until_state("closed").await;
    let again = "UPDATE {s}.proposals SET decision = 2";
    sqlx::query(db.sql(again)).execute(db.pool()).await.expect_err("it was decided once");
    floor.running.shutdown().await;
}

#[tokio::test]
async fn a_decision_is_bound_to_what_was_looked_at_and_a_rejected_one_may_be_proposed_anew() {
    let floor = Floor::open().await;
    let nothing = floor.waiting().await;
    assert_eq!(nothing, json!({ "proposals": [], "waiting_count": 0 }));
    let approval = floor.api.propose(&floor.maker, &floor.break_id, grant()).await;
    let (queue, detail) = (floor.waiting().await, floor.detail().await);
    let expected = json!({ "break": detail["break"], "proposal": detail["proposals"][0] });
    assert_eq!(queue, json!({ "proposals": [expected], "waiting_count": 1 }));
    let other = json!({ "proposal_id": approval["proposal_id"], "digest": "00".repeat(32) });
    assert_eq!(floor.refused(&floor.checker, "approvals", other).await, "proposal-changed");
    let unknown = json!({ "proposal_id": Uuid::now_v7(), "digest": approval["digest"] });
    assert_eq!(floor.refused(&floor.checker, "approvals", unknown).await, "no-such-proposal");
    let mut rejection = approval.clone();
    rejection["reason"] = json!("it was delivered");
    let (status, deed) = floor.act(&floor.checker, "rejections", rejection).await;
    assert_eq!((status, &deed["break"]["state"]), (StatusCode::OK, &json!("assigned")));
    assert_eq!(floor.waiting().await, nothing, "what is decided waits no longer");
    assert_eq!(floor.refused(&floor.checker, "approvals", approval).await, "step-not-now");
    let off = json!({ "action": { "action": "write_off", "coins": 70 }, "reason": "small" });
    let (_, proposed) = floor.act(&floor.maker, "proposals", off).await;
    let approval = json!({ "proposal_id": proposed["proposal_id"], "digest": proposed["digest"] });
    assert_eq!(floor.act(&floor.checker, "approvals", approval).await.0, StatusCode::OK);
    floor.until_state("closed").await;
    assert_eq!(floor.detail().await["break"]["closed_why"], "written_off");
    assert_eq!(floor.bench.owner.asked(), 1, "the rejected grant was never asked for");
    floor.running.shutdown().await;
}

#[tokio::test]
async fn a_write_off_is_a_voucher_that_its_checker_saw_and_that_is_posted_once() {
    let floor = Floor::open().await;
    floor.bench.owner.set_mood(Mood::LosesAnswers);
    // What the maker sends for the voucher does not count.
    let lines = json!([{ "account": "1002.01", "debit_micro": 1, "credit_micro": 0 }]);
    let off = json!({ "action": "write_off", "coins": 70, "lines": lines });
    let approval = floor.api.propose(&floor.maker, &floor.break_id, off).await;
    let due = json!([
        { "account": "2206", "debit_micro": 7_000_000, "credit_micro": 0 },
        { "account": "6301", "debit_micro": 0, "credit_micro": 7_000_000 },
    ]);
    assert_eq!(floor.detail().await["proposals"][0]["action"]["lines"], due);
    assert_eq!(floor.act(&floor.checker, "approvals", approval).await.0, StatusCode::OK);
    floor.bench.until("it was asked for twice", || async { floor.bench.owner.asked() >= 2 }).await;
    floor.bench.owner.set_mood(Mood::Answers);
    floor.until_state("closed").await;
    let detail = floor.detail().await;
    assert_eq!(detail["break"]["closed_why"], "written_off");
    let effect = &detail["proposals"][0]["effect"];
    assert_eq!(effect["proof"]["request_id"], effect["request_id"], "the owner's own record is the evidence");
    assert_eq!(serde_json::to_value(floor.bench.owner.done()).expect("JSON")[0]["lines"], due);
    assert_eq!(floor.bench.owner.done().len(), 1);
    floor.running.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_when_it_is_proposed() {
    let floor = Floor::open_with(|config| config.write_off_coins_max = 69).await;
    let given = json!({ "assignee_id": floor.maker.sub });
    assert_eq!(floor.act(&floor.maker, "assignments", given).await.0, StatusCode::OK);
    let order_id = floor.detail().await["break"]["order_id"].clone();
    for (action, why) in [
        (json!({ "action": "write_off", "coins": 70 }), "write-off-too-large"),
        (json!({ "action": "write_off", "coins": 69 }), "write-off-too-large"),
        (json!({ "action": "wait", "days": 11 }), "wait-out-of-range"),
        (json!({ "action": "refund_order", "order_id": order_id }), "action-does-not-fit"),
        (json!({ "action": "refund_order", "order_id": OrderId::now() }), "order-is-not-the-breaks"),
        (
            json!({ "action": "adjust_voucher", "lines": [
                { "account": "1002", "debit_micro": 1, "credit_micro": 0 },
                { "account": "6711", "debit_micro": 0, "credit_micro": 1 },
            ] }),
            "action-not-offered",
        ),
    ] {
        let body = json!({ "action": action, "reason": "so" });
        assert_eq!(floor.refused(&floor.maker, "proposals", body).await, why, "{action}");
    }
    let body = json!({ "action": grant(), "reason": " " });
    assert_eq!(floor.refused(&floor.maker, "proposals", body).await, "text-out-of-range");
    assert_eq!(floor.detail().await["break"]["state"], "assigned");
    floor.running.shutdown().await;
}

#[tokio::test]
async fn of_concurrent_approvals_exactly_one_counts_and_the_command_runs_once() {
    let floor = Floor::open().await;
    floor.bench.owner.set_mood(Mood::Away); // So that nothing moves on under the approvals.
    let approval = floor.api.propose(&floor.maker, &floor.break_id, grant()).await;
    let asked = (0..8).map(|number| {
        let (api, body, break_id) = (floor.api.clone(), approval.clone(), floor.break_id.clone());
        let checker = api.person(Role::FinanceChecker, &format!("checker {number}"));
        tokio::spawn(async move { api.act(&checker, &break_id, "approvals", body).await })
    });
    let mut approved = 0;
    for asked in asked.collect::<Vec<_>>() {
        let (status, answer) = asked.await.expect("no panic");
        match status {
            StatusCode::OK => approved += 1,
            _ => assert!(
                ["break-moved", "step-not-now", "no-such-proposal"].contains(&slug(&answer)),
                "{answer}"
            ),
        }
    }
    assert_eq!(approved, 1);
    assert_eq!(floor.bench.count("SELECT count(*) FROM {s}.break_effects").await, 1);
    floor.bench.owner.set_mood(Mood::Answers);
    floor.until_state("closed").await;
    assert_eq!(floor.bench.owner.done().len(), 1);
    let approvals = "SELECT count(*) FROM {s}.audit_trail WHERE act = 'approved'";
    assert_eq!(floor.bench.count(approvals).await, 1);
    floor.running.shutdown().await;
}

#[tokio::test]
async fn a_repeat_under_one_key_changes_nothing_and_another_body_is_refused() {
    let floor = Floor::open().await;
    let (api, key) = (&floor.api, Uuid::now_v7());
    let comment = json!({ "text": "once" });
    let first = api.act_again(&floor.maker, &floor.break_id, ("comments", &comment), key).await;
    let again = api.act_again(&floor.maker, &floor.break_id, ("comments", &comment), key).await;
    assert_eq!((first.0, &first.1), (StatusCode::OK, &again.1));
    let other = json!({ "text": "twice" });
    let (status, problem) = api.act_again(&floor.maker, &floor.break_id, ("comments", &other), key).await;
    assert_eq!((status, slug(&problem)), (StatusCode::CONFLICT, "request-reused"));
    let (status, problem) = api.act_again(&floor.checker, &floor.break_id, ("comments", &comment), key).await;
    assert_eq!((status, slug(&problem)), (StatusCode::CONFLICT, "request-reused"), "somebody else's key");
    assert_eq!(floor.bench.count("SELECT count(*) FROM {s}.break_comments").await, 1);
    floor.running.shutdown().await;
}

#[tokio::test]
async fn a_crash_or_a_lost_answer_between_approval_and_posting_costs_asking_again_under_the_same_id() {
    let floor = Floor::open().await;
    floor.bench.owner.set_mood(Mood::LosesAnswers);
    let approval = floor.api.propose(&floor.maker, &floor.break_id, grant()).await;
    assert_eq!(floor.act(&floor.checker, "approvals", approval).await.0, StatusCode::OK);
    let owner = &floor.bench.owner;
    floor.bench.until("the command was asked for", || async { owner.asked() > 0 }).await;
    let Floor { bench, running, maker, break_id, .. } = floor;
    running.shutdown().await; // It is done, and recon does not know.
    bench.owner.set_mood(Mood::Answers);
    let running = bench.start().await;
    let api = DeskApi::of(&running);
    let is_closed = || async { api.detail(&maker, &break_id).await["break"]["state"] == "closed" };
    bench.until("the break is closed", is_closed).await;
    assert!(bench.owner.asked() >= 2);
    assert_eq!(bench.owner.done().len(), 1, "asked again, done once");
    let detail = api.detail(&maker, &break_id).await;
    assert!(detail["proposals"][0]["effect"]["attempts"].as_i64() >= Some(2), "{detail}");
    running.shutdown().await;
}

#[tokio::test]
async fn a_command_that_is_refused_goes_back_to_whoever_has_the_break() {
    let floor = Floor::open().await;
    floor.bench.owner.set_mood(Mood::Refuses);
    let approval = floor.api.propose(&floor.maker, &floor.break_id, grant()).await;
    assert_eq!(floor.act(&floor.checker, "approvals", approval).await.0, StatusCode::OK);
    floor.until_state("assigned").await;
    let effect = floor.detail().await["proposals"][0]["effect"].clone();
    assert_eq!(effect["outcome"], "refused");
    assert!(effect["last_error"].as_str().is_some_and(|why| why.contains("over-refund")), "{effect}");
    assert_eq!(floor.bench.owner.done(), Vec::<Action>::new());
    let verified = trail::verify_with(&floor.bench.db, &recon::UNEXPLAINED, vec![]).await.expect("reads");
    assert!(verified.is_whole(), "{verified:?}");
    floor.running.shutdown().await;
}

#[tokio::test]
async fn waiting_ends_by_itself_and_late_agreement_clears_what_waits() {
    let floor = Floor::open().await;
    let wait = json!({ "action": "wait", "days": 2 });
    let approval = floor.api.propose(&floor.maker, &floor.break_id, wait.clone()).await;
    assert_eq!(floor.act(&floor.checker, "approvals", approval).await.0, StatusCode::OK);
    floor.until_state("waiting").await;
    let sooner = "UPDATE {s}.breaks SET waits_until = now() WHERE state = 8"; // As if the day had come.
    sqlx::query(floor.bench.db.sql(sooner)).execute(floor.bench.db.pool()).await.expect("sets");
    floor.until_state("assigned").await;
    let again = floor.api.propose(&floor.maker, &floor.break_id, wait).await;
    assert_eq!(floor.act(&floor.checker, "approvals", again).await.0, StatusCode::OK);
    floor.until_state("waiting").await;
    let order_id =
        floor.detail().await["break"]["order_id"].as_str().expect("an id").parse().expect("a UUID");
    floor.bench.orders.push(order(&stamp(1, noon()), order_id, OrderKind::Delivered, 70));
    floor.until_state("closed").await;
    let detail = floor.detail().await;
    assert_eq!(detail["break"]["closed_why"], "logs_agree");
    assert_eq!(detail["history"][0]["act"], "cleared");
    let verified = trail::verify_with(&floor.bench.db, &recon::UNEXPLAINED, vec![]).await.expect("reads");
    assert!(verified.is_whole(), "{verified:?}");
    floor.running.shutdown().await;
}

#[tokio::test]
async fn a_late_row_clears_what_is_proposed_and_withdraws_the_proposal() {
    let floor = Floor::open().await;
    let approval = floor.api.propose(&floor.maker, &floor.break_id, grant()).await;
    let order_id =
        floor.detail().await["break"]["order_id"].as_str().expect("an id").parse().expect("a UUID");
    floor.bench.orders.push(order(&stamp(1, noon()), order_id, OrderKind::Delivered, 70));
    floor.until_state("closed").await;
    assert_eq!(floor.detail().await["proposals"][0]["decision"], "withdrawn");
    assert_eq!(floor.refused(&floor.checker, "approvals", approval).await, "step-not-now");
    assert_eq!(floor.bench.owner.asked(), 0);
    floor.running.shutdown().await;
}

#[tokio::test]
async fn a_closed_break_is_reopened_as_a_new_one_linked_to_the_first_and_only_once() {
    let floor = Floor::open().await;
    let off = || json!({ "action": "write_off", "coins": 70 });
    let approval = floor.api.propose(&floor.maker, &floor.break_id, off()).await;
    assert_eq!(floor.act(&floor.checker, "approvals", approval).await.0, StatusCode::OK);
    let why = || json!({ "reason": "the viewer complained" });
    assert_eq!(floor.refused(&floor.maker, "comments", json!({ "text": "" })).await, "text-out-of-range");
    floor.until_state("closed").await;
    let (status, deed) = floor.act(&floor.checker, "reopenings", why()).await;
    assert_eq!(status, StatusCode::OK, "{deed}");
    assert_eq!(deed["break"]["reopens_id"], json!(floor.break_id));
    assert_eq!(deed["break"]["state"], "open");
    assert_eq!(floor.refused(&floor.maker, "reopenings", why()).await, "break-open-already");
    let second = deed["break"]["break_id"].as_str().expect("an id").to_owned();
    let approval = floor.api.propose(&floor.maker, &second, off()).await;
    let (status, _) = floor.api.act(&floor.checker, &second, "approvals", approval).await;
    assert_eq!(status, StatusCode::OK);
    let is_closed = || async { floor.api.detail(&floor.maker, &second).await["break"]["state"] == "closed" };
    floor.bench.until("the second is closed", is_closed).await;
    let (_, deed) = floor.api.act(&floor.maker, &second, "reopenings", why()).await;
    assert_eq!(deed["break"]["reopens_id"], json!(floor.break_id), "the first, not the second: {deed}");
    assert_eq!(floor.detail().await["break"]["state"], "closed", "what was closed stays closed");
    let verified = trail::verify_with(&floor.bench.db, &recon::UNEXPLAINED, vec![]).await.expect("reads");
    assert!(verified.is_whole(), "{verified:?}");
    floor.running.shutdown().await;
}

#[tokio::test]
async fn severity_follows_coins_and_age_and_the_clock_says_what_is_overdue() {
    let floor = Floor::open_with(|config| {
        for rule in &mut config.severities {
            rule.coins_min = match rule.severity {
                recon::Severity::Low => 0,
                recon::Severity::Medium => 70,
                recon::Severity::High => 71,
                recon::Severity::Critical => 1_000,
            };
        }
    })
    .await;
    assert_eq!(floor.detail().await["break"]["severity"], "medium");
    let older =
        "UPDATE {s}.breaks SET detected_at = now() - interval '121 hours', due_at = now() - interval '1 hour'
        WHERE kind = 'missing_order'";
    sqlx::query(floor.bench.db.sql(older)).execute(floor.bench.db.pool()).await.expect("sets");
    let is_worse = || async { floor.detail().await["break"]["severity"] == "critical" };
    floor.bench.until("age makes it critical", is_worse).await;
    assert_eq!(floor.detail().await["history"][0]["act"], "escalated");
    let overdue = "/v1/finance/breaks?overdue=true&severity=critical";
    let (_, page) = floor.api.get(&floor.maker, overdue).await;
    assert_eq!(page["breaks"].as_array().map(Vec::len), Some(1), "{page}");
    let (_, page) = floor.api.get(&floor.maker, "/v1/finance/breaks?severity=critical&state=closed").await;
    assert_eq!(page["breaks"].as_array().map(Vec::len), Some(0), "{page}");
    floor.running.shutdown().await;
}
