//! Invariant under test: a channel's fund bill is second evidence of each payment: what it lacks, has too much, or states
//! otherwise is told beside the trade bill's differences, counts in no figure twice, and posts nothing.

use crate::desk_api::slug;
use crate::matching::{Wrong, matches, wrongs};
use crate::small_day::{Office, SmallDay, day, differences};
use axum::http::StatusCode;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use ids::ViewerId;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;

/// A movement of the channel's balance.
#[derive(Clone)]
pub struct Movement {
    pub at: DateTime<Utc>,
    pub about: String,
    pub kind: &'static str,
    /// In minor units, negative where money left the balance.
    pub amount_minor: i64,
}

pub const FEE: &str = "扣除交易手续费";

/// A payment's row and its fee's, in whole minor units.
fn booked(channel_id: &str, amount_minor: i64, at: DateTime<Utc>) -> [Movement; 2] {
    let row = |kind, amount_minor| Movement { at, about: channel_id.to_owned(), kind, amount_minor };
    [row("交易", amount_minor), row(FEE, -((amount_minor * 6 + 500) / 1_000))]
}

/// What the fund bill of the day says, if nothing is wrong.
pub fn movements(books: &SmallDay) -> Vec<Movement> {
    let both = |payment: &contracts::payment::Payment| {
        booked(&payment.channel_payment_id, payment.amount_minor, payment.paid_at)
    };
    books.payments.iter().flat_map(both).collect()
}

fn yuan(minor: i64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}

/// A fund bill as the channel writes it.
pub fn fund_bill(movements: &[Movement]) -> String {
    let mut text = String::from(
        "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额（元）,账户结余(元),资金变更提交申请人,备注,业务凭证号\n",
    );
    let (mut balance, mut sums) = (100_000, [(0, 0), (0, 0)]);
    for (number, of) in movements.iter().enumerate() {
        balance += of.amount_minor;
        let (way, side) = if of.amount_minor < 0 { ("支出", 1) } else { ("收入", 0) };
        sums[side].0 += 1;
        sums[side].1 += of.amount_minor.abs();
        let at = (of.at + TimeDelta::hours(8)).format("%Y-%m-%d %H:%M:%S");
        let (amount, left) = (yuan(of.amount_minor.abs()), yuan(balance));
        writeln!(
            text,
            "`{at},`{},`9{number:09},`{},`{},`{way},`{amount},`{left},`system,`,`",
            of.about, of.kind, of.kind
        )
        .expect("a text");
    }
    let [(ins, came), (outs, left)] = sums;
    text.push_str("资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额\n");
    writeln!(text, "`{},`{ins},`{},`{outs},`{}", movements.len(), yuan(came), yuan(left)).expect("a text");
    text
}

pub async fn import(office: &Office, movements: &[Movement]) -> Value {
    let bill = office.import(fund_bill(movements).as_bytes()).await;
    assert_eq!((&bill["scope"], &bill["format"]), (&json!("funds"), &json!("wechat-fund")), "{bill}");
    bill
}

/// Books that agree, with the trade bill of the day.
pub async fn with_trades(books: &SmallDay) -> Office {
    let office = books.reconcile_minutes().await;
    office.import(&books.bill(&[])).await;
    office
}

/// Nothing was asked of any service, and no control account differs.
fn assert_nothing_posted(books: &SmallDay, report: &str) {
    assert!(books.bench.owner.done().is_empty(), "a fund bill moves no money");
    for line in report.lines().filter(|line| line.starts_with("control ")) {
        assert!(line.ends_with("difference 0"), "{line}");
    }
}

async fn today(office: &Office, of: NaiveDate) -> Value {
    office.get(&format!("/v1/finance/today?day={of}")).await
}

#[tokio::test]
async fn a_fund_bill_that_agrees_is_a_second_match_of_each_payment_and_counts_in_no_figure_twice() {
    let books = SmallDay::usual().await;
    let office = with_trades(&books).await;
    let (_, before) = office.run(day()).await;
    assert!(!before.contains("funds."), "no fund bill, no place and no difference: {before}");
    import(&office, &movements(&books)).await;
    let (run, report) = office.run(day()).await;
    assert_eq!(differences(&report), [""; 0], "{report}");
    assert!(
        report.contains("channel funds.sandbox ours 12 of 7266 theirs 12 of 7266 other rows 12"),
        "{report}"
    );
    assert!(report.contains("channel funds.sandbox matched 12 of 7266 variance 0 "), "{report}");
    let explained = office.get(&format!("/v1/finance/explanations/{}", books.payments[0].payment_id)).await;
    let scopes: Vec<_> =
        explained["matches"].as_array().expect("a list").iter().map(|of| &of["scope"]).collect();
    assert_eq!(scopes, ["channel", "funds"], "each scope has its own match: {explained}");
    assert_eq!(explained["theirs"].as_array().map(Vec::len), Some(2), "{explained}");
    let detail = office.get(&format!("/v1/finance/recon-runs/{run}")).await;
    assert_eq!(detail["matched_count"], json!(12), "a payment counts once: {detail}");
    let seen = today(&office, day()).await;
    assert_eq!(seen["match_rate_count_ppm"], json!(1_000_000), "{seen}");
    let files: Vec<_> = seen["files"].as_array().expect("a list").iter().map(|of| &of["scope"]).collect();
    assert_eq!(files, ["channel", "funds"]);
    assert_eq!(office.run(day()).await.1, report, "byte by byte");
    assert_nothing_posted(&books, &report);
    office.running.shutdown().await;
}

#[tokio::test]
async fn a_row_that_is_missing_too_much_or_off_is_told_beside_the_trade_bill_and_is_no_second_risk() {
    let books = SmallDay::usual().await;
    let office = with_trades(&books).await;
    let mut rows = movements(&books);
    rows.drain(0..2);
    rows.extend(booked("wx-extra", 999, books.payments[0].paid_at));
    rows[0].amount_minor += 5;
    let back = Movement { kind: "退款", amount_minor: -40, about: "wx-back".to_owned(), ..rows[2].clone() };
    rows.push(back);
    import(&office, &rows).await;
    let (_, report) = office.run(day()).await;
    let expected = ["bill_amount_mismatch", "long_money", "short_money", "unknown_refund"];
    assert_eq!(differences(&report), expected, "{report}");
    let found = office.get("/v1/finance/breaks?limit=200").await;
    for of in found["breaks"].as_array().expect("a list") {
        assert_eq!(of["logs"], "funds.sandbox", "{of}");
    }
    let by = |kind: &str| {
        let all = found["breaks"].as_array().expect("a list");
        all.iter().find(|of| of["kind"] == kind).map(|of| of["evidence"]["difference_minor"].clone())
    };
    assert_eq!(by("short_money"), Some(json!(600)));
    assert_eq!(by("long_money"), Some(json!(999)));
    assert_eq!(by("bill_amount_mismatch"), Some(json!(5)));
    assert_eq!(by("unknown_refund"), Some(json!(40)));
    assert_eq!(office.run(day()).await.1, report, "byte by byte");
    assert_eq!(books.bench.count("SELECT count(*) FROM {s}.breaks").await, 4, "found again, not told again");
    let seen = today(&office, day()).await;
    let figures = [&seen["cash_at_risk_minor"], &seen["match_rate_count_ppm"]];
    assert_eq!(figures, [&json!(0), &json!(1_000_000)], "the trade bill shows it all: {seen}");
    let lost = books.payments[0].payment_id;
    let explained = office.get(&format!("/v1/finance/explanations/{lost}")).await;
    assert_eq!(explained["breaks"].as_array().map(Vec::len), Some(1), "{explained}");
    assert_nothing_posted(&books, &report);
    office.running.shutdown().await;
}

#[tokio::test]
async fn a_movement_some_days_away_is_matched_and_clears_what_the_day_before_told() {
    for days in [1, 3] {
        let mut books = SmallDay::usual().await;
        let paid_at = books.payments[0].paid_at;
        books.recharge(ViewerId::now(), 900, "wx-late", paid_at);
        books.post_vouchers();
        let office = with_trades(&books).await;
        let mut rows = movements(&books);
        rows.truncate(24);
        import(&office, &rows).await;
        assert_eq!(differences(&office.run(day()).await.1), ["short_money"], "after {days} days");
        import(&office, &booked("wx-late", 900, paid_at + TimeDelta::days(days))).await;
        let later = day() + TimeDelta::days(days);
        books.close_until(paid_at + TimeDelta::days(days + 2));
        let (_, report) = office.run(later).await;
        assert_eq!(differences(&report), [""; 0], "after {days} days: {report}");
        let found = office.get("/v1/finance/breaks?kind=short_money").await;
        assert_eq!(found["breaks"][0]["closed_why"], "logs_agree", "{found}");
        assert_eq!(differences(&office.run(day()).await.1), [""; 0], "the later day has it");
        assert_nothing_posted(&books, &report);
        office.running.shutdown().await;
    }
}

/// The fee of one payment made another.
fn with_fee(mut rows: Vec<Movement>, at: usize, by_minor: i64) -> Vec<Movement> {
    let fee = rows.iter_mut().filter(|row| row.kind == FEE).nth(at).expect("a fee");
    fee.amount_minor -= by_minor;
    rows
}

#[tokio::test]
async fn a_fee_that_the_trade_bill_does_not_state_is_told_by_its_payment_and_both_files() {
    let books = SmallDay::usual().await;
    let office = with_trades(&books).await;
    // 3.618 fen are stated: 3 would do, and 5 is more than any rounding.
    let rows = with_fee(with_fee(movements(&books), 3, 1), 5, -1);
    import(&office, &rows).await;
    let (_, report) = office.run(day()).await;
    assert_eq!(differences(&report), ["bill_amount_mismatch"], "{report}");
    let found = office.api.only_break(&office.maker, "bill_amount_mismatch").await;
    let evidence = &found["evidence"];
    let fees = [&evidence["stated_fee_micro"], &evidence["taken_fee_micro"], &evidence["difference_minor"]];
    assert_eq!(fees, [&json!(3_618_000), &json!(5_000_000), &json!(1)], "{found}");
    let named: Vec<_> =
        evidence["theirs"].as_array().expect("rows").iter().map(|row| &row["scope"]).collect();
    assert_eq!(named, ["funds", "funds", "channel"], "{found}");
    let files: Vec<_> = evidence["files"].as_array().expect("files").iter().map(|of| &of["format"]).collect();
    assert!(files.contains(&&json!("wechat-fund")) && files.contains(&&json!("wechat-trade")), "{found}");
    assert_eq!(office.run(day()).await.1, report, "byte by byte");
    assert_nothing_posted(&books, &report);
    office.running.shutdown().await;
}

#[tokio::test]
async fn a_fee_that_is_not_booked_is_told_and_goes_when_the_next_days_bill_books_it() {
    let books = SmallDay::usual().await;
    let office = with_trades(&books).await;
    let mut rows = movements(&books);
    let mut late = rows.pop().expect("a fee");
    import(&office, &rows).await;
    assert_eq!(differences(&office.run(day()).await.1), ["bill_amount_mismatch"]);
    late.at += TimeDelta::days(1);
    import(&office, &[late]).await;
    let next = day().succ_opt().expect("a day");
    assert_eq!(differences(&office.run(next).await.1), [""; 0]);
    let found = office.get("/v1/finance/breaks?kind=bill_amount_mismatch").await;
    assert_eq!(found["breaks"][0]["closed_why"], "logs_agree", "{found}");
    let (_, report) = office.run(day()).await;
    assert_eq!(differences(&report), [""; 0], "{report}");
    assert_nothing_posted(&books, &report);
    office.running.shutdown().await;
}

#[tokio::test]
async fn fees_that_name_no_payment_are_compared_as_one_sum_of_the_day() {
    for (more, expected) in [(0, vec![]), (20, vec!["bill_amount_mismatch"])] {
        let books = SmallDay::usual().await;
        let office = with_trades(&books).await;
        let mut rows = movements(&books);
        let fees: i64 = rows.iter().filter(|row| row.kind == FEE).map(|row| row.amount_minor).sum();
        rows.retain(|row| row.kind != FEE);
        rows.push(Movement { kind: FEE, about: String::new(), amount_minor: fees - more, ..rows[0].clone() });
        import(&office, &rows).await;
        let (_, report) = office.run(day()).await;
        assert_eq!(differences(&report), expected, "{more} more: {report}");
        office.running.shutdown().await;
    }
}

#[tokio::test]
async fn fees_are_compared_with_a_trade_bill_only() {
    let books = SmallDay::usual().await;
    let office = books.reconcile_minutes().await;
    import(&office, &with_fee(movements(&books), 0, 9)).await;
    let (_, report) = office.run(day()).await;
    assert_eq!(differences(&report), ["missing_bill"], "{report}");
    office.running.shutdown().await;
}

#[tokio::test]
async fn payouts_that_name_no_payment_make_nothing_due() {
    let books = SmallDay::usual().await;
    let office = with_trades(&books).await;
    let file = format!(
        "id,amount,arrival_date,automatic,balance_transaction_id,created,currency,method,status,type\n\
         po_1,7000,{day} 12:00:00,TRUE,txn_1,{day} 01:02:57,cny,standard,paid,bank_account\n",
        day = day()
    );
    let bill = office.import(file.as_bytes()).await;
    assert_eq!((&bill["scope"], &bill["period_from"]), (&json!("funds"), &json!(day())), "{bill}");
    let (_, report) = office.run(day()).await;
    assert_eq!(differences(&report), [""; 0], "{report}");
    assert!(!report.contains("funds."), "{report}");
    office.running.shutdown().await;
}

/// The fund bill with what is wrong, and the payments that must be matched: those whose rows are as they were.
fn planted(books: &SmallDay, wrongs: &[Wrong]) -> (Vec<Movement>, BTreeSet<String>) {
    let all: Vec<Movement> = movements(books).into_iter().filter(|row| row.kind != FEE).collect();
    let mut abouts: Vec<String> = all.iter().map(|row| row.about.clone()).collect();
    for row in (0..all.len()).filter(|row| wrongs[*row] == Wrong::Swapped) {
        abouts.swap(row, (row + 1) % all.len());
    }
    let (mut told, mut right) = (Vec::new(), BTreeSet::new());
    for ((row, about), wrong) in all.iter().zip(abouts).zip(wrongs) {
        let is_its_own = row.about == about;
        let row = Movement { about, ..row.clone() };
        let back = Movement {
            kind: "退款",
            amount_minor: -row.amount_minor,
            about: format!("back-{}", row.about),
            ..row.clone()
        };
        let off = |by: i64| Movement { amount_minor: row.amount_minor + by, ..row.clone() };
        let rows = match wrong {
            Wrong::No | Wrong::Swapped => vec![row.clone()],
            Wrong::Missing => vec![],
            Wrong::Off(by) => vec![off(*by)],
            Wrong::Doubled => vec![row.clone(), row.clone()],
            Wrong::Refund => vec![row.clone(), back],
        };
        if is_its_own && matches!(wrong, Wrong::No | Wrong::Swapped | Wrong::Refund) {
            right.insert(row.about.clone());
        }
        told.extend(rows);
    }
    (told, right)
}

#[tokio::test]
async fn no_movement_matches_falsely_under_seeded_faults() {
    let mut runner = TestRunner::deterministic();
    let cases = if std::env::var_os("LARGESSE_TEST_LONG").is_some() { 40 } else { 3 };
    for _ in 0..cases {
        let wrongs = wrongs().new_tree(&mut runner).expect("a case").current();
        let books = SmallDay::usual().await;
        let office = books.reconcile_minutes().await;
        let (told, right) = planted(&books, &wrongs);
        import(&office, &told).await;
        let (_, report) = office.run(day()).await;
        let mut matched = BTreeSet::new();
        for (ours, theirs) in matches(&books).await {
            assert_eq!(ours, theirs, "{wrongs:?}: a payment was matched with another's movement");
            matched.extend(ours);
        }
        assert_eq!(matched, right, "{wrongs:?}: what is right is matched, and nothing else");
        let of_ours = ["short_money", "bill_amount_mismatch", "duplicate_bill_row", "ambiguous_match"];
        let count = differences(&report).iter().filter(|kind| of_ours.contains(kind)).count();
        assert_eq!(count, books.payments.len() - right.len(), "{wrongs:?}: every other is told in\n{report}");
        assert_nothing_posted(&books, &report);
        office.running.shutdown().await;
    }
}

#[tokio::test]
async fn a_day_without_a_fund_bill_owes_none() {
    let mut books = SmallDay::usual().await;
    let office = with_trades(&books).await;
    // The bill of another day, with a movement of that day that somebody paid then.
    books.at += TimeDelta::days(1);
    import(&office, &booked("wx-00", 600, books.payments[0].paid_at + TimeDelta::days(1))).await;
    let (_, report) = office.run(day()).await;
    assert_eq!(differences(&report), [""; 0], "{report}");
    assert!(!report.contains("funds."), "{report}");
    let next = day().succ_opt().expect("a day");
    let (_, report) = office.run(next).await;
    assert_eq!(differences(&report), [""; 0], "what the day before has no bill for is not due: {report}");
    assert!(report.contains("channel funds.sandbox "), "{report}");
    office.running.shutdown().await;
}

#[tokio::test]
async fn nothing_that_posts_can_be_done_about_a_fund_bill_and_accepting_it_posts_nothing() {
    let mut books = SmallDay::usual().await;
    books.bench.tune = Box::new(|config| config.open_after_s = 0);
    let office = with_trades(&books).await;
    import(&office, &movements(&books)[2..]).await;
    let (_, report) = office.run(day()).await;
    assert_eq!(differences(&report), ["short_money"], "{report}");
    let (api, maker) = (&office.api, &office.maker);
    let found = api.only_break(maker, "short_money").await;
    let id = found["break_id"].as_str().expect("an id").to_owned();
    let is_open = || async { api.detail(maker, &id).await["break"]["state"] == "open" };
    books.bench.until("it is open", is_open).await;
    let detail = api.detail(maker, &id).await;
    assert_eq!(detail["may_propose"]["actions"], json!(["write_off", "wait"]), "{detail}");
    let line = |account: &str, debit: i64, credit: i64| json!({ "account": account, "debit_micro": debit, "credit_micro": credit });
    let lines = [line("6711", 6, 0), line("1122", 0, 6)];
    let (status, given) = api.act(maker, &id, "assignments", json!({ "assignee_id": maker.sub })).await;
    assert_eq!(status, StatusCode::OK, "{given}");
    for action in [
        json!({ "action": "adjust_voucher", "lines": lines }),
        json!({ "action": "grant_coins", "viewer_id": ViewerId::now(), "funds": { "paid_coins": 1, "promo_coins": 0 } }),
    ] {
        let body = json!({ "action": action, "reason": "why not" });
        let (status, told) = api.act(maker, &id, "proposals", body).await;
        assert_eq!((status, slug(&told)), (StatusCode::UNPROCESSABLE_ENTITY, "evidence-only"), "{told}");
    }
    let accepted = json!({ "action": "write_off", "coins": found["coins"], "lines": lines });
    let approval = api.propose(maker, &id, accepted).await;
    let shown = api.detail(maker, &id).await;
    assert_eq!(shown["proposals"][0]["action"].get("lines"), None, "whatever is sent, no voucher: {shown}");
    let (status, approved) = api.act(&office.checker, &id, "approvals", approval).await;
    assert_eq!(status, StatusCode::OK, "{approved}");
    let is_closed = || async { api.detail(maker, &id).await["break"]["state"] == "closed" };
    books.bench.until("it is closed", is_closed).await;
    assert_eq!(api.detail(maker, &id).await["break"]["closed_why"], "written_off");
    assert_nothing_posted(&books, &office.run(day()).await.1);
    office.running.shutdown().await;
}

#[tokio::test]
async fn rules_of_fund_bills_are_proposed_and_tried_like_the_others() {
    let books = SmallDay::usual().await;
    let office = with_trades(&books).await;
    let mut rows = movements(&books);
    rows[0].amount_minor += 1;
    import(&office, &rows).await;
    assert_eq!(differences(&office.run(day()).await.1), ["bill_amount_mismatch"]);
    let rules = json!({
        "name": "fund-bills", "version": 2, "walls": "outside",
        "tolerances": { "rounding": { "cause": "rounding", "currency": "CNY", "least_minor": -1, "most_minor": 1 } },
        "passes": [
            { "name": "exact", "act": { "exact": { "by": ["reference"] } } },
            { "name": "nearly", "act": { "fallback_key": { "by": ["reference"], "tolerance": "rounding" } } },
        ],
    });
    let path = "/v1/finance/matching-rules";
    let body = json!({ "scope": "funds", "rules": rules, "reason": "they round" });
    let (status, proposed) = office.api.post(&office.maker, path, &body).await;
    assert_eq!((status, &proposed["scope"]), (StatusCode::CREATED, &json!("funds")), "{proposed}");
    let dry = format!("{path}/2/dry-run?day={}&scope=funds", day());
    let (status, tried) = office.api.post(&office.maker, &dry, &json!({})).await;
    assert_eq!((status, &tried["counts"]), (StatusCode::OK, &json!({ "newly_matched": 2 })), "{tried}");
    office.running.shutdown().await;
}
