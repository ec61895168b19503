//! `largesse statement`: what payees earned, day by day, down to the orders.

use crate::cli::money::{StatementCommand, StatementFormat};
use crate::failure::Failure;
use crate::finance::{Finance, write};
use serde_json::Value;
use std::process::ExitCode;

const COLUMNS: [&str; 8] = [
    "day",
    "payee_id",
    "settled_count",
    "reversed_count",
    "share_micro",
    "clawback_micro",
    "payable_minor",
    "is_released",
];

const LINE_COLUMNS: [&str; 7] = [
    "streamer_id",
    "contract_version",
    "settled_count",
    "reversed_count",
    "gross_micro",
    "share_micro",
    "clawback_micro",
];

const ORDER_COLUMNS: [&str; 6] = ["order_id", "kind", "day", "paid_coins", "promo_coins", "earned_micro"];

/// Asks a running process, and prints what it says.
///
/// # Errors
/// [`Failure`] where the process cannot be asked, and [`Failure::Answered`] with its reason where it refuses.
pub async fn run(command: StatementCommand) -> Result<ExitCode, Failure> {
    match command {
        StatementCommand::List { from, to, payee, payee_id, csv, format, out, finance } => {
            let finance = Finance::open(&finance)?;
            let one = payee_id.map(|id| format!("&payee_id={id}")).unwrap_or_default();
            let query = format!("from={from}&to={to}&payee={}{one}", payee.as_str());
            if let (Some(format), Some(out)) = (format, &out) {
                let name = match format {
                    StatementFormat::Csv => "statements.csv",
                    StatementFormat::Xlsx => "statements.xlsx",
                    StatementFormat::LinesCsv => "statement-lines.csv",
                };
                finance.download(&format!("/v1/finance/{name}?{query}"), out).await?;
            } else if csv.is_some() {
                let (text, _) = finance.get_file(&format!("/v1/finance/statements.csv?{query}")).await?;
                write(csv.as_deref(), &text)?;
            } else {
                finance.show(&list(&finance, &query).await?, "statements", &COLUMNS);
            }
        }
        StatementCommand::Show { payee_id, day, payee, finance } => {
            let finance = Finance::open(&finance)?;
            let payee = payee.as_str();
            let statement = finance.get(&format!("/v1/statements/{payee_id}/{day}?payee={payee}")).await?;
            let path = format!("/v1/finance/statements/{payee_id}/{day}/lines?payee={payee}");
            let lines = finance.get(&path).await?;
            let answer = serde_json::json!({ "statement": statement, "lines": lines["lines"] });
            let columns = [
                "status",
                "share_micro",
                "clawback_micro",
                "carry_in_micro",
                "payable_minor",
                "carry_out_micro",
            ];
            if !finance.is_json() {
                finance.show(&statement, "", &columns);
                println!();
            }
            finance.show(&answer, "lines", &LINE_COLUMNS);
        }
        StatementCommand::Orders { payee_id, day, payee, streamer, version, finance } => {
            let finance = Finance::open(&finance)?;
            let line = format!("payee={}&streamer_id={streamer}&contract_version={version}", payee.as_str());
            let path = format!("/v1/finance/statements/{payee_id}/{day}/orders?{line}");
            finance.show(&finance.get(&path).await?, "orders", &ORDER_COLUMNS);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Every page of a list.
async fn list(finance: &Finance, query: &str) -> Result<Value, Failure> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let page = finance.get(&format!("/v1/finance/statements?{query}{after}")).await?;
        let rows = page["statements"].as_array().cloned().unwrap_or_default();
        let Some(last) = rows.last() else { break };
        let text = |field: &str| last[field].as_str().unwrap_or_default().to_owned();
        after = format!("&after_day={}&after_payee_id={}", text("day"), text("payee_id"));
        all.extend(rows);
    }
    Ok(serde_json::json!({ "statements": all }))
}
