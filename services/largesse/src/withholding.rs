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

const WAITING_COLUMNS: [&str; 9] =
    ["proposal_id", "state", "payee", "valid_from", "name", "method", "created_by", "decided_by", "reason"];

fn rows<'a>(list: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    list[name].as_array().into_iter().flatten()
}

/// A rule's row of a table, its method in words, with more of what it belongs to.
fn in_words(rule: &Value, of: &Value) -> Value {
    let mut row = rule.clone();
    let (flat, table) = (&rule["method"]["flat"], &rule["method"]["cumulative"]);
    row["method"] = match table["brackets"].as_array() {
        Some(brackets) => {
            let highest = brackets.last().map_or(&Value::Null, |last| &last["rate_ppm"]);
            json!(format!("cumulative: {} brackets up to {highest} ppm", brackets.len()))
        }
        None => json!(format!("flat: {} ppm", flat["rate_ppm"])),
    };
    for (name, value) in of.as_object().into_iter().flatten().filter(|(name, _)| *name != "rule") {
        row[name] = value.clone();
    }
    row
}

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
            let rules: Vec<Value> = rows(&list, "rules").map(|rule| in_words(rule, &json!({}))).collect();
            let proposals: Vec<Value> =
                rows(&list, "proposals").map(|of| in_words(&of["rule"], of)).collect();
            let tables = json!({ "rules": rules, "proposals": proposals });
            finance.show(&tables, "rules", &RULE_COLUMNS);
            println!();
            finance.show(&tables, "proposals", &WAITING_COLUMNS);
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

#[cfg(test)]
mod tests {
    use super::in_words;
    use serde_json::json;

    #[test]
    fn a_rule_is_told_in_words_beside_who_proposed_it() {
        let brackets = json!([{ "rate_ppm": 30_000 }, { "rate_ppm": 450_000 }]);
        let rule = json!({ "name": "x", "method": { "cumulative": { "brackets": brackets } } });
        let row = in_words(&rule, &json!({ "state": "waiting", "rule": rule }));
        assert_eq!(
            row,
            json!({ "name": "x", "method": "cumulative: 2 brackets up to 450000 ppm", "state": "waiting" })
        );
        let flat = in_words(&json!({ "method": { "flat": { "rate_ppm": 7 } } }), &json!({}));
        assert_eq!(flat, json!({ "method": "flat: 7 ppm" }));
    }
}
