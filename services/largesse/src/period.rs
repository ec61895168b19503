//! `largesse period`: which days are locked, what blocks closing one, and the steps of two people.

use crate::cli::close::{PeriodCommand, StepArgs};
use crate::failure::Failure;
use crate::finance::Finance;
use ids::PeriodRequestId;
use serde_json::{Value, json};
use std::process::ExitCode;

const PERIODS: &str = "/v1/finance/periods";

const DAY_COLUMNS: [&str; 5] = ["day", "state", "version", "voucher_count", "closed_at"];
const REQUEST_COLUMNS: [&str; 7] =
    ["request_id", "period", "step", "state", "proposed_by", "decided_by", "reason"];

/// Asks a running process, and prints what it says.
///
/// # Errors
/// [`Failure`] where the process cannot be asked, and [`Failure::Answered`] with its reason where it refuses.
pub async fn run(command: PeriodCommand) -> Result<ExitCode, Failure> {
    match command {
        PeriodCommand::List { before, limit, finance } => {
            let finance = Finance::open(&finance)?;
            let before = before.map(|day| format!("&before={day}")).unwrap_or_default();
            let page = finance.get(&format!("{PERIODS}?limit={limit}{before}")).await?;
            finance.show(&page, "periods", &DAY_COLUMNS);
            let waits = page["requests"].as_array().is_some_and(|requests| !requests.is_empty());
            if !finance.is_json() && waits {
                println!();
                finance.show(&json!({ "requests": page["requests"] }), "requests", &REQUEST_COLUMNS);
            }
        }
        PeriodCommand::Checklist { period, finance } => {
            let finance = Finance::open(&finance)?;
            let list = finance.get(&format!("{PERIODS}/{period}/checklist")).await?;
            if finance.is_json() {
                finance.show(&list, "", &[]);
            } else {
                print!("{}", table(&list));
            }
            let passes = list["can_close"].as_bool().unwrap_or(false);
            return Ok(if passes { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        PeriodCommand::SoftLock(args) => step(args, "soft-lock").await?,
        PeriodCommand::Close(args) => step(args, "close").await?,
        PeriodCommand::Reopen(args) => step(args, "reopen").await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn step(args: StepArgs, step: &str) -> Result<(), Failure> {
    let StepArgs { period, reason, id, finance } = args;
    let finance = Finance::open(&finance)?;
    let request_id = id.unwrap_or_else(PeriodRequestId::now);
    let ask = json!({ "request_id": request_id, "reason": reason });
    let request = finance.post(&format!("{PERIODS}/{period}/{step}"), &ask).await?;
    finance.show(&request, "", &REQUEST_COLUMNS);
    if !finance.is_json() && request["state"] == "waiting" {
        println!("another person must ask for the same");
    }
    Ok(())
}

/// The checklist as lines for people.
fn table(list: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut text = String::new();
    for line in list["lines"].as_array().into_iter().flatten() {
        let mark = match line["state"].as_str() {
            Some("passed") => "ok      ",
            Some("unknown") => "UNKNOWN ",
            _ => "BLOCKS  ",
        };
        text.push_str(&format!("{mark}  {:<34} {}\n", word(&line["name"]), word(&line["figure"])));
        for detail in line["detail"].as_array().into_iter().flatten() {
            text.push_str(&format!("            {}\n", word(detail)));
        }
    }
    let verdict = match list["can_close"].as_bool() {
        Some(true) => "The period may be closed.",
        _ => "The period may NOT be closed.",
    };
    text.push_str(verdict);
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::table;
    use serde_json::json;

    #[test]
    fn what_is_not_known_is_told_apart_from_what_blocks() {
        let line = |name: &str, state: &str| json!({ "name": name, "state": state, "figure": "1 of 2", "detail": ["x"] });
        let lines = [line("a", "passed"), line("b", "blocks"), line("c", "unknown")];
        let text = table(&json!({ "can_close": false, "lines": lines }));
        let marks: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(marks, ["ok", "", "BLOCKS", "", "UNKNOWN", "", "The"]);
        assert!(text.ends_with("may NOT be closed.\n"), "{text}");
    }
}
