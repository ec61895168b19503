//! What the audit trail says of a period's steps, and what it must explain.

use super::close_period::Ask;
use crate::domain::period::PeriodStep;
use crate::store::closings::Sealed;
use chrono::NaiveDate;
use ids::PeriodRequestId;
use serde_json::json;
use trail::Step;

/// Days and requests that stand otherwise than their steps say: changed, or put in, past the program. A day that was
/// closed with a later one, because nobody had made it, has no steps and no closing of its own.
pub const UNEXPLAINED: &str = "
WITH told AS (
    SELECT DISTINCT ON (subject) subject, act, body FROM {s}.audit_trail ORDER BY subject, seq DESC
), agreed AS (
    SELECT subject, max(actor) FILTER (WHERE act = 'period_proposed') AS proposed_by,
        max(actor) FILTER (WHERE act = 'period_agreed') AS decided_by
    FROM {s}.audit_trail GROUP BY subject
)
(SELECT p.day::text FROM {s}.periods p
LEFT JOIN told t ON t.subject = p.day::text
LEFT JOIN LATERAL (SELECT * FROM {s}.day_closings c WHERE c.day = p.day ORDER BY version DESC LIMIT 1) c ON true
WHERE (p.state <> 1 OR t.act IS NOT NULL) AND NOT (p.state = 3 AND t.act IS NULL AND c.day IS NULL)
    AND (t.act IS DISTINCT FROM (ARRAY[NULL, 'day_soft_locked', 'day_closed', 'day_reopened'])[p.state]
        OR p.state = 3 AND (t.body ->> 'version', t.body ->> 'digest', t.body ->> 'voucher_count')
            IS DISTINCT FROM (c.sealed_version::text, c.digest::text, c.voucher_count::text)))
UNION ALL
(SELECT r.request_id::text FROM {s}.period_requests r
LEFT JOIN told t ON t.subject = r.request_id::text LEFT JOIN agreed a ON a.subject = r.request_id::text
WHERE t.act IS DISTINCT FROM (ARRAY['period_proposed', 'period_agreed', 'period_done'])[r.state]
    OR a.proposed_by IS DISTINCT FROM r.proposed_by::text OR a.decided_by IS DISTINCT FROM r.decided_by::text)
ORDER BY 1 LIMIT $1";

/// The actor of what clearing does by itself.
const CLEARING: &str = "clearing";

fn of_request(
    request_id: PeriodRequestId,
    actor: String,
    act: &'static str,
    body: serde_json::Value,
) -> Step {
    Step { actor, act, subject: request_id.to_string(), body }
}

/// Somebody asked for a step.
pub fn proposed(ask: &Ask) -> Step {
    let body = json!({ "period": ask.span.name, "step": ask.step, "reason": ask.reason });
    of_request(ask.request_id, ask.by.to_string(), "period_proposed", body)
}

/// Somebody agreed to it: another person, where it takes two.
pub fn agreed(request_id: PeriodRequestId, ask: &Ask) -> Step {
    let body = json!({ "agreed_as": ask.request_id });
    of_request(request_id, ask.by.to_string(), "period_agreed", body)
}

/// Every day of a request is through.
pub fn done(request_id: PeriodRequestId) -> Step {
    of_request(request_id, CLEARING.to_owned(), "period_done", json!({}))
}

/// Days were locked softly, or opened again.
pub fn days_moved(days: &[NaiveDate], step: PeriodStep, request_id: PeriodRequestId) -> Vec<Step> {
    let act = match step {
        PeriodStep::SoftLock => "day_soft_locked",
        PeriodStep::Close => "day_closed",
        PeriodStep::Reopen => "day_reopened",
    };
    let of = |day: &NaiveDate| Step {
        actor: CLEARING.to_owned(),
        act,
        subject: day.to_string(),
        body: json!({ "request_id": request_id }),
    };
    days.iter().map(of).collect()
}

/// A day was sealed and closed: the trail keeps the digest of everything that stands in it.
pub fn day_closed(day: NaiveDate, sealed: &Sealed, request_id: PeriodRequestId) -> Step {
    let Sealed { version, voucher_count, digest } = sealed;
    Step {
        actor: CLEARING.to_owned(),
        act: "day_closed",
        subject: day.to_string(),
        body: json!({
            "request_id": request_id, "version": version, "voucher_count": voucher_count, "digest": digest,
        }),
    }
}
