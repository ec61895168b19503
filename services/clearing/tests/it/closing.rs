//! Invariant under test: a day is closed by two people when everything holds, and what it held then holds for ever.

use crate::close_api::{Desk, Person, checker, maker, past, stamp_of};
use crate::ledger::{entry, payment};
use axum::http::StatusCode;
use books::{BooksDb, check_closed_days};
use chrono::{NaiveDate, TimeDelta, Utc};
use clearing::{PeriodState, UnknownFact};
use contracts::entry::EntryKind;
use contracts::lane::Lane;
use contracts::owner::{Adjusts, ClosedDay};
use contracts::payment::PaymentKind;
use edge::Role;
use ids::{PeriodRequestId, Uuid};

fn push_recharge(desk: &Desk, partition: u8, day: NaiveDate, minor: i64) {
    desk.bench.payments.push(payment(stamp_of(partition, day), PaymentKind::Recharge, minor));
}

async fn fault(desk: &Desk) -> Vec<String> {
    let source = BooksDb::new(sqlx::PgPool::clone(&desk.bench.db.pool()), &Lane::Live);
    let lines = check_closed_days(&source).await.expect("the books can be read");
    lines.into_iter().flat_map(|line| line.detail).collect()
}

#[tokio::test]
async fn a_day_is_closed_by_two_people_and_the_same_call_again_changes_nothing() {
    let desk = Desk::open().await;
    let day = past(5);
    push_recharge(&desk, 3, day, 100);
    desk.bench.entries.push(entry(stamp_of(3, day), EntryKind::Recharge, 1_000, 0));
    desk.bench.until_applied(2).await;
    let (ann, bob, period) = (maker(), checker(), day.to_string());
    assert_eq!(desk.refused(ann, &period, "close").await, "period-state", "it is not locked");
    desk.soft_lock(&period).await;
    desk.catch_up(Utc::now()).await;
    assert_eq!(desk.blocking(&period).await, Vec::<String>::new());

    assert_eq!(desk.refused(bob, &period, "close").await, "role-not-allowed", "a checker proposes nothing");
    let id = PeriodRequestId::now();
    let (status, waiting) = desk.ask(ann, &period, "close", id).await;
    assert_eq!((status, &waiting["state"]), (StatusCode::OK, &"waiting".into()), "{waiting}");
    assert_eq!(desk.ask(ann, &period, "close", id).await, (StatusCode::OK, waiting));
    assert_eq!(desk.refused(ann, &period, "close").await, "step-proposed-already");
    assert_eq!(
        desk.refused(maker(), &period, "close").await,
        "role-not-allowed",
        "a maker agrees to nothing"
    );
    assert_eq!(desk.state_of(day).await, "soft_locked");

    let of_bob = PeriodRequestId::now();
    let (status, done) = desk.ask(bob, &period, "close", of_bob).await;
    assert_eq!((status, &done["state"]), (StatusCode::OK, &"done".into()), "{done}");
    assert_eq!(desk.ask(bob, &period, "close", of_bob).await, (StatusCode::OK, done.clone()));
    assert_eq!(desk.ask(ann, &period, "close", id).await, (StatusCode::OK, done));
    assert_eq!(desk.refused(ann, &period, "close").await, "nothing-to-change");
    assert_eq!(desk.state_of(day).await, "closed");
    assert_eq!(desk.bench.count("SELECT count(*) FROM {s}.day_closings").await, 1);

    let said = desk.get(&format!("/v1/finance/periods/{period}/assertions")).await;
    let assertion = said["assertions"].as_array().expect("a list").iter();
    let of_1122 = assertion.clone().find(|line| line["account"] == "1122").expect("it moved");
    let figures = (&of_1122["debit_micro"], &of_1122["balance_micro"], &of_1122["voucher_count"]);
    assert_eq!(figures, (&"100000000".into(), &"100000000".into(), &1.into()));
    let of_2207 = assertion.clone().find(|line| line["account"] == "2207").expect("it moved");
    assert_eq!((&of_2207["balance_micro"], &of_2207["voucher_count"]), (&"0".into(), &2.into()));
    desk.end().await;
}

#[tokio::test]
async fn one_person_of_both_roles_cannot_close_alone_and_neither_can_a_hand_in_the_tables() {
    let desk = Desk::open().await;
    let (day, one) = (past(5), Person { role: Role::Finance, id: Uuid::now_v7() });
    push_recharge(&desk, 3, day, 100);
    desk.bench.until_applied(1).await;
    desk.soft_lock(&day.to_string()).await;
    desk.catch_up(Utc::now()).await;
    let id = PeriodRequestId::now();
    let (_, waiting) = desk.ask(one, &day.to_string(), "close", id).await;
    assert_eq!(desk.ask(one, &day.to_string(), "close", id).await.1["state"], "waiting");
    let alone = desk.bench.db.sql(
        "UPDATE {s}.period_requests SET state = 2, decided_by = proposed_by, decided_at = now() WHERE state = 1",
    );
    let refused = sqlx::query(alone).execute(desk.bench.db.pool()).await.expect_err("it takes another");
    let constraint = refused.as_database_error().and_then(|error| error.constraint()).map(str::to_owned);
    assert_eq!(constraint.as_deref(), Some("period_requests_agreed_by_another"));
    assert_eq!((&waiting["state"], desk.state_of(day).await.as_str()), (&"waiting".into(), "soft_locked"));
    desk.end().await;
}

#[tokio::test]
async fn each_condition_of_closing_blocks_and_what_nobody_knows_blocks_too() {
    let desk = Desk::open().await;
    let (day, period) = (past(5), past(5).to_string());
    push_recharge(&desk, 3, day, 100);
    push_recharge(&desk, 4, past(6), 100);
    desk.bench.until_applied(2).await;
    let all = desk.blocking(&period).await;
    let wanted = ["days-are-soft-locked", "earlier-days-are-closed", "books-have-read-past-the-end"];
    assert_eq!(all, wanted, "{:?}", desk.lines(&period).await);
    desk.close(&past(6).to_string()).await;
    desk.soft_lock(&period).await;
    assert_eq!(desk.blocking(&period).await, Vec::<String>::new());

    let until = Some(Utc::now() - TimeDelta::days(9));
    desk.recon.say(|said| said.recon.as_mut().expect("it knows").compared_until = until);
    assert_eq!(desk.blocking(&period).await, ["minutes-are-compared-past-the-end"]);
    desk.recon.say(|said| {
        let facts = said.recon.as_mut().expect("it knows");
        (facts.compared_until, facts.open_breaks, facts.critical_breaks) = (Some(Utc::now()), 3, 1);
        facts.critical = vec!["b-1".to_owned()];
    });
    assert_eq!(desk.blocking(&period).await, ["no-critical-break-is-open"]);
    assert_eq!(desk.refused(maker(), &period, "close").await, "checklist-blocks");
    desk.recon.say(|said| said.recon.as_mut().expect("it knows").critical_breaks = 0);
    desk.recon.say(|said| said.recon.as_mut().expect("it knows").critical.clear());
    desk.recon.say(|said| said.recon.as_mut().expect("it knows").days_not_run = vec![day]);
    assert_eq!(desk.blocking(&period).await, ["daily-runs-are-done"]);
    desk.recon.say(|said| said.recon.as_mut().expect("it knows").days_not_run.clear());
    desk.recon.say(|said| said.files.as_mut().expect("it knows").channels = vec!["other".to_owned()]);
    assert_eq!(desk.blocking(&period).await, ["every-channel-file-is-there"]);
    let unknown = UnknownFact("recon has no /v1/finance/bills".to_owned());
    desk.recon.say(|said| said.files = Err(unknown.clone()));
    let lines = desk.lines(&period).await;
    assert!(lines.contains(&("every-channel-file-is-there".to_owned(), "unknown".to_owned())), "{lines:?}");
    desk.recon.say(|said| said.recon = Err(unknown));
    assert_eq!(desk.blocking(&period).await.len(), 4);
    assert_eq!(desk.refused(maker(), &period, "close").await, "checklist-blocks");
    assert_eq!(desk.refused(maker(), &past(0).to_string(), "soft-lock").await, "day-not-over");
    desk.end().await;
}

#[tokio::test]
async fn what_blocks_after_a_proposal_blocks_the_other_person() {
    let desk = Desk::open().await;
    let (day, period) = (past(5), past(5).to_string());
    push_recharge(&desk, 3, day, 100);
    desk.bench.until_applied(1).await;
    desk.soft_lock(&period).await;
    desk.catch_up(Utc::now()).await;
    let (_, waiting) = desk.ask(maker(), &period, "close", PeriodRequestId::now()).await;
    assert_eq!(waiting["state"], "waiting");
    desk.recon.say(|said| said.recon.as_mut().expect("it knows").critical_breaks = 1);
    assert_eq!(desk.refused(checker(), &period, "close").await, "checklist-blocks");
    assert_eq!(desk.state_of(day).await, "soft_locked");
    desk.end().await;
}

#[tokio::test]
async fn a_late_row_stands_in_the_first_open_day_and_keeps_its_own() {
    let desk = Desk::open().await;
    let (first, second) = (past(6), past(5));
    push_recharge(&desk, 3, first, 1);
    desk.bench.until_applied(1).await;
    desk.close(&first.to_string()).await;
    desk.soft_lock(&second.to_string()).await;
    // Late for a closed day, late for a locked one, and late for a day before every closed one, which nobody made.
    push_recharge(&desk, 3, first, 10);
    push_recharge(&desk, 4, second, 100);
    push_recharge(&desk, 5, past(9), 1_000);
    desk.bench.until_applied(4).await;
    let mut days = desk.voucher_days().await;
    days.sort_unstable();
    let open = past(4);
    assert_eq!(days, [(past(9), open), (first, first), (first, open), (second, open)]);
    assert_eq!(desk.state_of(past(9)).await, "closed", "nothing slips in under the balances of a closed day");
    assert_eq!(fault(&desk).await, Vec::<String>::new());
    desk.end().await;
}

#[tokio::test]
async fn a_reopened_day_takes_its_own_late_rows_and_its_second_closing_carries_its_balances_on() {
    let desk = Desk::open().await;
    let (first, second, third) = (past(7), past(6), past(5));
    for (at, day) in [(3, first), (4, second), (5, third)] {
        push_recharge(&desk, at, day, 100);
    }
    desk.bench.until_applied(3).await;
    for day in [first, second, third] {
        desk.close(&day.to_string()).await;
    }
    assert_eq!(desk.refused(maker(), &past(2).to_string(), "reopen").await, "nothing-to-change");
    desk.agree(&second.to_string(), "reopen").await;
    push_recharge(&desk, 4, second, 11);
    push_recharge(&desk, 3, first, 7);
    desk.bench.until_applied(5).await;
    let mut days = desk.voucher_days().await;
    days.sort_unstable();
    // A reopened day is nobody else's first open day.
    assert_eq!(days[..3], [(first, first), (first, past(4)), (second, second)]);
    desk.bench.prove().await;
    desk.close(&second.to_string()).await;
    let balance = async |day: NaiveDate| {
        let said = desk.get(&format!("/v1/finance/periods/{day}/assertions")).await;
        let lines = said["assertions"].as_array().expect("a list").clone();
        let of_1122 = lines.iter().find(|line| line["account"] == "1122").expect("it moved");
        of_1122["balance_micro"].as_str().expect("text").to_owned()
    };
    assert_eq!(balance(first).await, "100000000");
    assert_eq!(balance(second).await, "211000000");
    assert_eq!(balance(third).await, "311000000", "what the earlier day gained is carried on");
    assert_eq!(fault(&desk).await, Vec::<String>::new());
    desk.end().await;
}

#[tokio::test]
async fn a_tampered_voucher_of_a_closed_day_is_named_by_every_later_check() {
    let desk = Desk::open().await;
    push_recharge(&desk, 3, past(5), 100);
    push_recharge(&desk, 4, past(5), 200);
    desk.bench.until_applied(2).await;
    desk.close(&past(5).to_string()).await;
    let tamper = desk.bench.db.sql(
        "UPDATE {s}.vouchers SET debits = ARRAY[debits[1] + 1, debits[2]], credits = ARRAY[credits[1], credits[2] + 1]
         WHERE partition = 4",
    );
    sqlx::query(tamper).execute(desk.bench.db.pool()).await.expect("tampers");
    let said = fault(&desk).await;
    let named = format!("voucher 4-1 in the books of {} (cashier.recharge) is not as it was", past(5));
    assert!(said.iter().any(|line| line.starts_with(&named)), "{said:?}");
    // A day whose sums are not its vouchers' is not closed in the first place.
    desk.agree(&past(5).to_string(), "reopen").await;
    desk.soft_lock(&past(5).to_string()).await;
    let (_, waiting) = desk.ask(maker(), &past(5).to_string(), "close", PeriodRequestId::now()).await;
    assert_eq!(waiting["state"], "waiting");
    assert_eq!(desk.refused(checker(), &past(5).to_string(), "close").await, "sums-differ");
    desk.running.shutdown().await;
}

#[tokio::test]
async fn a_month_is_the_set_of_its_days() {
    let desk = Desk::open().await;
    let month = past(62).format("%Y-%m").to_string();
    push_recharge(&desk, 3, past(62), 100);
    desk.bench.until_applied(1).await;
    desk.close(&month).await;
    let days = desk.bench.count("SELECT count(*) FROM {s}.periods WHERE state = 3").await;
    assert!((28..=31).contains(&days), "{days}");
    assert_eq!(desk.bench.count("SELECT count(*) FROM {s}.day_closings").await, days);
    desk.agree(&past(62).to_string(), "reopen").await;
    assert_eq!(desk.state_of(past(62)).await, "reopened");
    assert_eq!(desk.refused(maker(), &month, "close").await, "period-state", "one of its days is reopened");
    desk.close(&month).await;
    assert_eq!(desk.state_of(past(62)).await, "closed");
    desk.end().await;
}

/// Rows of the day come in while it is locked and closed: each is in it or in the first open day, and none in between.
#[tokio::test]
async fn closing_and_posting_that_race_leave_no_row_in_a_closed_day() {
    let desk = Desk::open().await;
    let (day, period) = (past(5), past(5).to_string());
    push_recharge(&desk, 0, day, 1);
    desk.bench.until_applied(1).await;
    desk.catch_up(Utc::now()).await;
    let rows = 40_i64;
    let feed = async {
        for round in 0..rows {
            let partition = u8::try_from(round % 64).expect("small");
            push_recharge(&desk, partition, day, 1);
            desk.bench.announce().await;
            tokio::task::yield_now().await;
        }
    };
    let close = async {
        desk.soft_lock(&period).await;
        desk.agree(&period, "close").await;
    };
    tokio::join!(feed, close);
    desk.bench.until_applied(rows + 1).await;
    assert_eq!(desk.state_of(day).await, PeriodState::Closed.as_str());
    let days = desk.voucher_days().await;
    assert!(
        days.iter().all(|(own, posted)| *own == day && (*posted == day || *posted == past(4))),
        "{days:?}"
    );
    assert_eq!(fault(&desk).await, Vec::<String>::new());
    desk.end().await;
}

#[tokio::test]
async fn a_period_that_is_none_and_a_step_without_its_reason_are_refused() {
    let desk = Desk::open().await;
    let bad = desk.ask(maker(), "2026-13", "soft-lock", PeriodRequestId::now()).await;
    assert_eq!((bad.0, &bad.1["field"]), (StatusCode::BAD_REQUEST, &"period".into()));
    let old = PeriodRequestId::from_uuid(Uuid::nil());
    let (status, problem) = desk.ask(maker(), &past(5).to_string(), "soft-lock", old).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
    let id = PeriodRequestId::now();
    desk.ask(maker(), &past(5).to_string(), "soft-lock", id).await;
    let (status, problem) = desk.ask(maker(), &past(6).to_string(), "soft-lock", id).await;
    assert_eq!((status, &problem["type"]), (StatusCode::CONFLICT, &"/problems/request-reused".into()));
    let auditor = Person { role: Role::Auditor, id: Uuid::now_v7() };
    assert_eq!(
        desk.ask(auditor, &past(5).to_string(), "close", PeriodRequestId::now()).await.0,
        StatusCode::FORBIDDEN
    );
    assert_eq!(desk.fetch(auditor, "/v1/finance/periods").await.0, StatusCode::OK);
    desk.end().await;
}

#[tokio::test]
async fn every_step_of_a_period_is_in_the_trail_and_what_was_done_past_it_is_named() {
    let desk = Desk::open().await;
    let (day, period) = (past(5), past(5).to_string());
    push_recharge(&desk, 3, day, 100);
    desk.bench.until_applied(1).await;
    desk.close(&period).await;
    desk.agree(&period, "reopen").await;
    desk.close(&period).await;
    let unexplained = async || {
        let verified = desk.get("/v1/finance/audit/periods/verification").await;
        assert_eq!(verified["fault"], serde_json::Value::Null, "{verified}");
        verified["unexplained"].clone()
    };
    assert_eq!(unexplained().await, serde_json::json!([]));
    let page = desk.get(&format!("/v1/finance/audit/periods?subject={day}")).await;
    let acts: Vec<&str> = page["steps"]
        .as_array()
        .expect("a list")
        .iter()
        .rev()
        .filter_map(|step| step["act"].as_str())
        .collect();
    assert_eq!(acts, ["day_soft_locked", "day_closed", "day_reopened", "day_soft_locked", "day_closed"]);
    let of_requests = "SELECT count(DISTINCT subject) FROM {s}.audit_trail WHERE act = 'period_done'";
    assert_eq!(desk.bench.count(of_requests).await, 5, "two soft locks, two closings, a reopening");

    // A hand in the tables: a day opened again, then another digest under the closing.
    let change = async |sql: &'static str| {
        let mut tx = desk.bench.db.begin().await.expect("begins");
        sqlx::query("SET LOCAL session_replication_role = replica").execute(&mut *tx).await.expect("sets");
        sqlx::query(desk.bench.db.sql(sql)).execute(&mut *tx).await.expect(sql);
        tx.commit().await.expect("commits");
    };
    change("UPDATE {s}.periods SET state = 1 WHERE state = 3").await;
    assert_eq!(unexplained().await, serde_json::json!([period]));
    change("UPDATE {s}.periods SET state = 3 WHERE state = 1 AND day IN (SELECT day FROM {s}.day_closings)")
        .await;
    assert_eq!(unexplained().await, serde_json::json!([]));
    change("UPDATE {s}.day_closings SET digest = digest + 1 WHERE version = 2").await;
    assert_eq!(unexplained().await, serde_json::json!([period]));
    desk.running.shutdown().await;
}

#[tokio::test]
async fn a_day_is_not_closed_behind_one_that_is_not_as_it_was_closed() {
    let desk = Desk::open().await;
    for (at, days_ago) in [(3, 7), (4, 6), (5, 5)] {
        push_recharge(&desk, at, past(days_ago), 100);
    }
    desk.bench.until_applied(3).await;
    desk.close(&past(7).to_string()).await;
    desk.close(&past(6).to_string()).await;
    desk.soft_lock(&past(5).to_string()).await;
    desk.catch_up(Utc::now()).await;
    let change = async |sql: &'static str| {
        sqlx::query(desk.bench.db.sql(sql)).execute(desk.bench.db.pool()).await.expect(sql);
    };
    let refused = async || {
        let ask = (maker(), past(5).to_string(), PeriodRequestId::now());
        let (_, problem) = desk.ask(ask.0, &ask.1, "close", ask.2).await;
        problem["detail"].as_str().unwrap_or_default().to_owned()
    };
    let named = format!("closed-day-{}-is-not-as-it-was-closed", past(7));
    let owner = desk.running.owner();
    let looked = async |before| owner.look_at_closed_day(before).await.expect("it answers");
    let closed = |day, is_as_closed| Some(ClosedDay { day, is_as_closed });
    assert_eq!(looked(past(5)).await, closed(past(6), true));
    assert_eq!(looked(past(6)).await, closed(past(7), true));
    assert_eq!(looked(past(7)).await, None);
    let changed = async |before| owner.list_changed_balances(before).await.expect("it answers");
    assert_eq!(changed(past(5)).await, [], "every balance is as it was asserted");
    change("UPDATE {s}.vouchers SET coins = coins + 1 WHERE partition = 3").await;
    assert!(refused().await.contains(&named), "a voucher: {}", refused().await);
    assert_eq!(looked(past(6)).await, closed(past(7), false));
    assert_eq!(looked(past(5)).await, closed(past(6), true), "only its own vouchers and balances count");
    change("UPDATE {s}.vouchers SET coins = coins - 1 WHERE partition = 3").await;
    change(
        "UPDATE {s}.account_days SET debit_micro = debit_micro + 1
         WHERE posted_day = (SELECT min(posted_day) FROM {s}.account_days)",
    )
    .await;
    assert!(refused().await.contains(&named), "a balance: {}", refused().await);
    assert_eq!(changed(past(5)).await, [past(7), past(6)], "and the balances of the day after");
    assert_eq!(changed(past(6)).await, [past(7)]);
    assert_eq!(changed(past(7)).await, []);
    change(
        "UPDATE {s}.account_days SET debit_micro = debit_micro - 1
         WHERE posted_day = (SELECT min(posted_day) FROM {s}.account_days)",
    )
    .await;
    let (_, waiting) = desk.ask(maker(), &past(5).to_string(), "close", PeriodRequestId::now()).await;
    assert_eq!(waiting["state"], "waiting", "{waiting}");
    desk.running.shutdown().await;
}

#[tokio::test]
async fn a_day_waits_for_the_statement_of_each_bank_that_is_expected() {
    let desk = Desk::open_with(|config| config.expected_statements = vec!["house".to_owned()]).await;
    let (day, period) = (past(5), past(5).to_string());
    push_recharge(&desk, 3, day, 100);
    desk.bench.until_applied(1).await;
    desk.soft_lock(&period).await;
    desk.catch_up(Utc::now()).await;
    assert_eq!(desk.blocking(&period).await, ["every-channel-file-is-there"]);
    // A channel of the same name is no bank.
    desk.recon.say(|said| said.files.as_mut().expect("it knows").channels.push("house".to_owned()));
    assert_eq!(desk.blocking(&period).await, ["every-channel-file-is-there"]);
    desk.recon.say(|said| said.files.as_mut().expect("it knows").banks.push("house".to_owned()));
    assert_eq!(desk.blocking(&period).await, Vec::<String>::new());
    desk.end().await;
}
