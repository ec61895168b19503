//! `largesse refund`: ask for refunds, approve what another asked for, and see what became of them.

use crate::cli::refunds::{OneRefund, RefundCommand, RefundKind};
use crate::failure::Failure;
use crate::finance::{Finance, read};
use crate::token::subject;
use ids::Uuid;
use serde_json::{Value, json};
use std::process::ExitCode;

/// What a list of cases shows.
const COLUMNS: [&str; 8] = [
    "case_id",
    "state",
    "line_count",
    "done_count",
    "failed_count",
    "asked_coins",
    "refunded_paid_coins",
    "reason",
];

/// What a list of lines shows.
const LINES: [&str; 7] =
    ["line", "order_id", "asked_coins", "outcome", "paid_coins", "promo_coins", "last_error"];

/// Asks a running process, and prints what it says.
///
/// # Errors
/// [`Failure`] where the process cannot be asked, and [`Failure::Answered`] with its reason where it refuses.
pub async fn run(command: RefundCommand) -> Result<ExitCode, Failure> {
    match command {
        RefundCommand::Request { order, coins, reason, id, finance } => {
            let request_id = id.unwrap_or_else(Uuid::now_v7);
            let ask = json!({ "request_id": request_id, "gift_order_id": order, "amount_coins": coins, "reason": reason });
            let finance = Finance::open(&finance)?;
            let case = finance.post(RefundKind::Order.path(), &ask).await?;
            finance.show(&case, "", &COLUMNS);
        }
        RefundCommand::Batch { file, reason, id, finance } => {
            let batch_id = id.unwrap_or_else(Uuid::now_v7);
            let finance = Finance::open(&finance)?;
            let path =
                format!("{}?batch_id={batch_id}&reason={}", RefundKind::Batch.path(), escaped(&reason));
            let case = finance.post_csv(&path, read(&file)?).await?;
            finance.show(&case, "", &COLUMNS);
        }
        RefundCommand::Minor { viewer, from, to, reason, id, finance } => {
            let case_id = id.unwrap_or_else(Uuid::now_v7);
            let viewer_id = subject(edge::Role::Viewer, &viewer);
            let ask = json!({ "case_id": case_id, "viewer_id": viewer_id, "from": from, "to": to, "reason": reason });
            let finance = Finance::open(&finance)?;
            let case = finance.post(RefundKind::Minor.path(), &ask).await?;
            finance.show(&case, "", &COLUMNS);
        }
        RefundCommand::Approve(one) => decide(&one, "approve").await?,
        RefundCommand::Refuse(one) => decide(&one, "refuse").await?,
        RefundCommand::List { kind, state, before, finance } => {
            let mut path = format!("{}?limit=100", kind.path());
            if let Some(state) = state {
                path.push_str(&format!("&state={}", state.as_str()));
            }
            if let Some(before) = before {
                path.push_str(&format!("&before={before}"));
            }
            let finance = Finance::open(&finance)?;
            let list = finance.get(&path).await?;
            finance.show(&list, "cases", &COLUMNS);
            if let (Some(next), false) = (list["next"].as_str(), finance.is_json()) {
                println!("more: --before {next}");
            }
        }
        RefundCommand::Show { one, after } => show(&one, after).await?,
        RefundCommand::Receivables { finance } => {
            let finance = Finance::open(&finance)?;
            let list = finance.get("/v1/finance/receivables?limit=500").await?;
            let columns = ["viewer_id", "shortfall_coins", "refund_count", "first_day", "last_day"];
            finance.show(&list, "receivables", &columns);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What stands in a query must not end it.
fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// A case by its id alone: which kind it is, and the case.
async fn find(finance: &Finance, case: Uuid, query: &str) -> Result<(RefundKind, Value), Failure> {
    let mut last = None;
    for kind in RefundKind::ALL {
        match finance.get(&format!("{}/{case}{query}", kind.path())).await {
            Ok(found) => return Ok((kind, found)),
            Err(Failure::Answered { slug, detail }) if slug == "no-such-case" => {
                last = Some(Failure::Answered { slug, detail });
            }
            Err(error) => return Err(error),
        }
    }
    Err(last.unwrap_or(Failure::Answered { slug: "no-such-case".to_owned(), detail: String::new() }))
}

async fn decide(one: &OneRefund, decision: &str) -> Result<(), Failure> {
    let finance = Finance::open(&one.finance)?;
    let (kind, _) = find(&finance, one.case, "?limit=1").await?;
    let path = format!("{}/{}/{decision}", kind.path(), one.case);
    let case = finance.post(&path, &Value::Null).await?;
    finance.show(&case, "", &COLUMNS);
    Ok(())
}

async fn show(one: &OneRefund, after: Option<i32>) -> Result<(), Failure> {
    let finance = Finance::open(&one.finance)?;
    let query = after.map(|after| format!("?after={after}")).unwrap_or_default();
    let (_, case) = find(&finance, one.case, &query).await?;
    if finance.is_json() {
        finance.show(&case, "", &[]);
        return Ok(());
    }
    finance.show(&case, "", &COLUMNS);
    println!();
    finance.show(&case, "lines", &LINES);
    if let Some(next) = case["next"].as_i64() {
        println!("more: --after {next}");
    }
    if case["shares"].is_array() {
        let columns = [
            "streamer_id",
            "agency_id",
            "gift_count",
            "coins",
            "streamer_micro",
            "agency_micro",
            "streamer_reversed_micro",
            "agency_reversed_micro",
        ];
        println!();
        finance.show(&case, "shares", &columns);
    }
    if case["money"].is_object() {
        let columns = ["recharge_id", "channel", "amount_minor", "currency", "coins", "state"];
        println!();
        finance.show(&case["money"], "refunds", &columns);
        println!("coins that no recharge has left: {}", case["money"]["left_coins"]);
    }
    for why in ["shares_unavailable", "money_error"] {
        if let Some(text) = case[why].as_str() {
            println!("{why}: {text}");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn a_reason_stays_one_value_of_the_query() {
        assert_eq!(escaped("a b&c=ü"), "a%20b%26c%3D%C3%BC");
    }
}
