//! Breaks as a daily run records them: each fact once, linked to the first where it came back after it had gone.

use super::audit;
use super::breaks::{self, BreakView, ClosedWhy, NewBreak, SYSTEM_ACTOR, break_of_row};
use super::desk::{self, Move, Moved};
use crate::domain::break_kind::BreakKind;
use crate::domain::break_state::BreakState;
use crate::domain::chain::Step;
use crate::domain::severity::Severities;
use chrono::{DateTime, NaiveDate, Utc};
use ids::{BreakId, Partition, Uuid};
use pg::Db;
use serde_json::json;
use sqlx::{PgConnection, Row};

const CAME_BACK: &str = "
SELECT DISTINCT ON (r.break_id) b.break_id, b.version, b.state, b.closed_why, b.kind, b.coins, r.break_id AS first
FROM {s}.breaks r JOIN {s}.breaks b ON b.break_id = r.break_id OR b.reopens_id = r.break_id
WHERE r.fact_key = ANY($1) AND r.reopens_id IS NULL ORDER BY r.break_id, b.break_no DESC";

/// Records what a step found. A fact whose break had cleared by itself gets a new one, linked to the first; one that
/// people closed stays closed. Returns the kinds of those that are new.
///
/// # Errors
/// Whatever the database says.
pub async fn record_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    found: &[NewBreak],
    severities: &Severities,
    now: DateTime<Utc>,
) -> Result<Vec<BreakKind>, sqlx::Error> {
    let keys: Vec<&str> = found.iter().map(|found| found.fact_key.as_str()).collect();
    let known = sqlx::query(db.sql(CAME_BACK)).bind(&keys).fetch_all(&mut *tx).await?;
    let mut steps = Vec::new();
    for row in known {
        let (state, why): (i16, Option<i16>) = (row.try_get("state")?, row.try_get("closed_why")?);
        if state != BreakState::Closed.code() || why != Some(ClosedWhy::LogsAgree.code()) {
            continue;
        }
        let break_id = BreakId::from_uuid(row.try_get("break_id")?);
        let change = Move {
            break_id,
            from: (BreakState::Closed, row.try_get("version")?),
            to: BreakState::Closed,
            assignee_id: None,
            waits_until: None,
            closed: None,
        };
        if desk::move_in_tx(tx, db, &change).await? == Moved::No {
            continue; // Somebody opens it again at this moment.
        }
        let kind = breaks::kind_named(row.try_get("kind")?).ok_or(sqlx::Error::RowNotFound)?;
        let judged = severities.judge_new(kind, row.try_get("coins")?, now);
        let Some(new) = desk::reopen_in_tx(tx, db, break_id, judged, now).await? else { continue };
        let first = row.try_get::<Uuid, _>("first")?;
        let reason = "a daily run found it again";
        let step = |act: &'static str, subject: BreakId, body| Step {
            actor: SYSTEM_ACTOR.to_owned(),
            act,
            subject: subject.to_string(),
            body,
        };
        let closed = json!({ "reason": reason, "reopened_as": new, "first": first });
        steps.push(step("reopened", break_id, closed));
        steps.push(step("opened", new, json!({ "reason": reason, "reopens": break_id, "first": first })));
    }
    let kinds = breaks::insert_in_tx(tx, db, found, severities).await?;
    if !steps.is_empty() {
        audit::append_in_tx(tx, db, steps, now).await?;
    }
    Ok(kinds)
}

const OPEN_OF_DAY: &str = "
SELECT b.*, split_part(b.fact_key, '#', 1) AS root FROM {s}.breaks b
WHERE b.day BETWEEN $1 AND $2 AND b.minute IS NULL AND b.state NOT IN (5, 7)
    AND (($3::smallint IS NOT NULL AND b.partition = $3
          AND NOT b.logs LIKE ANY (ARRAY['channel.%', 'bank.%', 'funds.%']))
         OR b.logs = $4)
ORDER BY b.break_no LIMIT $5";

/// Which open breaks are asked for.
#[derive(Clone, Copy, Debug)]
pub enum OpenOf<'a> {
    /// About the logs of a partition.
    Partition(Partition),
    /// About a channel's rows: `logs` of its breaks.
    Channel(&'a str),
}

/// Open breaks that daily runs of some days found, with the key of the fact, at most `limit`.
///
/// # Errors
/// Whatever the database says.
pub async fn list_open(
    db: &Db,
    (from, to): (NaiveDate, NaiveDate),
    of: OpenOf<'_>,
    limit: i64,
) -> Result<Vec<(String, BreakView)>, sqlx::Error> {
    let (partition, logs) = match of {
        OpenOf::Partition(partition) => (Some(partition.number()), None),
        OpenOf::Channel(logs) => (None, Some(logs.to_owned())),
    };
    let list = sqlx::query(db.sql(OPEN_OF_DAY)).bind(from).bind(to).bind(partition).bind(logs).bind(limit);
    let rows = list.fetch_all(db.pool()).await?;
    rows.iter().map(|row| Ok((row.try_get("root")?, break_of_row(row)?))).collect()
}
