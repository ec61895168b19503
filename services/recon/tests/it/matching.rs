//! Invariant under test: a channel's bill and our payments are matched where that is certain, and everything else is a
//! difference of its type; nothing matches falsely, whatever is wrong with the bill.

use crate::database::noon;
use crate::small_day::{Office, SmallDay, bill_of, day, differences};
use axum::http::StatusCode;
use bills::wechat::write::{Fault, TradeRow};
use chrono::TimeDelta;
use ids::ViewerId;
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use sqlx::Row;
use std::collections::{BTreeMap, BTreeSet};

/// What the stored matches say: our payments' channel ids, and the rows' references.
pub async fn matches(books: &SmallDay) -> Vec<(BTreeSet<String>, BTreeSet<String>)> {
    let db = &books.bench.db;
    let list = "SELECT r.match_id, r.side, coalesce(p.channel_payment_id, CASE b.scope WHEN 3 THEN b.about_ref ELSE b.channel_ref END) AS reference
        FROM {s}.matched_rows r
        LEFT JOIN {s}.payment_lines p ON r.side = 1 AND p.payment_id::text = r.row_id
        LEFT JOIN {s}.bill_rows b ON r.side = 2 AND b.bill_id::text || ':' || b.row_no = r.row_id";
    let mut found: BTreeMap<ids::Uuid, (BTreeSet<String>, BTreeSet<String>)> = BTreeMap::new();
    for row in sqlx::query(db.sql(list)).fetch_all(db.pool()).await.expect("reads") {
        let sides = found.entry(row.get("match_id")).or_default();
        let side = if row.get::<i16, _>("side") == 1 { &mut sides.0 } else { &mut sides.1 };
        side.insert(row.get("reference"));
    }
    found.into_values().collect()
}

#[tokio::test]
async fn a_bill_with_planted_faults_gives_exactly_these_differences_and_the_same_bytes_again() {
    let books = SmallDay::usual().await;
    let rows = books.trade_rows();
    let extra = TradeRow { channel_order: "wx-extra".to_owned(), amount_minor: 999, ..rows[0].clone() };
    let faults = [
        Fault::MissingRow { row: 0 },
        Fault::ExtraRow { extra },
        Fault::AmountOff { row: 1, by_minor: 5 },
        Fault::DuplicatedRow { row: 2 },
        Fault::RefundWithoutPayment { row: 3 },
    ];
    let office = books.reconcile_minutes().await;
    office.import(&books.bill(&faults)).await;
    let (run, report) = office.run(day()).await;
    let expected =
        ["bill_amount_mismatch", "duplicate_bill_row", "long_money", "short_money", "unknown_refund"];
    assert_eq!(differences(&report), expected, "{report}");
    let found = office.get("/v1/finance/breaks?limit=200").await;
    let named: BTreeMap<&str, &Value> = found["breaks"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|found| (found["kind"].as_str().expect("a kind"), found))
        .collect();
    let amount = |kind: &str| named[kind]["evidence"]["amount_minor"].as_i64();
    assert_eq!(amount("short_money"), Some(600));
    assert_eq!(amount("long_money"), Some(999));
    assert_eq!(amount("bill_amount_mismatch"), Some(5));
    assert_eq!(amount("duplicate_bill_row"), Some(602));
    assert_eq!(amount("unknown_refund"), Some(603));
    assert_eq!(named["short_money"]["coins"], json!(6_000), "weighed in coins");
    assert_eq!(matches(&books).await.len(), 9, "twelve payments less the missing, the changed, the doubled");
    let (again, same) = office.run(day()).await;
    assert_eq!(same, report, "byte by byte");
    assert_eq!(books.bench.count("SELECT count(*) FROM {s}.breaks").await, 5, "found again, not told again");
    let detail = office.get(&format!("/v1/finance/recon-runs/{again}")).await;
    assert_eq!((&detail["matched_count"], &detail["differences"]), (&json!(9), &json!(5)), "{run}");

    let short = named["short_money"]["evidence"]["ours"][0]["payment_id"].as_str().expect("an id").to_owned();
    let explained = office.get(&format!("/v1/finance/explanations/{short}")).await;
    assert!(
        explained["why"].as_str().expect("a sentence").starts_with("not matched: short_money"),
        "{explained}"
    );
    let fine = books.payments[5].payment_id;
    let explained = office.get(&format!("/v1/finance/explanations/{fine}")).await;
    let why = explained["why"].as_str().expect("a sentence");
    assert!(why.starts_with("matched by the pass exact of version 1"), "{explained}");
    assert_eq!(explained["theirs"][0]["channel_ref"], json!(books.payments[5].channel_payment_id));
    let row = explained["theirs"][0]["row_id"].as_str().expect("an id");
    let from_there = office.get(&format!("/v1/finance/explanations/{row}")).await;
    assert_eq!(from_there["ours"][0]["payment_id"], json!(fine));
    let today = office.get(&format!("/v1/finance/today?day={}", day())).await;
    assert_eq!(today["match_rate_count_ppm"], json!(750_000), "{today}");
    assert_eq!(
        (&today["open_breaks"], &today["cash_at_risk_minor"]),
        (&json!(5), &json!(600 + 999 + 5 + 602 + 603))
    );
    assert_eq!(today["files"][0]["state"], "arrived");
    let ages = office.get("/v1/finance/break-ages").await;
    let groups = ages["groups"].as_array().expect("groups");
    let sum = |name: &str| groups.iter().map(|group| group[name].as_i64().expect("a number")).sum::<i64>();
    assert_eq!(
        (json!(sum("count")), json!(sum("amount_minor"))),
        (json!(5), today["cash_at_risk_minor"].clone())
    );
    office.running.shutdown().await;
}

#[tokio::test]
async fn a_row_of_the_next_days_bill_clears_the_difference_of_the_day_before() {
    let mut books = SmallDay::usual().await;
    let late = ViewerId::now();
    books.recharge(late, 900, "wx-late", noon());
    books.post_vouchers();
    let office = books.reconcile_minutes().await;
    office.import(&books.bill(&[Fault::MissingRow { row: 12 }])).await;
    assert_eq!(differences(&office.run(day()).await.1), ["short_money"]);
    let mut row = books.trade_rows()[12].clone();
    row.at += TimeDelta::days(1);
    office.import(&bill_of(&[row], &[])).await;
    let next = day().succ_opt().expect("a day");
    let (_, report) = office.run(next).await;
    assert_eq!(differences(&report), [""; 0], "{report}");
    let found = office.get("/v1/finance/breaks?kind=short_money").await;
    let found = &found["breaks"][0];
    assert_eq!((&found["state"], &found["closed_why"]), (&json!("closed"), &json!("logs_agree")), "{found}");
    let explained = office.get(&format!("/v1/finance/explanations/{}", books.payments[12].payment_id)).await;
    assert!(explained["why"].as_str().expect("why").contains("the pass day-cut"), "{explained}");
    // The day before, run again, leaves it to the day that has it.
    assert_eq!(differences(&office.run(day()).await.1), [""; 0]);
    assert_eq!(matches(&books).await.len(), 13);
    office.running.shutdown().await;
}

#[tokio::test]
async fn a_banks_sum_of_a_channels_day_less_its_fee_is_one_match_of_many() {
    let books = SmallDay::usual().await;
    let office = books.reconcile_minutes().await;
    let profile = json!({
        "version": 1, "name": "icbc", "currency": "CNY",
        "columns": { "at": "date", "channel_ref": "ref", "our_ref": "note", "amount": { "in_positive": { "column": "amount" } } },
        "dates": { "format": "%Y-%m-%d", "offset": "+08:00" },
    });
    let (status, _) = office.api.post(&office.maker, "/v1/finance/bill-profiles", &profile).await;
    assert_eq!(status, StatusCode::CREATED);
    let file = format!("date,ref,note,amount\n{},b-1,sandbox-{},72.22\n", day(), day());
    let path = "/v1/finance/bills?channel=sandbox&scope=bank&profile=icbc";
    let (status, bill) = office.api.post_file(&office.maker, path, file.as_bytes()).await;
    assert_eq!(status, StatusCode::CREATED, "{bill}");
    office.import(&books.bill(&[])).await;
    let (_, report) = office.run(day()).await;
    assert_eq!(differences(&report), [""; 0], "{report}");
    assert!(report.contains("channel bank.sandbox matched 12 of 7266 variance -44 "), "{report}");
    let explained = office.get(&format!("/v1/finance/explanations/{}", books.payments[0].payment_id)).await;
    let passes: Vec<&str> = explained["matches"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|of| of["pass"].as_str())
        .collect();
    assert_eq!(passes, ["exact", "day-less-fee"], "each scope has its own match");
    office.running.shutdown().await;
}

#[tokio::test]
async fn no_row_is_in_two_matches_because_the_table_says_so() {
    let books = SmallDay::usual().await;
    let office = books.reconcile_minutes().await;
    office.import(&books.bill(&[])).await;
    office.run(day()).await;
    let db = &books.bench.db;
    let again = "INSERT INTO {s}.matched_rows (scope, side, row_id, match_id)
        SELECT r.scope, r.side, r.row_id, m.match_id FROM {s}.matched_rows r, {s}.matches m
        WHERE m.match_id <> r.match_id LIMIT 1";
    let refused = sqlx::query(db.sql(again)).execute(db.pool()).await.expect_err("a second match");
    let constraint = refused.as_database_error().and_then(sqlx::error::DatabaseError::constraint);
    assert_eq!(constraint, Some("matched_rows_match_once"));
    for sql in ["UPDATE {s}.bill_rows SET amount_minor = 1", "DELETE FROM {s}.payment_lines"] {
        sqlx::query(db.sql(sql)).execute(db.pool()).await.expect_err(sql);
    }
    office.running.shutdown().await;
}

/// What is wrong with one row of a bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    No,
    Missing,
    /// By more than amounts lie apart.
    Off(i64),
    Doubled,
    /// The next row has its reference, and it the next one's.
    Swapped,
    /// A refund that nobody asked for stands beside it.
    Refund,
}

pub fn wrongs() -> impl Strategy<Value = Vec<Wrong>> {
    let wrong = prop_oneof![
        6 => Just(Wrong::No),
        1 => Just(Wrong::Missing),
        1 => (50_i64..=60).prop_map(Wrong::Off),
        1 => Just(Wrong::Doubled),
        1 => Just(Wrong::Swapped),
        1 => Just(Wrong::Refund),
    ];
    proptest::collection::vec(wrong, 12)
}

/// The bill with what is wrong, and the references that must be matched: those whose rows are as they were.
fn planted(rows: &[TradeRow], wrongs: &[Wrong]) -> (Vec<TradeRow>, Vec<Fault>, BTreeSet<String>) {
    let (mut bill, mut faults) = (rows.to_vec(), Vec::new());
    for (row, wrong) in wrongs.iter().enumerate() {
        match wrong {
            Wrong::No => {}
            Wrong::Missing => faults.push(Fault::MissingRow { row }),
            Wrong::Off(by) => faults.push(Fault::AmountOff { row, by_minor: *by }),
            Wrong::Doubled => faults.push(Fault::DuplicatedRow { row }),
            Wrong::Refund => faults.push(Fault::RefundWithoutPayment { row }),
            Wrong::Swapped => {
                let next = (row + 1) % rows.len();
                let (one, other) = (bill[row].channel_order.clone(), bill[next].channel_order.clone());
                (bill[row].channel_order, bill[next].channel_order) = (other, one);
            }
        }
    }
    let is_whole = |wrong: &Wrong| matches!(wrong, Wrong::No | Wrong::Refund | Wrong::Swapped);
    let as_it_was = rows.iter().zip(&bill).zip(wrongs);
    let right = as_it_was
        .filter(|((row, told), wrong)| row.channel_order == told.channel_order && is_whole(wrong))
        .map(|((row, _), _)| row.channel_order.clone())
        .collect();
    (bill, faults, right)
}

/// Whatever is wrong with the bill, no match joins a payment with a row that is not its own, nothing that is right
/// stays unmatched, and what is unmatched is told.
async fn nothing_matches_falsely(wrongs: &[Wrong]) {
    let books = SmallDay::usual().await;
    let (rows, faults, right) = planted(&books.trade_rows(), wrongs);
    let office = books.reconcile_minutes().await;
    office.import(&bill_of(&rows, &faults)).await;
    let (_, report) = office.run(day()).await;
    let mut matched = BTreeSet::new();
    for (ours, theirs) in matches(&books).await {
        assert_eq!(ours, theirs, "{wrongs:?}: a payment was matched with another's row");
        assert!(ours.is_subset(&right), "{wrongs:?}: {ours:?} was matched and should not be");
        matched.extend(ours);
    }
    assert_eq!(matched, right, "{wrongs:?}: what is right is matched");
    let of_ours = ["short_money", "bill_amount_mismatch", "duplicate_bill_row", "ambiguous_match"];
    let told = differences(&report).iter().filter(|kind| of_ours.contains(kind)).count();
    assert_eq!(
        told,
        books.payments.len() - right.len(),
        "{wrongs:?}: every other payment is told in\n{report}"
    );
    assert_eq!(office.run(day()).await.1, report, "byte by byte");
    office.running.shutdown().await;
}

#[tokio::test]
async fn nothing_matches_falsely_under_seeded_faults() {
    let mut runner = TestRunner::deterministic();
    let cases = if std::env::var_os("LARGESSE_TEST_LONG").is_some() { 40 } else { 3 };
    for _ in 0..cases {
        let wrongs = wrongs().new_tree(&mut runner).expect("a case").current();
        nothing_matches_falsely(&wrongs).await;
    }
    nothing_matches_falsely(&[Wrong::Swapped; 12]).await;
}

#[tokio::test]
async fn a_missing_bill_is_one_difference_and_goes_when_it_comes() {
    let books = SmallDay::usual().await;
    let office: Office = books.reconcile_minutes().await;
    let (_, report) = office.run(day()).await;
    assert_eq!(differences(&report), ["missing_bill"], "{report}");
    let today = office.get(&format!("/v1/finance/today?day={}", day())).await;
    assert_eq!((&today["files"][0]["state"], &today["match_rate_count_ppm"]), (&json!("missing"), &json!(0)));
    office.import(&books.bill(&[])).await;
    assert_eq!(differences(&office.run(day()).await.1), [""; 0]);
    let found = office.get("/v1/finance/breaks?kind=missing_bill").await;
    assert_eq!(found["breaks"][0]["state"], "closed", "{found}");
    office.running.shutdown().await;
}
