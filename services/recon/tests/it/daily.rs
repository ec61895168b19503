//! Invariant under test: a day whose books agree has no difference, run after run in the same bytes; whatever is changed
//! after the fact is found, and its row named; and a run goes on where it was cut off.

use crate::small_day::{Office, SmallDay, day, differences};
use axum::http::StatusCode;
use chrono::{NaiveDate, TimeDelta, Utc};
use contracts::log::{LogName, Seq};
use edge::Role;
use ids::{Partition, Uuid};
use money::Micros;
use serde_json::{Value, json};
use std::time::Duration;

/// A partition that has gifts, and one of its orders.
fn somewhere(books: &SmallDay) -> (Partition, Seq) {
    let payment = books.payments.first().expect("somebody paid");
    (payment.stamp.partition, 1)
}

async fn breaks_of(office: &Office, kind: &str) -> Vec<Value> {
    let page = office.get(&format!("/v1/finance/breaks?kind={kind}&limit=200")).await;
    page["breaks"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn a_day_whose_books_agree_has_no_difference_and_the_same_report_again() {
    let books = SmallDay::usual().await;
    let office = books.reconcile_minutes().await;
    office.import(&books.bill(&[])).await;
    let (first, report) = office.run(day()).await;
    assert_eq!(differences(&report), [""; 0], "{report}");
    for said in [
        "The whole day.",
        "rows wallet.entries 48",
        "rows gift.orders 36",
        "rows settlement.items 36",
        "payments credited 12 pending 0",
        "channel channel.sandbox ours 12 of 7266 theirs 12 of 7266 other rows 0",
        "channel channel.sandbox matched 12 of 7266 variance 0",
        "control 2205.01 ",
    ] {
        assert!(report.contains(said), "{said:?} is not in\n{report}");
    }
    assert!(report.contains("openings proven 12 taken as found 0"), "{report}");
    let (second, again) = office.run(day()).await;
    assert_eq!(again, report, "byte by byte");
    let same = office.get(&format!("/v1/finance/recon-runs/{first}/diff/{second}")).await;
    assert_eq!(same, json!({ "is_equal": true, "only_in_a": [], "only_in_b": [] }));
    let run = office.get(&format!("/v1/finance/recon-runs/{second}")).await;
    assert_eq!((&run["steps_done"], &run["matched_count"]), (&json!(65), &json!(12)), "{run}");
    assert_eq!(books.bench.count("SELECT count(*) FROM {s}.matches").await, 12);
    assert_eq!(books.bench.count("SELECT count(*) FROM {s}.breaks").await, 0);
    office.running.shutdown().await;
}

#[tokio::test]
async fn an_order_changed_after_the_fact_is_named_with_both_sides_and_stays_open() {
    let books = SmallDay::usual().await;
    let office = books.reconcile_minutes().await;
    office.import(&books.bill(&[])).await;
    let (clean, _) = office.run(day()).await;
    let (partition, seq) = somewhere(&books);
    let mut honest = None;
    books.bench.orders.tamper(partition, seq, |order| {
        honest = Some(order.clone());
        order.paid_coins = money::Coins::try_new(order.paid_coins.get() + 1).expect("in range");
    });
    let honest = honest.expect("it was there");
    let (dirty, report) = office.run(day()).await;
    assert_eq!(differences(&report), ["amount_mismatch", "amount_mismatch"], "{report}");
    let found = breaks_of(&office, "amount_mismatch").await;
    assert_eq!(found.len(), 2, "to the entry before it, and to the item behind it");
    for found in &found {
        assert_eq!(found["order_id"], json!(honest.order_id), "{found}");
        assert_eq!((&found["coins"], &found["day"]), (&json!(1), &json!(day())), "{found}");
    }
    let changed = office.get(&format!("/v1/finance/recon-runs/{clean}/diff/{dirty}")).await;
    assert_eq!(changed["is_equal"], json!(false));
    assert!(changed["only_in_b"].to_string().contains("amount_mismatch"), "{changed}");
    let id = found[0]["break_id"].as_str().expect("an id");
    let explained = office.get(&format!("/v1/finance/explanations/{id}")).await;
    assert_eq!(explained["about"], "break");
    assert!(explained["detail"]["after"]["row"].is_object(), "the row as it is now: {explained}");
    // Put right again, the next run finds them gone and says so; and back again they are linked to the first.
    books.bench.orders.tamper(partition, seq, |order| *order = honest.clone());
    assert_eq!(differences(&office.run(day()).await.1), [""; 0]);
    let closed = breaks_of(&office, "amount_mismatch").await;
    assert!(closed.iter().all(|found| found["closed_why"] == "logs_agree"), "{closed:?}");
    books.bench.orders.tamper(partition, seq, |order| {
        order.paid_coins = money::Coins::try_new(order.paid_coins.get() + 1).expect("in range");
    });
    office.run(day()).await;
    let again = breaks_of(&office, "amount_mismatch").await;
    let linked: Vec<_> = again.iter().filter(|found| found["reopens_id"].is_string()).collect();
    assert_eq!((again.len(), linked.len()), (4, 2), "{again:?}");
    let trail = office.get("/v1/finance/audit/breaks/verification").await;
    assert_eq!((&trail["fault"], &trail["unexplained"]), (&Value::Null, &json!([])), "{trail}");
    office.running.shutdown().await;
}

#[tokio::test]
async fn every_run_looks_at_closed_days_again_and_names_those_that_changed() {
    let books = SmallDay::usual().await;
    let office = books.reconcile_minutes().await;
    office.import(&books.bill(&[])).await;
    let before = |days: i64| day() - TimeDelta::days(days);
    for days in 1..=3 {
        books.bench.owner.close(before(days), true);
    }
    let (_, report) = office.run(day()).await;
    assert!(report.contains("closed days not as they were closed 0"), "{report}");
    books.bench.owner.close(before(2), false);
    let (_, report) = office.run(day()).await;
    assert_eq!(differences(&report), ["closed_day_changed"], "{report}");
    assert!(report.contains("closed days not as they were closed 1"), "{report}");
    let found = breaks_of(&office, "closed_day_changed").await;
    assert_eq!((found.len(), &found[0]["day"]), (1, &json!(before(2))), "{found:?}");
    assert_eq!(differences(&office.run(day()).await.1), ["closed_day_changed"], "and again");
    assert_eq!(breaks_of(&office, "closed_day_changed").await.len(), 1, "once in the inbox");
    books.bench.owner.close(before(2), true);
    assert_eq!(differences(&office.run(day()).await.1), [""; 0]);
    let closed = breaks_of(&office, "closed_day_changed").await;
    assert!(closed.iter().all(|found| found["closed_why"] == "logs_agree"), "{closed:?}");
    // Of days that are too old for their vouchers to be read again, balances are looked at.
    for days in 4..=60 {
        books.bench.owner.close(before(days), days != 60);
    }
    assert_eq!(differences(&office.run(day()).await.1), ["closed_day_changed"]);
    let found = breaks_of(&office, "closed_day_changed").await;
    assert!(found.iter().any(|found| found["day"] == json!(before(60))), "{found:?}");
    office.running.shutdown().await;
}

#[tokio::test]
async fn every_way_to_change_a_row_after_the_fact_is_found_by_its_kind() {
    let books = SmallDay::usual().await;
    let office = books.reconcile_minutes().await;
    office.import(&books.bill(&[])).await;
    office.run(day()).await;
    let (partition, _) = somewhere(&books);
    let bench = &books.bench;
    // Seq 1 of the partition's entries is a recharge, seq 2 a gift.
    let mut kept = None;
    bench.entries.tamper(partition, 2, |entry| kept = Some(entry.clone()));
    let entry = kept.expect("a gift");
    bench.entries.tamper(partition, 2, |entry| entry.available.paid_coins -= 1);
    let (_, report) = office.run(day()).await;
    let kinds = differences(&report);
    assert!(kinds.contains(&"balance_mismatch"), "the chain of the account breaks: {report}");
    assert!(kinds.contains(&"amount_mismatch") && kinds.contains(&"voucher_mismatch"), "{report}");
    bench.entries.tamper(partition, 2, |row| *row = entry.clone());

    // A streamer's gift goes to another, in order and item alike: no coin differs.
    let thief = ids::StreamerId::now();
    let mut owner = None;
    bench.items.tamper(partition, 1, |item| {
        owner = Some(item.streamer_id);
        item.streamer_id = thief;
    });
    let (_, report) = office.run(day()).await;
    assert_eq!(differences(&report), ["row_mismatch"], "{report}");
    assert!(report.contains("\"columns\":[\"streamer_id\"]"), "{report}");
    bench.items.tamper(partition, 1, |item| item.streamer_id = owner.expect("it was there"));

    // One millionth goes from the house to a streamer.
    bench.items.tamper(partition, 1, |item| {
        item.streamer = Micros::new(item.streamer.get() + 1);
        item.platform = Micros::new(item.platform.get() - 1);
    });
    let (_, report) = office.run(day()).await;
    assert_eq!(differences(&report), ["control_mismatch"], "{report}");
    bench.items.tamper(partition, 1, |item| {
        item.streamer = Micros::new(item.streamer.get() - 1);
        item.platform = Micros::new(item.platform.get() + 1);
    });

    // The order and its entry are changed alike, and only what was read of them before tells.
    let (mut voucher_rows, mut honest) = (Vec::new(), None);
    bench.orders.tamper(partition, 1, |order| {
        honest = Some(order.order_id);
        order.order_id = ids::OrderId::now();
        voucher_rows.push(order.order_id);
    });
    let fake = voucher_rows[0];
    bench.items.tamper(partition, 1, |item| item.order_id = fake);
    bench.entries.tamper(partition, 2, |entry| entry.request_id = fake.debit_request());
    let (_, report) = office.run(day()).await;
    let kinds = differences(&report);
    assert!(!kinds.is_empty() && kinds.iter().all(|kind| *kind == "digest_mismatch"), "{report}");
    assert!(report.contains(&fake.to_string()), "the minute's orders are named: {report}");
    let honest = honest.expect("it was there");
    bench.orders.tamper(partition, 1, |order| order.order_id = honest);
    bench.items.tamper(partition, 1, |item| item.order_id = honest);
    bench.entries.tamper(partition, 2, |entry| entry.request_id = honest.debit_request());
    assert_eq!(differences(&office.run(day()).await.1), [""; 0]);

    // A payment grows after the channel had told of it.
    bench.payments.tamper(partition, 1, |payment| payment.amount_minor += 100);
    let (_, report) = office.run(day()).await;
    let kinds = differences(&report);
    assert!(kinds.contains(&"payment_changed") && kinds.contains(&"control_mismatch"), "{report}");
    office.running.shutdown().await;
}

#[tokio::test]
async fn rows_that_are_gone_are_named_and_so_is_money_without_coins() {
    let mut books = SmallDay::usual().await;
    let payment = books.payments.first().expect("somebody paid").clone();
    let partition = payment.stamp.partition;
    let mut another = payment.clone();
    another.payment_id = ids::PaymentId::now();
    another.channel_payment_id = "wx-lost".to_owned();
    books.bench.payments.push(another.clone());
    books.post_vouchers();
    let office = books.reconcile_minutes().await;
    let (_, report) = office.run(day()).await;
    let kinds = differences(&report);
    assert!(kinds.contains(&"missing_credit"), "{report}");
    assert!(kinds.contains(&"missing_bill"), "nobody handed a bill in: {report}");
    assert!(report.contains(&another.payment_id.to_string()), "{report}");
    books.bench.items.take_out(partition, 1);
    let (_, report) = office.run(day()).await;
    assert!(differences(&report).contains(&"missing_row"), "{report}");
    assert!(report.contains(&format!("{}/{partition}/missing_row/1/1", LogName::Items)), "{report}");
    assert!(differences(&report).contains(&"missing_item"), "{report}");
    office.running.shutdown().await;
}

#[tokio::test]
async fn a_run_that_was_cut_off_goes_on_and_does_no_step_again() {
    let books = SmallDay::usual().await;
    let office = books.reconcile_minutes().await;
    office.import(&books.bill(&[])).await;
    let (_, whole) = office.run(day()).await;
    let half = Partition::try_new(20).expect("a partition");
    books.bench.payments.shut_from(Some(half));
    let run_id = office.ask_run(day()).await;
    let cut = office.until_run(run_id, |run| run["steps_done"] == 20).await;
    assert_eq!((&cut["state"], &cut["step"]), (&json!("running"), &json!("logs of partition 20")));
    office.running.shutdown().await;
    let ended = "SELECT (extract(epoch FROM max(ended_at)) * 1000000)::bigint FROM {s}.run_steps
        WHERE run_id = (SELECT run_id FROM {s}.recon_runs WHERE state <> 3)";
    let before = books.bench.count(ended).await;
    books.bench.payments.shut_from(None);
    let office = Office::of(books.bench.start().await);
    office.until_run(run_id, |run| run["state"] == "done").await;
    assert_eq!(office.report(run_id).await, whole, "as if nothing had happened");
    let first_twenty = "SELECT (extract(epoch FROM max(ended_at)) * 1000000)::bigint FROM {s}.run_steps
        WHERE step_no <= 20 AND run_id = (SELECT run_id FROM {s}.recon_runs ORDER BY requested_at DESC LIMIT 1)";
    assert_eq!(books.bench.count(first_twenty).await, before, "what was done was not done again");
    office.running.shutdown().await;
}

#[tokio::test]
async fn a_run_waits_for_logs_that_are_not_closed_and_bad_asks_are_refused() {
    let books = SmallDay::usual().await;
    let running = books.bench.start().await;
    books.bench.until_applied().await;
    books.bench.close_and_compare(&running, crate::database::noon()).await;
    let office = Office::of(running);
    let run_id = office.ask_run(day()).await;
    let waits = office.until_run(run_id, |run| run["last_error"].is_string()).await;
    assert!(waits["last_error"].as_str().expect("a reason").contains("is not closed"), "{waits}");
    books.close();
    office.until_run(run_id, |run| run["state"] == "done").await;
    let ask = async |body: Value| office.api.post(&office.maker, "/v1/finance/recon-runs", &body).await;
    let again = ask(json!({ "run_id": run_id, "day": day() })).await;
    assert_eq!((again.0, &again.1["state"]), (StatusCode::ACCEPTED, &json!("done")));
    let other = ask(json!({ "run_id": run_id, "day": "2026-02-01" })).await;
    assert_eq!((other.0, crate::desk_api::slug(&other.1)), (StatusCode::CONFLICT, "request-reused"));
    let late = ask(json!({ "run_id": Uuid::now_v7(), "day": "2199-01-01" })).await;
    assert_eq!(
        (late.0, crate::desk_api::slug(&late.1)),
        (StatusCode::UNPROCESSABLE_ENTITY, "day-out-of-range")
    );
    let reader = office.api.person(Role::Auditor, "aud");
    let body = json!({ "run_id": Uuid::now_v7(), "day": day() });
    assert_eq!(office.api.post(&reader, "/v1/finance/recon-runs", &body).await.0, StatusCode::FORBIDDEN);
    let (status, _) =
        office.api.get(&office.maker, &format!("/v1/finance/explanations/{}", Uuid::now_v7())).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    office.running.shutdown().await;
}

/// Two days of the same viewers, both reconciled.
async fn two_days() -> (SmallDay, Office, NaiveDate) {
    let mut books = SmallDay::usual().await;
    let viewers: Vec<_> = books.payments.iter().map(|payment| payment.account_id).collect();
    books.at += TimeDelta::days(1);
    for viewer in viewers {
        books.gift(viewer, 7);
    }
    books.post_vouchers();
    let office = books.reconcile_minutes().await;
    office.import(&books.bill(&[])).await;
    (books, office, day().succ_opt().expect("a day"))
}

#[tokio::test]
async fn a_day_opens_as_the_day_before_closed_and_has_no_other_days_rows() {
    let (books, office, next) = two_days().await;
    let (_, report) = office.run(day()).await;
    assert_eq!(differences(&report), [""; 0], "{report}");
    assert!(report.contains("rows wallet.entries 48\n"), "of the first day alone: {report}");
    let (_, report) = office.run(next).await;
    assert_eq!(differences(&report), [""; 0], "{report}");
    for said in
        ["rows wallet.entries 12\n", "rows settlement.items 12\n", "openings proven 12 taken as found 0"]
    {
        assert!(report.contains(said), "{said:?} is not in\n{report}");
    }
    // The last entry of an account's first day, and the whole of its second, are moved up by one coin alike: the chain
    // of each day holds, and only what was kept of the first day's end tells.
    let payment = books.payments.first().expect("somebody paid");
    let (partition, account) = (payment.stamp.partition, payment.account_id);
    let mut seqs = Vec::new();
    for seq in 1..=books.bench.entries.len_of(partition) {
        books.bench.entries.tamper(partition, seq, |entry| {
            if entry.account_id == account {
                seqs.push(seq);
            }
        });
    }
    for seq in &seqs {
        books.bench.entries.tamper(partition, *seq, |entry| {
            entry.after.paid_coins =
                money::Coins::try_new(entry.after.paid_coins.get() + 1).expect("in range");
            if entry.previous_seq == 0 {
                entry.available.paid_coins += 1;
            }
        });
    }
    let (_, first) = office.run(day()).await;
    assert!(first.contains(&format!("balance_mismatch/{}/{account}/closing", day())), "{first}");
    let (_, second) = office.run(next).await;
    assert_eq!(differences(&second), ["balance_mismatch", "balance_mismatch"], "{second}");
    for end in ["opening", "closing"] {
        assert!(second.contains(&format!("balance_mismatch/{next}/{account}/{end}")), "{second}");
    }
    office.running.shutdown().await;
}

#[tokio::test]
async fn the_day_that_ended_last_is_asked_for_once_however_many_nodes_there_are() {
    let mut books = SmallDay::usual().await;
    books.bench.tune = Box::new(|config| config.daily_run_at = "00:00".to_owned());
    books.at = Utc::now() + TimeDelta::days(1);
    books.close();
    let (one, other) = (books.bench.start_as("a").await, books.bench.start_as("b").await);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    let done = "SELECT count(*) FROM {s}.recon_runs WHERE state = 3 AND requested_by = 'recon'";
    while books.bench.count(done).await == 0 {
        assert!(tokio::time::Instant::now() < deadline, "nobody has run the day that ended last");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Two days, where the test began before midnight.
    let twice = "SELECT count(*) - count(DISTINCT day) FROM {s}.recon_runs";
    assert_eq!(books.bench.count(twice).await, 0);
    one.shutdown().await;
    other.shutdown().await;
}
