//! Invariant under test: what a channel pays by withdrawals from our balance with it is matched with the bank that it
//! arrives at, goes into the books once with the fees that the channel took, and is told where the bank does not show it.

use crate::funds::{FEE, Movement, import, movements, with_trades};
use crate::settling::{amounts, save_profile, until_posted};
use crate::small_day::{Office, SmallDay, day, differences};
use axum::http::StatusCode;
use chrono::{Days, NaiveDate, TimeDelta};
use recon::WithdrawalSettings;
use serde_json::{Value, json};

/// The channel `sandbox` withdraws to the account at `icbc`.
async fn withdrawing() -> SmallDay {
    withdrawing_from(None).await
}

async fn withdrawing_from(from_day: Option<NaiveDate>) -> SmallDay {
    let mut books = SmallDay::usual().await;
    let settings = WithdrawalSettings { channel: "sandbox".to_owned(), bank: "icbc".to_owned(), from_day };
    books.bench.tune = Box::new(move |config| config.withdrawals = vec![settings.clone()]);
    books
}

/// The fund bill's row of a withdrawal, some days after the payments.
fn withdrawal(books: &SmallDay, number: &str, minor: i64, days: i64) -> Movement {
    let at = books.payments[0].paid_at + TimeDelta::days(days);
    Movement { at, about: number.to_owned(), kind: "提现", amount_minor: -minor }
}

/// A statement of one of our accounts: the bank's number, what it was given, and the amount.
async fn statement(office: &Office, (bank, of): (&str, NaiveDate), rows: &[(&str, &str, &str)]) {
    let mut file = "date,ref,note,amount\n".to_owned();
    for (number, note, amount) in rows {
        file.push_str(&format!("{of},{number},{note},{amount}\n"));
    }
    let path = format!("/v1/finance/bills?channel={bank}&scope=bank&profile=icbc");
    let (status, bill) = office.api.post_file(&office.maker, &path, file.as_bytes()).await;
    assert_eq!(status, StatusCode::CREATED, "{bill}");
}

fn later(days: u64) -> NaiveDate {
    day().checked_add_days(Days::new(days)).expect("a day")
}

fn fees_of(rows: &[Movement]) -> i64 {
    -rows.iter().filter(|row| row.kind == FEE).map(|row| row.amount_minor).sum::<i64>()
}

#[tokio::test]
async fn a_withdrawal_is_posted_as_the_bank_shows_it_and_the_fees_as_the_fund_bill_takes_them() {
    let books = withdrawing().await;
    let office = with_trades(&books).await;
    books.close_until(books.at + TimeDelta::days(20));
    save_profile(&office).await;
    let mut rows = movements(&books);
    let fees = fees_of(&rows);
    assert!(fees > 0);
    rows.push(withdrawal(&books, "w-1", 7_000, 0));
    import(&office, &rows).await;
    let (_, report) = office.run(day()).await;
    assert_eq!(differences(&report), [""; 0], "the bank has its days: {report}");
    let posted = until_posted(&office, 1).await;
    assert_eq!(
        (&posted[0]["about"], &posted[0]["channel"]),
        (&json!("fees"), &json!("sandbox")),
        "{posted:?}"
    );
    assert_eq!(amounts(&books.bench.owner.settled()), [(fees, 0)]);

    statement(&office, ("icbc", later(2)), &[("b-1", "w-1", "70.00"), ("b-2", "rent", "-8.00")]).await;
    let (_, report) = office.run(later(2)).await;
    assert_eq!(differences(&report), ["unknown_payout"], "{report}");
    let posted = until_posted(&office, 2).await;
    let figures = ["about", "channel", "payments", "gross_minor", "fee_minor", "net_minor", "day"];
    let figures = figures.map(|name| posted[0][name].clone());
    let expected = [
        json!("withdrawals"),
        json!("sandbox"),
        json!(1),
        json!(7_000),
        json!(0),
        json!(7_000),
        json!(later(2)),
    ];
    assert_eq!(figures, expected, "{posted:?}");
    assert_eq!(amounts(&books.bench.owner.settled()), [(fees, 0), (7_000, 7_000)]);
    assert_eq!(office.run(later(2)).await.1, report, "byte by byte");
    office.run(day()).await;
    assert_eq!(until_posted(&office, 2).await, posted, "each once");

    let row = explained_row(&office).await;
    let explained = office.get(&format!("/v1/finance/explanations/{}", row.replace(':', "%3A"))).await;
    assert!(
        explained["why"].as_str().is_some_and(|why| why.starts_with("matched by the pass payout")),
        "{explained}"
    );
    assert_eq!(explained["ours"][0]["is_withdrawal"], json!(true), "{explained}");

    // A second line with the same words: which of the two is it? What was posted is taken back.
    statement(&office, ("icbc", later(2)), &[("b-3", "w-1", "70.00")]).await;
    office.run(later(2)).await;
    until_posted(&office, 3).await;
    assert_eq!(amounts(&books.bench.owner.settled()), [(fees, 0), (7_000, 7_000), (-7_000, -7_000)]);
    office.running.shutdown().await;
}

/// The bank's row that the run of its day matched.
async fn explained_row(office: &Office) -> String {
    let bills = office.get("/v1/finance/bills?limit=200").await;
    let is_statement = |bill: &&Value| bill["channel"] == "icbc";
    let bill = bills["bills"].as_array().expect("a list").iter().find(is_statement).expect("a statement");
    format!("{}:1", bill["bill_id"].as_str().expect("an id"))
}

#[tokio::test]
async fn fees_that_come_to_another_sum_are_taken_back_and_posted_anew_and_a_row_of_two_files_counts_once() {
    let books = withdrawing().await;
    let office = with_trades(&books).await;
    let rows = movements(&books);
    let fees = fees_of(&rows);
    import(&office, &rows).await;
    office.run(day()).await;
    until_posted(&office, 1).await;
    // The file again, with a row at its end: the rows before are the very same.
    let more = Movement { kind: FEE, about: "w-0".to_owned(), amount_minor: -5, ..rows[0].clone() };
    import(&office, &[rows, vec![more]].concat()).await;
    office.run(day()).await;
    until_posted(&office, 3).await;
    assert_eq!(amounts(&books.bench.owner.settled()), [(fees, 0), (fees + 5, 0), (-fees, 0)]);
    office.running.shutdown().await;
}

#[tokio::test]
async fn what_the_bank_does_not_show_or_shows_otherwise_is_told_and_payments_are_looked_for_at_no_bank() {
    let books = withdrawing().await;
    let office = with_trades(&books).await;
    books.close_until(books.at + TimeDelta::days(30));
    save_profile(&office).await;
    let lost = withdrawal(&books, "w-lost", 3_000, 1);
    let mut rows = movements(&books);
    rows.push(withdrawal(&books, "w-less", 2_000, 0));
    import(&office, &rows).await;
    import(&office, std::slice::from_ref(&lost)).await;
    // The same withdrawal in a second file.
    import(&office, &[lost, withdrawal(&books, "w-next", 10, 1)]).await;
    statement(&office, ("icbc", day()), &[("b-1", "w-less", "19.90")]).await;
    statement(&office, ("sandbox", day()), &[("b-9", &format!("sandbox-{}", day()), "72.66")]).await;
    let (_, report) = office.run(day()).await;
    assert_eq!(differences(&report), ["bill_amount_mismatch", "long_money"], "{report}");
    let less = office.api.only_break(&office.maker, "bill_amount_mismatch").await;
    assert_eq!(
        (&less["logs"], &less["evidence"]["amount_minor"]),
        (&json!("bank.icbc"), &json!(10)),
        "{less}"
    );
    let (_, report) = office.run(later(8)).await;
    assert_eq!(differences(&report), ["short_money", "short_money"], "w-lost once, and w-next: {report}");
    let told = office.get("/v1/finance/breaks?kind=short_money").await;
    let mut amounts: Vec<i64> =
        (0..2).filter_map(|at| told["breaks"][at]["evidence"]["amount_minor"].as_i64()).collect();
    amounts.sort_unstable();
    assert_eq!(amounts, [10, 3_000], "{told}");
    let settled = office.get("/v1/finance/channel-settlements").await;
    let only = settled["settlements"].as_array().expect("a list").iter().all(|one| one["about"] == "fees");
    assert!(only, "nothing was matched: {settled}");
    office.running.shutdown().await;
}

#[tokio::test]
async fn stripes_payouts_are_withdrawals_and_one_that_failed_is_none() {
    let books = withdrawing().await;
    let office = with_trades(&books).await;
    save_profile(&office).await;
    let file = format!(
        "id,amount,arrival_date,automatic,balance_transaction_id,created,currency,method,status,type\n\
         po_1,7000,{day} 12:00:00,TRUE,txn_1,{day} 01:02:57,cny,standard,paid,bank_account\n\
         po_2,50,{day} 12:00:00,TRUE,txn_2,{day} 01:02:57,cny,standard,failed,bank_account\n",
        day = day()
    );
    office.import(file.as_bytes()).await;
    statement(&office, ("icbc", day()), &[("po_1", "", "70.00")]).await;
    books.close_until(books.at + TimeDelta::days(30));
    let (_, report) = office.run(day()).await;
    assert_eq!(differences(&report), [""; 0], "{report}");
    until_posted(&office, 1).await;
    assert_eq!(amounts(&books.bench.owner.settled()), [(7_000, 7_000)]);
    let (_, report) = office.run(later(7)).await;
    assert_eq!(differences(&report), [""; 0], "the one that failed is not waited for: {report}");
    office.running.shutdown().await;
}

#[tokio::test]
async fn money_of_days_before_a_channel_withdrew_is_still_looked_for_as_payments() {
    let books = withdrawing_from(Some(later(1))).await;
    let office = with_trades(&books).await;
    books.close_until(books.at + TimeDelta::days(20));
    save_profile(&office).await;
    let mut rows = movements(&books);
    rows.push(withdrawal(&books, "w-before", 3_000, 0));
    import(&office, &rows).await;
    import(&office, &[withdrawal(&books, "w-after", 4_000, 1)]).await;
    statement(&office, ("sandbox", later(1)), &[("b-1", &format!("sandbox-{}", day()), "72.66")]).await;
    statement(&office, ("icbc", later(1)), &[("b-2", "w-after", "40.00"), ("b-3", "w-before", "30.00")])
        .await;
    office.run(day()).await;
    let (_, report) = office.run(later(1)).await;
    assert_eq!(differences(&report), ["long_money"], "w-before is no line of ours: {report}");
    until_posted(&office, 2).await;
    let mut settled = amounts(&books.bench.owner.settled());
    settled.sort_unstable();
    assert_eq!(
        settled,
        [(4_000, 4_000), (7_266, 7_266)],
        "the day's payments, the later withdrawal, and no fees"
    );
    office.running.shutdown().await;
}
