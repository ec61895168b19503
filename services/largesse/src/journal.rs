//! `largesse journal`: vouchers, the gifts under them, and the books as files.

use crate::cli::close::{BookFormat, BookName, JournalCommand};
use crate::failure::Failure;
use crate::finance::Finance;
use serde_json::{Value, json};
use std::process::ExitCode;

const VOUCHER_COLUMNS: [&str; 9] =
    ["voucher_id", "posted_day", "day", "rule", "source", "from_seq", "to_seq", "coins", "amount_micro"];
const LINE_COLUMNS: [&str; 4] = ["account", "name", "debit_micro", "credit_micro"];
const ASKED_COLUMNS: [&str; 6] = ["asked_at", "reason", "break_id", "maker_id", "checker_id", "match_id"];
const ROW_COLUMNS: [&str; 6] = ["seq", "kind", "coins", "order_id", "owner_id", "reference"];
const ROLL_COLUMNS: [&str; 9] = [
    "day",
    "opening_micro",
    "credited_micro",
    "spent_micro",
    "returned_micro",
    "withdrawn_micro",
    "expired_micro",
    "other_micro",
    "closing_micro",
];

/// Asks a running process, and prints or writes what it says.
///
/// # Errors
/// [`Failure`] where the process cannot be asked, and [`Failure::Answered`] with its reason where it refuses.
pub async fn run(command: JournalCommand) -> Result<ExitCode, Failure> {
    match command {
        JournalCommand::List { from, to, account, after, limit, finance } => {
            let finance = Finance::open(&finance)?;
            let account = account.map(|code| format!("&account={code}")).unwrap_or_default();
            let after = after.map(|place| format!("&after={place}")).unwrap_or_default();
            let query = format!("day_from={from}&day_to={to}&limit={limit}{account}{after}");
            let page = finance.get(&format!("/v1/finance/journal?{query}")).await?;
            finance.show(&page, "vouchers", &VOUCHER_COLUMNS);
            say_next(&finance, &page);
        }
        JournalCommand::Show { voucher, after, finance } => {
            let finance = Finance::open(&finance)?;
            let after = after.map(|seq| format!("?after={seq}")).unwrap_or_default();
            let detail = finance.get(&format!("/v1/finance/journal/{voucher}{after}")).await?;
            if finance.is_json() {
                finance.show(&detail, "", &[]);
                return Ok(ExitCode::SUCCESS);
            }
            finance.show(&detail["voucher"], "", &VOUCHER_COLUMNS);
            println!();
            finance.show(&detail["voucher"], "postings", &LINE_COLUMNS);
            println!();
            match detail.get("asked") {
                Some(asked) => finance.show(asked, "", &ASKED_COLUMNS),
                None => finance.show(&json!({ "rows": detail["rows"] }), "rows", &ROW_COLUMNS),
            }
            say_next(&finance, &detail);
        }
        JournalCommand::Export { book, from, to, format, out, finance } => {
            let finance = Finance::open(&finance)?;
            let from = from.map(|day| format!("&from={day}")).unwrap_or_default();
            let (book, format) = (book_word(book), format_word(format));
            let path = format!("/v1/finance/exports/{book}?to={to}&format={format}{from}");
            finance.download(&path, &out).await?;
        }
        JournalCommand::RollForward { from, to, finance } => {
            let finance = Finance::open(&finance)?;
            let rolled = finance.get(&format!("/v1/finance/roll-forward?from={from}&to={to}")).await?;
            finance.show(&rolled, "days", &ROLL_COLUMNS);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn say_next(finance: &Finance, page: &Value) {
    if !finance.is_json() && !page["next"].is_null() {
        let next = page["next"].as_str().map_or_else(|| page["next"].to_string(), str::to_owned);
        println!("more: --after {next}");
    }
}

const fn book_word(book: BookName) -> &'static str {
    match book {
        BookName::Journal => "journal",
        BookName::TrialBalance => "trial-balance",
    }
}

const fn format_word(format: BookFormat) -> &'static str {
    match format {
        BookFormat::Csv => "csv",
        BookFormat::Xlsx => "xlsx",
        BookFormat::Parquet => "parquet",
        BookFormat::Beancount => "beancount",
        BookFormat::Hledger => "hledger",
    }
}
