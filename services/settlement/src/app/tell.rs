//! What the audit trail says of payees' money, of contracts and of withholding, and what it must explain.

use crate::domain::contract_file::ContractLine;
use crate::domain::payout::{Batch, BatchStep, Line, LineState};
use crate::domain::withholding_terms::WithholdingTerms;
use crate::store::payee_accounts::PayeeAccount;
use ids::{ContractImportId, PayoutBatchId, Uuid};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use trail::Step;
use trail::canonical::{hash_of, hex};

/// Batches, accounts, imports of contracts and rules of withholding that stand otherwise than their steps say: changed, or put in, past the
/// program.
pub const UNEXPLAINED: &str = "
WITH told AS (
    SELECT subject,
        (array_agg(act ORDER BY seq DESC) FILTER (WHERE act <> 'payout_lines_ended'))[1] AS act,
        (array_agg(actor ORDER BY seq) FILTER (WHERE act IN ('payout_built', 'account_given', 'contracts_proposed',
            'withholding_proposed')))[1]
            AS made_by,
        (array_agg(actor ORDER BY seq) FILTER (WHERE act IN
            ('payout_approved', 'account_approved', 'contracts_approved', 'contracts_refused', 'withholding_approved',
             'withholding_refused')))[1] AS decided_by,
        (array_agg(body ->> 'sha256' ORDER BY seq))[1] AS sha256,
        (array_agg(body -> 'rule' ORDER BY seq))[1] AS rule
    FROM {s}.audit_trail GROUP BY subject
)
(SELECT b.batch_id::text FROM {s}.payout_batches b LEFT JOIN told t ON t.subject = b.batch_id::text
WHERE (t.act, t.made_by, t.decided_by, t.sha256) IS DISTINCT FROM
    ((ARRAY['payout_built', 'payout_approved', 'payout_submitted', 'payout_confirmed', 'payout_discarded'])[b.state],
        b.built_by, b.approved_by, b.lines_hash))
UNION ALL
(SELECT a.account_id::text FROM {s}.payee_accounts a LEFT JOIN told t ON t.subject = a.account_id::text
WHERE (t.act, t.made_by, t.decided_by, t.sha256) IS DISTINCT FROM
    (CASE WHEN a.approved_by IS NULL THEN 'account_given' ELSE 'account_approved' END, a.created_by, a.approved_by,
        encode(sha256(convert_to(concat_ws(chr(31), a.payee_kind, a.payee_id, a.holder, a.account_no, a.bank_code),
            'UTF8')), 'hex')))
UNION ALL
(SELECT i.import_id::text FROM {s}.contract_imports i LEFT JOIN told t ON t.subject = i.import_id::text
WHERE (t.act, t.made_by, t.decided_by) IS DISTINCT FROM
    ((ARRAY['contracts_proposed', 'contracts_approved', 'contracts_refused'])[i.state], i.created_by, i.decided_by))
UNION ALL
(SELECT p.proposal_id::text FROM {s}.withholding_proposals p LEFT JOIN told t ON t.subject = p.proposal_id::text
WHERE (t.act, t.made_by, t.decided_by, t.rule) IS DISTINCT FROM
    ((ARRAY['withholding_proposed', 'withholding_approved', 'withholding_refused'])[p.state], p.created_by, p.decided_by,
        p.rule))
UNION ALL
-- The first three came with the program.
(SELECT 'withholding rule ' || r.rule_id FROM {s}.withholding_rules r WHERE r.rule_id > 3
    AND NOT EXISTS (SELECT FROM {s}.withholding_proposals p WHERE p.rule_id = r.rule_id AND p.state = 2
        AND (p.payee_kind, p.valid_from) = (r.payee_kind, r.valid_from)))
ORDER BY 1 LIMIT $1";

fn step(subject: String, actor: &str, act: &'static str, body: Value) -> Step {
    Step { actor: actor.to_owned(), act, subject, body }
}

/// A batch was built of these lines.
pub fn built(batch: &Batch) -> Step {
    let body = json!({
        "day": batch.day, "currency": batch.currency, "line_count": batch.line_count,
        "gross_minor": batch.gross_minor, "tax_minor": batch.tax_minor, "net_minor": batch.net_minor,
        "sha256": batch.lines_hash,
    });
    step(batch.batch_id.to_string(), &batch.built_by, "payout_built", body)
}

/// A batch took a step.
pub fn passed(batch_id: PayoutBatchId, taken: BatchStep, by: &str) -> Step {
    let act = match taken {
        BatchStep::Approve => "payout_approved",
        BatchStep::Submit => "payout_submitted",
        BatchStep::Confirm => "payout_confirmed",
        BatchStep::Discard => "payout_discarded",
    };
    step(batch_id.to_string(), by, act, json!({}))
}

/// The bank said what it did with some lines.
pub fn lines_ended(batch_id: PayoutBatchId, ended: &[Line], by: &str) -> Step {
    let lines: Vec<Value> =
        ended.iter().map(|line| json!([line.line, line.state, line.net_minor, line.reason])).collect();
    let rejected = ended.iter().filter(|line| line.state == LineState::Rejected).count();
    let body = json!({
        "paid": ended.len().saturating_sub(rejected), "rejected": rejected,
        "lines_sha256": hex(&hash_of(b"payout-lines", &json!(lines))),
    });
    step(batch_id.to_string(), by, "payout_lines_ended", body)
}

/// Somebody said where a payee's money is to go.
pub fn account_given(account: &PayeeAccount) -> Step {
    let said = format!(
        "{}\u{1f}{}\u{1f}{}\u{1f}{}\u{1f}{}",
        account.payee.code(),
        account.payee_id,
        account.holder,
        account.account_no,
        account.bank_code
    );
    let body = json!({
        "payee": account.payee, "payee_id": account.payee_id, "sha256": hex(&Sha256::digest(said)),
    });
    step(account.account_id.to_string(), &account.created_by, "account_given", body)
}

/// Another person approved it.
pub fn account_approved(account_id: ids::PayeeAccountId, by: &str) -> Step {
    step(account_id.to_string(), by, "account_approved", json!({}))
}

/// Somebody wants these contracts in force.
pub fn contracts_proposed(import_id: ContractImportId, lines: &[ContractLine], by: &str) -> Step {
    let said: Vec<Value> =
        lines.iter().map(|line| json!([line.streamer_id, line.valid_from, line.terms])).collect();
    let body = json!({ "contract_count": lines.len(), "sha256": hex(&hash_of(b"contracts", &json!(said))) });
    step(import_id.to_string(), by, "contracts_proposed", body)
}

/// They are in force now, or never will be.
pub fn contracts_decided(import_id: ContractImportId, is_approved: Approved, by: &str) -> Step {
    let act = match is_approved {
        Approved::Yes => "contracts_approved",
        Approved::No => "contracts_refused",
    };
    step(import_id.to_string(), by, act, json!({}))
}

/// Somebody wants this withheld.
pub fn withholding_proposed(proposal_id: Uuid, rule: &WithholdingTerms, by: &str) -> Step {
    step(proposal_id.to_string(), by, "withholding_proposed", json!({ "rule": rule }))
}

/// It is in force from its day on, or never will be.
pub fn withholding_decided(proposal_id: Uuid, is_approved: Approved, by: &str) -> Step {
    let act = match is_approved {
        Approved::Yes => "withholding_approved",
        Approved::No => "withholding_refused",
    };
    step(proposal_id.to_string(), by, act, json!({}))
}

/// How an import or a proposal was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approved {
    Yes,
    No,
}
