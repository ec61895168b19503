//! Invariant under test: what the bank's statement says of payouts is matched with what settlement's log says, and what
//! is only on one side is told; and what viewers owe is told until two people end it.

use crate::database::{coins, stamp};
use crate::small_day::{Office, SmallDay, day, differences};
use axum::http::StatusCode;
use chrono::{Days, NaiveDate, TimeDelta};
use contracts::entry::{Entry, EntryKind, Funds, FundsDelta, Outcome};
use contracts::log::LogName;
use contracts::payout::{PayeeClass, PayeeMove, Payout, PayoutKind};
use contracts::voucher::{Posting, Voucher};
use ids::{RequestId, Uuid, ViewerId};
use money::{Coins, Micros};
use recon::{Action, ReceivableEnd};
use serde_json::json;

/// A payout that the bank paid, or sent back, with its voucher; the id of its line.
fn payout(books: &SmallDay, kind: PayoutKind, net_minor: i64) -> Uuid {
    let (line, stamp) = (Uuid::now_v7(), stamp(9, books.at));
    let (moved, other) = match kind {
        PayoutKind::Rejected => (PayeeMove { available_minor: net_minor, ..PayeeMove::default() }, "2241.03"),
        _ => (PayeeMove { paid_minor: net_minor, ..PayeeMove::default() }, "1002.01"),
    };
    let seq = books.bench.payouts.push(Payout {
        stamp: stamp.clone(),
        kind,
        payee: PayeeClass::Streamer,
        payee_id: Uuid::now_v7(),
        payee_seq: 1,
        moved: PayeeMove { in_flight_minor: -net_minor, ..moved },
        reference: line.to_string(),
    });
    let posting = |account: &str, debit: i64, credit: i64| Posting {
        account: account.to_owned(),
        debit: Micros::new(debit * 1_000_000),
        credit: Micros::new(credit * 1_000_000),
    };
    books.bench.vouchers.push(Voucher {
        posted_day: stamp.day,
        stamp,
        rule: "settlement.payout_paid".to_owned(),
        source: LogName::Payouts,
        from_seq: seq,
        to_seq: seq,
        row_count: 1,
        coins: 0,
        postings: vec![posting("1012", net_minor, 0), posting(other, 0, net_minor)],
    });
    line
}

async fn save_profile(office: &Office) {
    let profile = json!({
        "version": 1, "name": "icbc", "currency": "CNY",
        "columns": { "at": "date", "channel_ref": "ref", "our_ref": "note", "amount": { "in_positive": { "column": "amount" } } },
        "dates": { "format": "%Y-%m-%d", "offset": "+08:00" },
    });
    let (status, said) = office.api.post(&office.maker, "/v1/finance/bill-profiles", &profile).await;
    assert_eq!(status, StatusCode::CREATED, "{said}");
}

/// A statement of the account that payouts leave: the bank's number, what we called it, and the amount.
async fn statement(office: &Office, of: NaiveDate, rows: &[(&str, &str, &str)]) {
    let mut file = "date,ref,note,amount\n".to_owned();
    for (number, note, amount) in rows {
        file.push_str(&format!("{of},{number},{note},{amount}\n"));
    }
    let path = "/v1/finance/bills?channel=bank&scope=bank&profile=icbc";
    let (status, bill) = office.api.post_file(&office.maker, path, file.as_bytes()).await;
    assert_eq!(status, StatusCode::CREATED, "{bill}");
}

#[tokio::test]
async fn a_statement_is_matched_with_payouts_and_what_is_on_one_side_only_is_told() {
    let books = SmallDay::open().await;
    let (plain, loud) = (payout(&books, PayoutKind::Paid, 1_000), payout(&books, PayoutKind::Paid, 2_000));
    let (less, missing) = (payout(&books, PayoutKind::Paid, 3_000), payout(&books, PayoutKind::Paid, 4_000));
    let (_never_left, came_back) =
        (payout(&books, PayoutKind::Rejected, 5_000), payout(&books, PayoutKind::Rejected, 6_000));
    let lost = payout(&books, PayoutKind::Rejected, 7_000);
    let office = books.reconcile_minutes().await;
    books.close_until(books.at + TimeDelta::days(20));
    save_profile(&office).await;
    let said = |line: Uuid| line.simple().to_string();
    statement(
        &office,
        day(),
        &[
            ("b-1", &said(plain), "-10.00"),
            ("b-2", &loud.to_string().to_uppercase(), "-20.00"),
            ("b-3", &said(less), "-29.90"),
            ("b-4", "", "-7.77"),
            ("b-5", &said(came_back), "-60.00"),
            ("b-6", &said(came_back), "60.00"),
            ("b-7", &said(lost), "-70.00"),
        ],
    )
    .await;
    let (_, report) = office.run(day()).await;
    assert_eq!(differences(&report), ["bill_amount_mismatch", "unknown_payout"], "{report}");
    assert!(report.contains("channel bank.bank matched 5 "), "{report}");
    let found = office.get("/v1/finance/breaks?kind=unknown_payout").await;
    assert_eq!(found["breaks"][0]["evidence"]["amount_minor"], 777, "{found}");
    let explained =
        office.get(&format!("/v1/finance/explanations/{plain}/paid").replace("/paid", "%2Fpaid")).await;
    assert!(explained["why"].as_str().expect("why").contains("the pass payout"), "{explained}");
    assert_eq!(explained["theirs"][0]["channel_ref"], "b-1");

    let settled = office.get("/v1/finance/channel-settlements").await;
    assert_eq!(settled["settlements"], json!([]), "payouts are no payments of a channel");

    // The bank has had its days: what it still does not show is told, with no file of that day.
    let late = day().checked_add_days(Days::new(7)).expect("a day");
    let (_, report) = office.run(late).await;
    let expected = ["bill_amount_mismatch", "unpaid_payout", "unpaid_payout"];
    assert_eq!(differences(&report), expected, "{report}");
    office.api.only_break(&office.maker, "bill_amount_mismatch").await; // Found again, not told again.
    let found = office.get("/v1/finance/breaks?kind=unpaid_payout").await;
    let of: Vec<&str> = found["breaks"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|found| found["evidence"]["ours"][0]["payment_id"].as_str())
        .collect();
    let (back, paid) = (format!("{lost}/back"), format!("{missing}/paid"));
    assert!(of.contains(&back.as_str()) && of.contains(&paid.as_str()), "{of:?}");

    let next = day().succ_opt().expect("a day");
    statement(&office, next, &[("b-8", &said(missing), "-40.00"), ("b-9", &said(lost), "70.00")]).await;
    assert_eq!(differences(&office.run(next).await.1), [""; 0]);
    assert_eq!(differences(&office.run(late).await.1), ["bill_amount_mismatch"]);
    let found = office.get("/v1/finance/breaks?kind=unpaid_payout").await;
    assert!(
        found["breaks"].as_array().expect("a list").iter().all(|found| found["state"] == "closed"),
        "{found}"
    );
    office.running.shutdown().await;
}

/// A withdrawal that found only some of its coins, with its voucher.
fn shortfall(books: &SmallDay, viewer: ViewerId, (taken, short): (i64, i64)) -> i64 {
    let stamp = stamp(11, books.at);
    let seq = books.bench.entries.push(Entry {
        stamp: stamp.clone(),
        request_id: RequestId::from_uuid(Uuid::now_v7()),
        account_id: viewer,
        previous_seq: 0,
        kind: EntryKind::Withdraw,
        outcome: Outcome::Accepted,
        available: FundsDelta { paid_coins: -taken, promo_coins: 0 },
        held: FundsDelta::default(),
        after: Funds { paid_coins: Coins::ZERO, promo_coins: Coins::ZERO },
        held_after: Funds::default(),
        shortfall_coins: coins(short),
        origin_id: None,
        expires_at_ms: None,
        send: None,
        body_hash: 0,
    });
    let posting = |account: &str, debit: i64, credit: i64| Posting {
        account: account.to_owned(),
        debit: Micros::new(debit * 100_000),
        credit: Micros::new(credit * 100_000),
    };
    books.bench.vouchers.push(Voucher {
        posted_day: stamp.day,
        stamp,
        rule: "wallet.withdraw".to_owned(),
        source: LogName::Entries,
        from_seq: seq,
        to_seq: seq,
        row_count: 1,
        coins: taken,
        postings: vec![
            posting("2205.01", taken, 0),
            posting("1221", short, 0),
            posting("2242", 0, taken + short),
        ],
    });
    seq
}

#[tokio::test]
async fn what_a_viewer_owes_is_told_and_ends_by_a_voucher_that_two_people_agree_on() {
    let mut books = SmallDay::open().await;
    books.bench.tune = Box::new(|config| config.open_after_s = 0);
    let viewer = ViewerId::now();
    shortfall(&books, viewer, (30, 70));
    let office = books.reconcile_minutes().await;
    let (_, report) = office.run(day()).await;
    assert!(differences(&report).contains(&"viewer_owes"), "{report}");
    let (api, maker) = (&office.api, &office.maker);
    let found = api.only_break(maker, "viewer_owes").await;
    assert_eq!((&found["coins"], &found["evidence"]["account_id"]), (&json!(70), &json!(viewer)), "{found}");
    let id = found["break_id"].as_str().expect("an id").to_owned();
    let until = async |state: &str| {
        let is_there = || async { api.detail(maker, &id).await["break"]["state"] == state };
        books.bench.until(&format!("the break is {state}"), is_there).await;
    };
    until("open").await;
    let detail = api.detail(maker, &id).await;
    let offered = detail["may_propose"]["actions"].as_array().expect("a list");
    assert!(
        offered.contains(&json!("settle_receivable")) && !offered.contains(&json!("write_off")),
        "{detail}"
    );
    // What whoever asks says of the voucher does not count: the wallet's row does.
    let lines = json!([{ "account": "1221", "debit_micro": 5, "credit_micro": 0 }]);
    let won = json!({ "action": "settle_receivable", "end": "dispute_won", "lines": lines, "coins": 9_999 });
    let agreed = api.propose(maker, &id, won).await;
    let own = api.act(maker, &id, "approvals", agreed.clone()).await;
    assert_eq!(own.0, StatusCode::FORBIDDEN, "{}", own.1);
    let (status, approved) = api.act(&office.checker, &id, "approvals", agreed).await;
    assert_eq!(status, StatusCode::OK, "{approved}");
    until("closed").await;
    assert_eq!(api.detail(maker, &id).await["break"]["closed_why"], "effect_proven");
    let line = |account: &str, debit_micro: i64, credit_micro: i64| recon::VoucherLine {
        account: account.to_owned(),
        debit_micro,
        credit_micro,
    };
    let expected = Action::SettleReceivable {
        end: ReceivableEnd::DisputeWon,
        viewer_id: Some(viewer),
        lines: vec![line("1122", 10_000_000, 0), line("1221", 0, 7_000_000), line("6601", 0, 3_000_000)],
        coins: Some(coins(30)),
    };
    assert_eq!(books.bench.owner.done(), [expected]);
    // The row is as it was, so a later run finds the debt again; what people have ended stays ended.
    assert!(differences(&office.run(day()).await.1).contains(&"viewer_owes"));
    assert_eq!(api.only_break(maker, "viewer_owes").await["state"], "closed");
    office.running.shutdown().await;
}

#[tokio::test]
async fn a_statement_that_a_bank_should_have_sent_is_told_until_it_comes() {
    let mut books = SmallDay::open().await;
    books.bench.tune =
        Box::new(|config| config.expected_statements = vec!["bank".to_owned(), "other".to_owned()]);
    let plain = payout(&books, PayoutKind::Paid, 1_000);
    let office = books.reconcile_minutes().await;
    books.close_until(books.at + TimeDelta::days(20));
    let (_, report) = office.run(day()).await;
    assert_eq!(differences(&report), ["missing_bill", "missing_bill"], "{report}");
    let told = office.get("/v1/finance/breaks?kind=missing_bill").await;
    let mut logs: Vec<&str> = (0..2).filter_map(|at| told["breaks"][at]["logs"].as_str()).collect();
    logs.sort_unstable();
    assert_eq!(logs, ["bank.bank", "bank.other"], "{told}");
    assert_eq!(office.run(day()).await.1, report, "byte by byte");
    save_profile(&office).await;
    statement(&office, day(), &[("b-1", &plain.simple().to_string(), "-10.00")]).await;
    let (_, report) = office.run(day()).await;
    assert_eq!(differences(&report), ["missing_bill"], "only the other bank's: {report}");
    let told = office.get("/v1/finance/breaks?kind=missing_bill&state=closed").await;
    assert_eq!(told["breaks"][0]["logs"], "bank.bank", "{told}");
    office.running.shutdown().await;
}
