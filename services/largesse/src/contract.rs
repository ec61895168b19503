//! `largesse contract`: contracts in files, and their approval.

use crate::cli::money::ContractCommand;
use crate::failure::Failure;
use crate::finance::{Finance, read, write};
use serde_json::Value;
use std::process::ExitCode;

const IMPORTS: &str = "/v1/finance/contract-imports";

const IMPORT_COLUMNS: [&str; 5] = ["import_id", "state", "contract_count", "created_by", "decided_by"];

const COLUMNS: [&str; 10] = [
    "streamer_id",
    "version",
    "valid_from",
    "agency_id",
    "streamer_ppm",
    "agency_ppm",
    "platform_ppm",
    "tax_ppm",
    "promo",
    "approved_by",
];

/// Asks a running process, and prints what it says.
///
/// # Errors
/// [`Failure`] where the process cannot be asked, and [`Failure::Answered`] with its reason where it refuses.
pub async fn run(command: ContractCommand) -> Result<ExitCode, Failure> {
    match command {
        ContractCommand::Import { file, finance } => {
            let finance = Finance::open(&finance)?;
            let imported = finance.post_csv(IMPORTS, read(&file)?).await?;
            finance.show(&imported, "", &["import_id", "new", "unchanged"]);
        }
        ContractCommand::Approve { import, finance } => {
            let finance = Finance::open(&finance)?;
            let decided = finance.post(&format!("{IMPORTS}/{import}/approve"), &Value::Null).await?;
            finance.show(&decided, "", &IMPORT_COLUMNS);
        }
        ContractCommand::Refuse { import, finance } => {
            let finance = Finance::open(&finance)?;
            let decided = finance.post(&format!("{IMPORTS}/{import}/refuse"), &Value::Null).await?;
            finance.show(&decided, "", &IMPORT_COLUMNS);
        }
        ContractCommand::Imports { finance } => {
            let finance = Finance::open(&finance)?;
            finance.show(&finance.get(IMPORTS).await?, "imports", &IMPORT_COLUMNS);
        }
        ContractCommand::List { streamer, finance } => {
            let finance = Finance::open(&finance)?;
            let query = streamer.map(|streamer| format!("?streamer_id={streamer}")).unwrap_or_default();
            let list = finance.get(&format!("/v1/contracts{query}")).await?;
            finance.show(&list, "contracts", &COLUMNS);
        }
        ContractCommand::Export { out, finance } => {
            let text = export(&Finance::open(&finance)?).await?;
            write(out.as_deref(), &text)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// All pages as one file with one header.
async fn export(finance: &Finance) -> Result<String, Failure> {
    let (mut text, mut next) = finance.get_file("/v1/finance/contracts.csv").await?;
    while let Some(query) = next {
        let (page, after) = finance.get_file(&format!("/v1/finance/contracts.csv?{query}")).await?;
        text.push_str(page.split_once('\n').map_or("", |(_header, lines)| lines));
        next = after;
    }
    Ok(text)
}
