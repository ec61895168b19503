//! What the audit trail says of a refund case, and what it must explain.

use super::decide_refund_case::Decision;
use crate::domain::refund_case::NewCase;
use crate::store::refund_cases::CaseView;
use ids::{RequestId, Uuid};
use money::Coins;
use serde_json::{Value, json};
use trail::Step;
use trail::canonical::{hash_of, hex};

/// Cases that stand otherwise than their steps say: changed, or put in, past the program.
pub const UNEXPLAINED: &str = "
SELECT c.case_id::text FROM {s}.refund_cases c
LEFT JOIN LATERAL (
    SELECT (array_agg(t.act ORDER BY t.seq DESC))[1] AS last_act,
        (array_agg(t.actor ORDER BY t.seq) FILTER (WHERE t.act = 'refund_asked'))[1] AS asked_by,
        (array_agg(t.actor ORDER BY t.seq) FILTER (WHERE t.act IN ('refund_approved', 'refund_refused')))[1] AS decided_by
    FROM {s}.audit_trail t WHERE t.subject = c.case_id::text) t ON true
WHERE t.last_act IS DISTINCT FROM
        (ARRAY['refund_asked', 'refund_approved', 'refund_refused', 'refund_done'])[c.state]
    OR t.asked_by IS DISTINCT FROM c.made_by::text OR t.decided_by IS DISTINCT FROM c.decided_by::text
ORDER BY c.case_id LIMIT $1";

/// The actor of what gift does by itself.
const GIFT: &str = "gift";

fn step(case_id: Uuid, actor: String, act: &'static str, body: Value) -> Step {
    Step { actor, act, subject: case_id.to_string(), body }
}

/// A case was asked for. Its lines are many, so the row has their hash.
pub fn asked(case: &NewCase) -> Step {
    let line = |line: &crate::domain::refund_case::NewLine| {
        json!([line.line, line.order_id, line.viewer_id, line.amount_coins.map(Coins::get), line.reason])
    };
    let lines: Vec<Value> = case.lines.iter().map(line).collect();
    let coins = case.lines.iter().fold(0_i64, |sum, line| sum.saturating_add(line.asked_coins.get()));
    let body = json!({
        "kind": case.kind, "reason": case.reason, "period": case.period, "line_count": case.lines.len(),
        "asked_coins": coins, "lines_sha256": hex(&hash_of(b"refund-lines", &json!(lines))),
    });
    step(case.case_id, case.made_by.to_string(), "refund_asked", body)
}

/// A case was decided; where it was approved, under these ids its lines are sent to the wallet.
pub fn decided(case_id: Uuid, decision: Decision, by: Uuid, requests: &[(i32, RequestId)]) -> Step {
    let requests: Vec<Value> = requests.iter().map(|(line, request)| json!([line, request])).collect();
    let (act, body) = match decision {
        Decision::Approve => {
            let sha256 = hex(&hash_of(b"refund-requests", &json!(requests)));
            ("refund_approved", json!({ "requests_sha256": sha256 }))
        }
        Decision::Refuse => ("refund_refused", json!({})),
    };
    step(case_id, by.to_string(), act, body)
}

/// Every line of a case has its outcome.
pub fn done(case: &CaseView) -> Step {
    let body = json!({
        "done_count": case.done_count, "failed_count": case.failed_count,
        "refunded_paid_coins": case.refunded_paid_coins, "refunded_promo_coins": case.refunded_promo_coins,
    });
    step(case.case_id, GIFT.to_owned(), "refund_done", body)
}
