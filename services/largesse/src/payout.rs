//! `largesse payout`: from what is available to what the bank says.

use crate::cli::money::{PayoutCommand, PayoutFormat};
use crate::failure::Failure;
use crate::finance::{Finance, read};
use ids::{PayoutBatchId, PayoutLineId, PayoutRequestId, Uuid};
use serde_json::{Value, json};
use std::process::ExitCode;

const BATCHES: &str = "/v1/finance/payout-batches";
const REQUESTS: &str = "/v1/finance/payout-requests";
const ACCOUNTS: &str = "/v1/finance/payee-accounts";

/// Lines that one question confirms; the process takes 1,000, and bodies of 64 KiB.
const CONFIRM_LINES_MAX: usize = 200;

/// Lines that one question reads.
const LINES_PAGE_LEN: usize = 1_000;

const BATCH_COLUMNS: [&str; 9] = [
    "batch_id",
    "state",
    "day",
    "line_count",
    "gross_minor",
    "tax_minor",
    "net_minor",
    "built_by",
    "approved_by",
];
const LINE_COLUMNS: [&str; 8] =
    ["line", "line_id", "state", "payee_id", "gross_minor", "tax_minor", "net_minor", "reason"];
const REQUEST_COLUMNS: [&str; 5] = ["request_id", "payee", "payee_id", "amount_minor", "state"];
const ACCOUNT_COLUMNS: [&str; 5] = ["account_id", "payee_id", "holder", "created_by", "approved_by"];

/// Asks a running process, and prints what it says.
///
/// # Errors
/// [`Failure`] where the process cannot be asked, and [`Failure::Answered`] with its reason where it refuses.
pub async fn run(command: PayoutCommand) -> Result<ExitCode, Failure> {
    match command {
        PayoutCommand::Payee { .. }
        | PayoutCommand::Account { .. }
        | PayoutCommand::ApproveAccount { .. }
        | PayoutCommand::Request { .. }
        | PayoutCommand::Cancel { .. } => of_payee(command).await?,
        PayoutCommand::Withholding(command) => crate::withholding::run(command).await?,
        PayoutCommand::Build { id, finance } => {
            let finance = Finance::open(&finance)?;
            let batch_id = id.unwrap_or_else(PayoutBatchId::now);
            let built = finance.post(BATCHES, &json!({ "batch_id": batch_id })).await?;
            finance.show(&built, "", &BATCH_COLUMNS);
        }
        PayoutCommand::List { finance } => {
            let finance = Finance::open(&finance)?;
            finance.show(&finance.get(BATCHES).await?, "batches", &BATCH_COLUMNS);
        }
        PayoutCommand::Show { batch, finance } => {
            let finance = Finance::open(&finance)?;
            finance.show(&whole(&finance, batch).await?, "lines", &LINE_COLUMNS);
        }
        PayoutCommand::Approve { batch, finance } => {
            step(&Finance::open(&finance)?, batch, "approve").await?
        }
        PayoutCommand::Discard { batch, finance } => {
            step(&Finance::open(&finance)?, batch, "discard").await?
        }
        PayoutCommand::Submit { batch, out, format, finance } => {
            let finance = Finance::open(&finance)?;
            step(&finance, batch, "submit").await?;
            if let Some(out) = &out {
                let name = match format {
                    PayoutFormat::Csv => "file.csv",
                    PayoutFormat::Pain001 => "file.xml",
                };
                finance.download(&format!("{BATCHES}/{batch}/{name}"), out).await?;
            }
        }
        PayoutCommand::Confirm { batch, file, id, rejected, finance } => {
            let finance = Finance::open(&finance)?;
            let words = match (file, id) {
                (Some(file), _) => words_of(&read(&file)?)?,
                (None, id) => id.into_iter().map(|id| word(id, rejected.clone())).collect(),
            };
            confirm(&finance, batch, &words).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn of_payee(command: PayoutCommand) -> Result<(), Failure> {
    match command {
        PayoutCommand::Payee { payee_id, payee, finance } => {
            let finance = Finance::open(&finance)?;
            let view =
                finance.get(&format!("/v1/finance/payees/{payee_id}?payee={}", payee.as_str())).await?;
            let places = [
                "pending_micro",
                "available_minor",
                "requested_minor",
                "in_flight_minor",
                "paid_minor",
                "withheld_minor",
                "receivable_minor",
            ];
            finance.show(&view, "", &places);
        }
        PayoutCommand::Account { payee_id, payee, holder, account_no, bank_code, finance } => {
            let finance = Finance::open(&finance)?;
            let given = json!({
                "account_id": Uuid::now_v7(), "payee": payee.as_str(), "payee_id": payee_id, "holder": holder,
                "account_no": account_no, "bank_code": bank_code,
            });
            finance.show(&finance.post(ACCOUNTS, &given).await?, "", &ACCOUNT_COLUMNS);
        }
        PayoutCommand::ApproveAccount { account, finance } => {
            let finance = Finance::open(&finance)?;
            let approved = finance.post(&format!("{ACCOUNTS}/{account}/approve"), &Value::Null).await?;
            finance.show(&approved, "", &ACCOUNT_COLUMNS);
        }
        PayoutCommand::Request { payee_id, payee, amount_minor, id, finance } => {
            let finance = Finance::open(&finance)?;
            let request_id = id.unwrap_or_else(PayoutRequestId::now);
            let mut ask = json!({ "request_id": request_id, "payee": payee.as_str(), "payee_id": payee_id });
            if let Some(amount) = amount_minor {
                ask["amount_minor"] = amount.into();
            }
            finance.show(&finance.post(REQUESTS, &ask).await?, "", &REQUEST_COLUMNS);
        }
        PayoutCommand::Cancel { request, finance } => {
            let finance = Finance::open(&finance)?;
            let cancelled = finance.post(&format!("{REQUESTS}/{request}/cancel"), &Value::Null).await?;
            finance.show(&cancelled, "", &REQUEST_COLUMNS);
        }
        PayoutCommand::Withholding(_)
        | PayoutCommand::Build { .. }
        | PayoutCommand::List { .. }
        | PayoutCommand::Show { .. }
        | PayoutCommand::Approve { .. }
        | PayoutCommand::Discard { .. }
        | PayoutCommand::Submit { .. }
        | PayoutCommand::Confirm { .. } => {} // Of batches, above.
    }
    Ok(())
}

/// A batch with all its lines, read a page at a time.
async fn whole(finance: &Finance, batch: PayoutBatchId) -> Result<Value, Failure> {
    let mut lines: Vec<Value> = Vec::new();
    loop {
        let after = lines.last().map_or(0, |line| line["line"].as_i64().unwrap_or_default());
        let path = format!("{BATCHES}/{batch}?after={after}&limit={LINES_PAGE_LEN}");
        let mut page = finance.get(&path).await?;
        let some = page["lines"].as_array_mut().map(std::mem::take).unwrap_or_default();
        let is_last = some.len() < LINES_PAGE_LEN;
        lines.extend(some);
        if is_last {
            page["lines"] = lines.into();
            return Ok(page);
        }
    }
}

async fn step(finance: &Finance, batch: PayoutBatchId, step: &str) -> Result<(), Failure> {
    let file = finance.post(&format!("{BATCHES}/{batch}/{step}"), &Value::Null).await?;
    if finance.is_json() {
        finance.show(&file, "", &[]);
    } else {
        finance.show(&file["batch"], "", &BATCH_COLUMNS);
    }
    Ok(())
}

fn word(line: PayoutLineId, rejected: Option<String>) -> Value {
    match rejected {
        Some(reason) => json!({ "line_id": line, "outcome": "rejected", "reason": reason }),
        None => json!({ "line_id": line, "outcome": "paid" }),
    }
}

/// The bank's words of a file; all of them can be read, or none is sent.
fn words_of(text: &str) -> Result<Vec<Value>, Failure> {
    let bad = |line: u64, reason: &str| Failure::Config(format!("line {line} of the file: {reason}"));
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|_| bad(1, "it is no text in UTF-8"))?.clone();
    let place = |name: &str| header.iter().position(|column| column == name);
    let (Some(id), Some(outcome)) = (place("line_id"), place("outcome")) else {
        return Err(bad(1, "the columns line_id and outcome are needed"));
    };
    let mut words = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|_| bad(0, "it is no CSV in UTF-8"))?;
        let line = record.position().map_or(0, csv::Position::line);
        let line_id = record.get(id).and_then(|id| id.parse::<PayoutLineId>().ok());
        let line_id = line_id.ok_or_else(|| bad(line, "line_id is no id"))?;
        let reason = place("reason").and_then(|at| record.get(at)).unwrap_or_default();
        words.push(match record.get(outcome) {
            Some("paid") => word(line_id, None),
            Some("rejected") if !reason.is_empty() => word(line_id, Some(reason.to_owned())),
            Some("rejected") => return Err(bad(line, "it is rejected without a reason")),
            _ => return Err(bad(line, "outcome is neither paid nor rejected")),
        });
    }
    Ok(words)
}

/// Sends words a part at a time; what was said before changes nothing, so a file can be sent again.
async fn confirm(finance: &Finance, batch: PayoutBatchId, words: &[Value]) -> Result<(), Failure> {
    let (mut sums, mut last) = ([0_i64; 3], Value::Null);
    for part in words.chunks(CONFIRM_LINES_MAX) {
        let path = format!("{BATCHES}/{batch}/confirmations");
        let said = finance.post(&path, &json!({ "lines": part })).await?;
        for (sum, field) in sums.iter_mut().zip(["paid", "rejected", "unchanged"]) {
            *sum += said[field].as_i64().unwrap_or_default();
        }
        last = said["batch"]["state"].clone();
    }
    let [paid, rejected, unchanged] = sums;
    let told = json!({ "paid": paid, "rejected": rejected, "unchanged": unchanged, "batch": last });
    finance.show(&told, "", &["paid", "rejected", "unchanged", "batch"]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::words_of;

    const ID: &str = "01900000-0000-7000-8000-000000000001";

    #[test]
    fn a_file_of_the_bank_is_read_whole_or_refused_by_its_line() {
        let words = words_of(&format!("line_id,outcome,reason\n{ID},paid,\n{ID},rejected,closed\n"));
        let words = words.expect("it can be read");
        assert_eq!((&words[0]["outcome"], &words[1]["reason"]), (&"paid".into(), &"closed".into()));
        let refused = |rest: &str| {
            let text = format!("line_id,outcome,reason\n{ID},paid,\n{rest}\n");
            words_of(&text).expect_err("refused").to_string()
        };
        assert!(
            refused(&format!("{ID},rejected,"))
                .contains("line 3 of the file: it is rejected without a reason")
        );
        assert!(refused("x,paid,").contains("line_id is no id"));
        assert!(refused(&format!("{ID},lost,")).contains("neither paid nor rejected"));
        assert!(words_of("a,b\n").is_err());
    }

    #[test]
    fn a_damaged_file_of_the_bank_never_says_what_the_whole_did_not() {
        let file = format!("line_id,outcome,reason\n{ID},paid,\n{ID},rejected,account closed\n");
        let whole = words_of(&file).expect("it can be read");
        for at in 0..file.len() {
            if let Ok(words) = words_of(&file[..at]) {
                let is_known =
                    |(nth, word): (usize, &serde_json::Value)| word["outcome"] == whole[nth]["outcome"];
                assert!(words.iter().enumerate().all(is_known), "cut at {at}: {words:?}");
            }
            for mask in [0x01, 0x04, 0x20, 0x80] {
                let mut damaged = file.clone().into_bytes();
                damaged[at] ^= mask;
                let Ok(words) = words_of(&String::from_utf8_lossy(&damaged)) else { continue };
                for word in &words {
                    let is_rejected = word["outcome"] == "rejected" && word["reason"] != "";
                    assert!(word["outcome"] == "paid" || is_rejected, "byte {at}: {word}");
                }
            }
        }
    }
}
