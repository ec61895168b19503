//! Invariant under test: every file says what the trial balance says, whatever is posted while it is made, and a file
//! that would not is not handed out.

use crate::close_api::{Desk, maker, past, stamp_of};
use crate::database::balances;
use crate::ledger::{entry, payment};
use axum::http::StatusCode;
use calamine::{Data, Reader, Xlsx};
use contracts::entry::EntryKind;
use contracts::payment::PaymentKind;
use std::collections::BTreeMap;
use std::io::Cursor;

/// Recharges of three days, with coins for them.
async fn filled() -> Desk {
    let desk = Desk::open().await;
    for (at, ago) in [(1, 6), (2, 5), (3, 4)] {
        let stamp = || stamp_of(at, past(ago));
        for _ in 0..30 {
            desk.bench.payments.push(payment(stamp(), PaymentKind::Recharge, i64::from(at) * 7));
            desk.bench.entries.push(entry(stamp(), EntryKind::Recharge, i64::from(at) * 70, 3));
        }
    }
    desk.bench.until_applied(180).await;
    desk
}

async fn file(desk: &Desk, what: &str) -> (StatusCode, String, Vec<u8>) {
    desk.fetch(maker(), &format!("/v1/finance/exports/{what}")).await
}

/// Decimal text at eight places as micros.
fn micros(text: &str) -> i64 {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    sign * format!("{whole}{part:0<8}").parse::<i64>().expect("digits")
}

/// Debits less credits by account, of a file of CSV.
fn of_csv(text: &[u8], columns: [&str; 3]) -> BTreeMap<String, i64> {
    let text = text.strip_prefix("\u{feff}".as_bytes()).expect("a byte order mark");
    let mut reader = csv::Reader::from_reader(text);
    let header = reader.headers().expect("a header").clone();
    let [account, debit, credit] =
        columns.map(|name| header.iter().position(|column| column == name).expect("the column"));
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    for row in reader.records() {
        let row = row.expect("a row");
        let amount = |at: usize| if row[at].is_empty() { 0 } else { micros(&row[at]) };
        *sums.entry(row[account].to_owned()).or_default() += amount(debit) - amount(credit);
    }
    sums.retain(|_, sum| *sum != 0);
    sums
}

#[tokio::test]
async fn journal_and_trial_balance_as_csv_agree_with_the_books_and_days_cut_them() {
    let desk = filled().await;
    let wanted = balances(&desk.running).await;
    let days = format!("from={}&to={}", past(6), past(4));
    let (status, kind, journal) = file(&desk, &format!("journal?{days}&format=csv")).await;
    assert_eq!((status, kind.as_str()), (StatusCode::OK, "text/csv; charset=utf-8"));
    assert_eq!(of_csv(&journal, ["account", "debit_cny", "credit_cny"]), wanted);
    let (_, _, again) = file(&desk, &format!("journal?{days}&format=csv")).await;
    assert!(again == journal, "the same books make the same bytes");
    let to = past(4);
    let (_, _, trial) = file(&desk, &format!("trial-balance?to={to}&format=csv")).await;
    assert_eq!(of_csv(&trial, ["account", "debit_cny", "credit_cny"]), wanted);
    let (_, _, two_days) = file(&desk, &format!("journal?from={}&to={}&format=csv", past(6), past(5))).await;
    let (_, _, last) = file(&desk, &format!("trial-balance?from={to}&to={to}&format=csv")).await;
    let mut sums = of_csv(&two_days, ["account", "debit_cny", "credit_cny"]);
    for (account, sum) in of_csv(&last, ["account", "debit_cny", "credit_cny"]) {
        *sums.entry(account).or_default() += sum;
    }
    assert_eq!(sums, wanted);
    desk.end().await;
}

#[tokio::test]
async fn a_workbook_has_every_posting_and_its_total_and_parquet_is_whole() {
    let desk = filled().await;
    let days = format!("from={}&to={}", past(6), past(4));
    let (status, kind, bytes) = file(&desk, &format!("journal?{days}&format=xlsx")).await;
    assert_eq!((status, kind.contains("spreadsheetml")), (StatusCode::OK, true));
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).expect("a workbook");
    assert_eq!(book.sheet_names(), ["Summary", "Journal", "Parameters"]);
    let sheet = book.worksheet_range("Journal").expect("the sheet");
    let postings = desk.bench.count("SELECT sum(cardinality(accounts))::bigint FROM {s}.vouchers").await;
    assert_eq!(i64::try_from(sheet.height()), Ok(postings + 2), "a header, the postings, and the totals");
    assert_eq!(
        sheet.get_value((u32::try_from(sheet.height() - 1).expect("few"), 0)),
        Some(&Data::String("Total".to_owned()))
    );
    let (status, _, bytes) = file(&desk, &format!("journal?{days}&format=parquet")).await;
    assert_eq!(
        (status, &bytes[..4], &bytes[bytes.len() - 4..]),
        (StatusCode::OK, &b"PAR1"[..], &b"PAR1"[..])
    );
    for format in ["xlsx", "parquet", "beancount", "hledger"] {
        let (status, ..) = file(&desk, &format!("trial-balance?to={}&format={format}", past(4))).await;
        assert_eq!(status, StatusCode::OK, "{format}");
    }
    desk.end().await;
}

#[tokio::test]
async fn plain_text_asserts_the_balances_of_each_closed_day_and_of_the_last() {
    let desk = filled().await;
    desk.close(&past(6).to_string()).await;
    desk.close(&past(5).to_string()).await;
    let days = format!("from={}&to={}", past(5), past(4));
    let (status, _, text) = file(&desk, &format!("journal?{days}&format=hledger")).await;
    let text = String::from_utf8(text).expect("UTF-8");
    assert_eq!(status, StatusCode::OK, "{text}");
    let asserted: Vec<&str> =
        text.lines().filter(|line| line.ends_with("* balances at the end of the day")).collect();
    assert_eq!(asserted.len(), 2);
    assert!(asserted[0].starts_with(&past(5).to_string()) && asserted[1].starts_with(&past(4).to_string()));
    assert!(text.contains("opening balances"), "what was before the days opens them");
    desk.end().await;
}

#[tokio::test]
async fn entries_that_do_not_make_their_trial_balance_make_no_file() {
    let desk = filled().await;
    let spoil =
        desk.bench.db.sql("UPDATE {s}.account_days SET debit_micro = debit_micro + 1 WHERE account = '1122'");
    sqlx::query(spoil).execute(desk.bench.db.pool()).await.expect("spoils");
    let days = format!("from={}&to={}", past(6), past(4));
    for format in ["beancount", "hledger"] {
        let (status, _, body) = file(&desk, &format!("journal?{days}&format={format}")).await;
        let body = String::from_utf8(body).expect("UTF-8");
        assert_eq!(status, StatusCode::CONFLICT, "{body}");
        assert!(body.contains("books-not-exportable") && body.contains("1122 holds"), "{body}");
    }
    desk.running.shutdown().await;
}

#[tokio::test]
async fn days_that_make_no_sense_are_refused() {
    let desk = filled().await;
    let (from, to) = (past(6), past(4));
    for (what, status) in [
        (format!("journal?to={to}&format=csv"), 422_u16),
        (format!("journal?from={to}&to={from}&format=csv"), 422),
        (format!("journal?from={}&to={to}&format=csv", past(500)), 422),
        (format!("trial-balance?from={from}&to={to}&format=hledger"), 422),
        (format!("journal?from={from}&to={to}&format=pdf"), 400),
        (format!("ledger?from={from}&to={to}&format=csv"), 400),
    ] {
        assert_eq!(file(&desk, &what).await.0, status, "{what}");
    }
    desk.end().await;
}

/// Rows come in while the journal is written: the file is of one instant all the same.
#[tokio::test]
async fn a_journal_that_is_made_while_rows_come_in_agrees_with_itself() {
    let desk = filled().await;
    let days = format!("from={}&to={}", past(6), past(4));
    let feed = async {
        for round in 0..60_u8 {
            let stamp = stamp_of(round % 64, past(4));
            desk.bench.payments.push(payment(stamp, PaymentKind::Recharge, 5));
            desk.bench.announce().await;
            tokio::task::yield_now().await;
        }
    };
    let export = async {
        for _ in 0..6 {
            let (status, _, body) = file(&desk, &format!("journal?{days}&format=hledger")).await;
            assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
        }
    };
    tokio::join!(feed, export);
    desk.bench.until_applied(240).await;
    desk.end().await;
}
