//! What the audit trail does not explain: breaks that stand otherwise than their steps say.

use crate::domain::break_state::{BreakState, TRANSITIONS};
use std::collections::BTreeMap;
use std::sync::LazyLock;

pub use trail::{StepView, append_in_tx, find_head, list_steps};

/// Breaks that stand otherwise than their steps in the trail say: changed, or put in, past the program.
pub static UNEXPLAINED: LazyLock<String> = LazyLock::new(|| {
    let ends = TRANSITIONS
        .iter()
        .map(|line| (line.step.done(), line.to))
        .chain([("detected", BreakState::Detected)])
        .collect::<BTreeMap<&str, BreakState>>(); // A step that leads to one state from several is there once.
    let ends: Vec<String> =
        ends.into_iter().map(|(act, state)| format!("('{act}', {}::smallint)", state.code())).collect();
    format!(
        "
WITH told AS (
    SELECT subject,
        count(*) FILTER (WHERE act NOT IN ('detected', 'commented') AND NOT body ? 'reopens') AS steps,
        (array_agg(act ORDER BY seq DESC) FILTER (WHERE act NOT IN ('escalated', 'commented')))[1] AS last_act
    FROM {{s}}.audit_trail GROUP BY subject
)
SELECT b.break_id::text FROM {{s}}.breaks b
LEFT JOIN told t ON t.subject = b.break_id::text
LEFT JOIN (VALUES {}) AS a (act, state) ON a.act = t.last_act
WHERE b.version IS DISTINCT FROM t.steps + 1 OR b.state IS DISTINCT FROM a.state
ORDER BY b.break_no LIMIT $1",
        ends.join(", ")
    )
});
