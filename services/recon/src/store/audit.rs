//! What the audit trail does not explain: breaks that stand otherwise than their steps say.

use crate::domain::break_state::{BreakState, TRANSITIONS};
use ids::Uuid;
use pg::Db;
use std::collections::BTreeMap;

pub use trail::{StepView, append_in_tx, find_head, list_steps};

const UNEXPLAINED: &str = "
WITH told AS (
    SELECT subject,
        count(*) FILTER (WHERE act NOT IN ('detected', 'commented') AND NOT body ? 'reopens') AS steps,
        (array_agg(act ORDER BY seq DESC) FILTER (WHERE act NOT IN ('escalated', 'commented')))[1] AS last_act
    FROM {s}.audit_trail GROUP BY subject
)
SELECT b.break_id FROM {s}.breaks b
LEFT JOIN told t ON t.subject = b.break_id::text
LEFT JOIN unnest($1::text[], $2::smallint[]) AS a (act, state) ON a.act = t.last_act
WHERE b.version IS DISTINCT FROM t.steps + 1 OR b.state IS DISTINCT FROM a.state
ORDER BY b.break_no LIMIT $3";

/// Breaks that stand otherwise than their steps in the trail say: changed, or put in, past the program.
///
/// # Errors
/// Whatever the database says.
pub async fn list_unexplained(db: &Db, limit: i64) -> Result<Vec<String>, sqlx::Error> {
    let ends: Vec<(&str, BreakState)> = TRANSITIONS
        .iter()
        .map(|line| (line.step.done(), line.to))
        .chain([("detected", BreakState::Detected)])
        .collect();
    // A step that leads to one state from several is there once.
    let ends: BTreeMap<&str, BreakState> = ends.into_iter().collect();
    let list = sqlx::query_scalar::<_, Uuid>(db.sql(UNEXPLAINED))
        .bind(ends.keys().map(|act| (*act).to_owned()).collect::<Vec<_>>())
        .bind(ends.values().map(|state| state.code()).collect::<Vec<_>>())
        .bind(limit);
    Ok(list.fetch_all(db.pool()).await?.into_iter().map(|id| id.to_string()).collect())
}
