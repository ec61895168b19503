//! Steps of breaks by compare-and-set, comments, and the answers kept under the keys they were asked for.

use super::breaks::ClosedWhy;
use crate::domain::break_state::BreakState;
use crate::domain::severity::Judged;
use chrono::{DateTime, Utc};
use ids::{BreakId, Uuid, named_id};
use pg::Db;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, Row};
use utoipa::ToSchema;

/// One step of one break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    pub break_id: BreakId,
    /// The state and the version that the step was decided on.
    pub from: (BreakState, i32),
    pub to: BreakState,
    /// Who has it from now on; `None` leaves it.
    pub assignee_id: Option<Uuid>,
    pub waits_until: Option<DateTime<Utc>>,
    pub closed: Option<(DateTime<Utc>, ClosedWhy)>,
}

/// Whether a step was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Moved {
    Yes,
    /// Somebody else took a step first.
    No,
}

fn moved(rows: u64) -> Moved {
    if rows == 1 { Moved::Yes } else { Moved::No }
}

const MOVE: &str = "
UPDATE {s}.breaks SET state = $4, version = version + 1, assignee_id = coalesce($5, assignee_id), waits_until = $6,
    closed_at = coalesce($7, closed_at), closed_why = coalesce($8, closed_why)
WHERE break_id = $1 AND state = $2 AND version = $3";

/// Takes a step, unless another came first.
///
/// # Errors
/// Whatever the database says.
pub async fn move_in_tx(tx: &mut PgConnection, db: &Db, step: &Move) -> Result<Moved, sqlx::Error> {
    let done = sqlx::query(db.sql(MOVE))
        .bind(step.break_id.uuid())
        .bind(step.from.0.code())
        .bind(step.from.1)
        .bind(step.to.code())
        .bind(step.assignee_id)
        .bind(step.waits_until)
        .bind(step.closed.map(|(at, _)| at))
        .bind(step.closed.map(|(_, why)| why.code()))
        .execute(tx)
        .await?;
    Ok(moved(done.rows_affected()))
}

const ESCALATE: &str = "
UPDATE {s}.breaks SET severity = $3, due_at = $4, version = version + 1
WHERE break_id = $1 AND version = $2 AND state <> 7";

/// Makes a break worse, unless another step came first.
///
/// # Errors
/// Whatever the database says.
pub async fn escalate_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    (break_id, version): (BreakId, i32),
    judged: Judged,
) -> Result<Moved, sqlx::Error> {
    let done = sqlx::query(db.sql(ESCALATE))
        .bind(break_id.uuid())
        .bind(version)
        .bind(judged.severity.code())
        .bind(judged.due_at)
        .execute(tx)
        .await?;
    Ok(moved(done.rows_affected()))
}

const ROOT: &str = "
SELECT r.break_id, r.fact_key, (SELECT count(*) FROM {s}.breaks n WHERE n.reopens_id = r.break_id) AS reopened
FROM {s}.breaks b JOIN {s}.breaks r ON r.break_id = coalesce(b.reopens_id, b.break_id) WHERE b.break_id = $1";

const REOPEN: &str = "
INSERT INTO {s}.breaks (break_id, fact_key, kind, logs, partition, minute, order_id, coins, evidence, state, severity,
    due_at, detected_at, reopens_id, day)
SELECT $2, $3, kind, logs, partition, minute, order_id, coins, evidence, 2, $4, $5, $6, $7, day
FROM {s}.breaks WHERE break_id = $1
ON CONFLICT DO NOTHING";

/// Opens a new break about the fact of a closed one, linked to the first about it. `None` where one is open already.
///
/// # Errors
/// Whatever the database says.
pub async fn reopen_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    closed: BreakId,
    judged: Judged,
    now: DateTime<Utc>,
) -> Result<Option<BreakId>, sqlx::Error> {
    let row = sqlx::query(db.sql(ROOT)).bind(closed.uuid()).fetch_one(&mut *tx).await?;
    let (first, fact_key): (Uuid, String) = (row.try_get("break_id")?, row.try_get("fact_key")?);
    let reopened: i64 = row.try_get("reopened")?;
    let fact_key = format!("{fact_key}#{}", reopened + 2);
    let break_id = named_id("break", &fact_key);
    let done = sqlx::query(db.sql(REOPEN))
        .bind(closed.uuid())
        .bind(break_id)
        .bind(&fact_key)
        .bind(judged.severity.code())
        .bind(judged.due_at)
        .bind(now)
        .bind(first)
        .execute(tx)
        .await?;
    Ok((done.rows_affected() == 1).then(|| BreakId::from_uuid(break_id)))
}

/// What somebody said about a break.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CommentView {
    pub comment_no: i64,
    pub author_id: Uuid,
    pub text: String,
    pub said_at: DateTime<Utc>,
}

const COMMENT: &str = "
INSERT INTO {s}.break_comments (break_id, author_id, text, said_at) VALUES ($1, $2, $3, $4)";

/// Keeps a comment.
///
/// # Errors
/// Whatever the database says.
pub async fn comment_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    (break_id, author_id): (BreakId, Uuid),
    text: &str,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let said = sqlx::query(db.sql(COMMENT)).bind(break_id.uuid()).bind(author_id).bind(text).bind(now);
    said.execute(tx).await.map(drop)
}

const COMMENTS: &str = "
SELECT comment_no, author_id, text, said_at FROM {s}.break_comments WHERE break_id = $1
ORDER BY comment_no DESC LIMIT $2";

/// The newest comments on a break, oldest first, at most `limit`.
///
/// # Errors
/// Whatever the database says.
pub async fn list_comments(db: &Db, break_id: BreakId, limit: i64) -> Result<Vec<CommentView>, sqlx::Error> {
    let list = sqlx::query(db.sql(COMMENTS)).bind(break_id.uuid()).bind(limit);
    let rows = list.fetch_all(db.pool()).await?;
    let one = |row: &sqlx::postgres::PgRow| {
        Ok(CommentView {
            comment_no: row.try_get("comment_no")?,
            author_id: row.try_get("author_id")?,
            text: row.try_get("text")?,
            said_at: row.try_get("said_at")?,
        })
    };
    rows.iter().rev().map(one).collect()
}

/// What was asked under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    pub key: Uuid,
    pub actor_id: Uuid,
    pub body_hash: i64,
}

/// What is known of a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    /// The same was asked before, and this was the answer.
    Answered(serde_json::Value),
    /// Something else was asked under it, or by somebody else.
    Reused,
}

const FIND_REQUEST: &str = "
SELECT actor_id, body_hash, answer FROM {s}.desk_requests WHERE request_key = $1 AND answer IS NOT NULL";

/// The answer that was given under a key.
///
/// # Errors
/// Whatever the database says.
pub async fn find_request(db: &Db, request: Request) -> Result<Option<Known>, sqlx::Error> {
    let find = sqlx::query(db.sql(FIND_REQUEST)).bind(request.key);
    let Some(row) = find.fetch_optional(db.pool()).await? else { return Ok(None) };
    let (actor_id, body_hash): (Uuid, i64) = (row.try_get("actor_id")?, row.try_get("body_hash")?);
    if (actor_id, body_hash) != (request.actor_id, request.body_hash) {
        return Ok(Some(Known::Reused));
    }
    Ok(Some(Known::Answered(row.try_get("answer")?)))
}

const CLAIM: &str = "
INSERT INTO {s}.desk_requests (request_key, actor_id, body_hash) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";

/// Takes a key for this transaction; waits for another that has it. [`Moved::No`]: it was used before.
///
/// # Errors
/// Whatever the database says.
pub async fn claim_in_tx(tx: &mut PgConnection, db: &Db, request: Request) -> Result<Moved, sqlx::Error> {
    let claim = sqlx::query(db.sql(CLAIM)).bind(request.key).bind(request.actor_id).bind(request.body_hash);
    Ok(moved(claim.execute(tx).await?.rows_affected()))
}

const ANSWER: &str = "UPDATE {s}.desk_requests SET answer = $2 WHERE request_key = $1";

/// Keeps the answer under its key.
///
/// # Errors
/// Whatever the database says.
pub async fn answer_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    key: Uuid,
    answer: &serde_json::Value,
) -> Result<(), sqlx::Error> {
    sqlx::query(db.sql(ANSWER)).bind(key).bind(answer).execute(tx).await.map(drop)
}
