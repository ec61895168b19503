//! `largesse payout withholding`: what is withheld for payees' income tax.

use crate::cli::money::{OneProposal, WithholdingCommand};
use crate::failure::Failure;
use crate::finance::{Finance, read_setting};
use ids::Uuid;
use serde_json::{Value, json};

const RULES: &str = "/v1/finance/withholding-rules";
const PROPOSALS: &str = "/v1/finance/withholding-proposals";

const RULE_COLUMNS: [&str; 5] = ["rule_id", "payee", "valid_from", "name", "method"];
const PROPOSAL_COLUMNS: [&str; 6] = ["proposal_id", "state", "created_by", "decided_by", "rule_id", "reason"];

/// Asks a running process, and prints what it says.
///
/// # Errors
/// [`Failure`] where the process cannot be asked, and [`Failure::Answered`] with its reason where it refuses.
pub async fn run(command: WithholdingCommand) -> Result<(), Failure> {
    match command {
        WithholdingCommand::List { finance } => {
            let finance = Finance::open(&finance)?;
            let list = finance.get(RULES).await?;
            if finance.is_json() {
                finance.show(&list, "", &[]);
                return Ok(());
            }
            finance.show(&list, "rules", &RULE_COLUMNS);
            println!();
            finance.show(&list, "proposals", &PROPOSAL_COLUMNS);
        }
        WithholdingCommand::Propose { file, reason, id, finance } => {
            let finance = Finance::open(&finance)?;
            let rule = read_setting(&file)?;
            let ask =
                json!({ "proposal_id": id.unwrap_or_else(Uuid::now_v7), "reason": reason, "rule": rule });
            finance.show(&finance.post(PROPOSALS, &ask).await?, "", &PROPOSAL_COLUMNS);
        }
        WithholdingCommand::Approve(of) => decide(of, "approve").await?,
        WithholdingCommand::Refuse(of) => decide(of, "refuse").await?,
    }
    Ok(())
}

async fn decide(OneProposal { proposal, finance }: OneProposal, step: &str) -> Result<(), Failure> {
    let finance = Finance::open(&finance)?;
    let decided = finance.post(&format!("{PROPOSALS}/{proposal}/{step}"), &Value::Null).await?;
    finance.show(&decided, "", &PROPOSAL_COLUMNS);
    Ok(())
}
