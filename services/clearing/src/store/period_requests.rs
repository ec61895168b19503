//! Steps of periods that somebody asked for: proposed once, agreed on once, and kept.

use crate::domain::period::PeriodStep;
use crate::domain::span::Span;
use chrono::{DateTime, NaiveDate, Utc};
use ids::{PeriodRequestId, Uuid};
use pg::{Db, ReadDb};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use utoipa::ToSchema;

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestState {
    /// Another person must ask for the same.
    Waiting,
    /// Agreed; not every day of it is through yet.
    Agreed,
    Done,
}

impl RequestState {
    const ALL: [RequestState; 3] = [RequestState::Waiting, RequestState::Agreed, RequestState::Done];

    const fn code(self) -> i16 {
        match self {
            RequestState::Waiting => 1,
            RequestState::Agreed => 2,
            RequestState::Done => 3,
        }
    }
}

/// A step of a period as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeriodRequest {
    pub request_id: PeriodRequestId,
    /// `2026-11-20` or `2026-11`.
    pub period: String,
    pub first_day: NaiveDate,
    pub last_day: NaiveDate,
    pub step: PeriodStep,
    pub state: RequestState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub proposed_by: Uuid,
    pub proposed_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<DateTime<Utc>>,
}

const INSERT: &str = "
INSERT INTO {s}.period_requests (request_id, period, first_day, last_day, step, reason, proposed_by)
VALUES ($1, $2, $3, $4, $5, $6, $7)";

/// Stores a request that waits.
///
/// # Errors
/// Whatever the database says.
pub async fn insert_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    request_id: PeriodRequestId,
    (span, step, reason): (&Span, PeriodStep, Option<&str>),
    by: Uuid,
) -> Result<(), sqlx::Error> {
    sqlx::query(db.sql(INSERT))
        .bind(request_id.uuid())
        .bind(&span.name)
        .bind(span.first)
        .bind(span.last)
        .bind(step.code())
        .bind(reason)
        .bind(by)
        .execute(tx)
        .await
        .map(drop)
}

const LOCK: &str = "
SELECT * FROM {s}.period_requests WHERE request_id = $1 OR decided_as = $1 LIMIT 1 FOR UPDATE";

/// A request by the id of either person, held until the transaction ends.
///
/// # Errors
/// Whatever the database says.
pub async fn lock_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    request_id: PeriodRequestId,
) -> Result<Option<PeriodRequest>, sqlx::Error> {
    let row = sqlx::query(db.sql(LOCK)).bind(request_id.uuid()).fetch_optional(tx).await?;
    row.as_ref().map(request_of_row).transpose()
}

const LOCK_WAITING: &str = "
SELECT * FROM {s}.period_requests WHERE period = $1 AND step = $2 AND state = 1 FOR UPDATE";

/// The request for a step of a period that waits, held until the transaction ends.
///
/// # Errors
/// Whatever the database says.
pub async fn lock_waiting_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    (span, step): (&Span, PeriodStep),
) -> Result<Option<PeriodRequest>, sqlx::Error> {
    let row = sqlx::query(db.sql(LOCK_WAITING)).bind(&span.name).bind(step.code()).fetch_optional(tx).await?;
    row.as_ref().map(request_of_row).transpose()
}

const AGREE: &str = "
UPDATE {s}.period_requests SET state = 2, decided_by = $2, decided_at = now(), decided_as = $3
WHERE request_id = $1 AND state = 1";

/// Records who agreed. The tables refuse whoever proposed it.
///
/// # Errors
/// Whatever the database says.
pub async fn agree_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    request_id: PeriodRequestId,
    by: Uuid,
    agreed_as: PeriodRequestId,
) -> Result<(), sqlx::Error> {
    let other = Some(agreed_as).filter(|agreed_as| *agreed_as != request_id).map(PeriodRequestId::uuid);
    sqlx::query(db.sql(AGREE)).bind(request_id.uuid()).bind(by).bind(other).execute(tx).await.map(drop)
}

const FINISH: &str = "UPDATE {s}.period_requests SET state = 3 WHERE request_id = $1 AND state = 2";

/// Every day of a request is through; `false` where that was said before.
///
/// # Errors
/// Whatever the database says.
pub async fn finish_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    request_id: PeriodRequestId,
) -> Result<bool, sqlx::Error> {
    let finish = sqlx::query(db.sql(FINISH)).bind(request_id.uuid());
    Ok(finish.execute(tx).await?.rows_affected() == 1)
}

const FIND: &str = "SELECT * FROM {s}.period_requests WHERE request_id = $1";

/// One request.
///
/// # Errors
/// Whatever the database says.
pub async fn find(db: &Db, request_id: PeriodRequestId) -> Result<Option<PeriodRequest>, sqlx::Error> {
    let row = sqlx::query(db.sql(FIND)).bind(request_id.uuid()).fetch_optional(db.pool()).await?;
    row.as_ref().map(request_of_row).transpose()
}

const LIST: &str = "SELECT * FROM {s}.period_requests ORDER BY (state = 1) DESC, request_id DESC LIMIT $1";

/// Requests: those that wait first, then the newest.
///
/// # Errors
/// Whatever the database says.
pub async fn list(db: &ReadDb, limit: i64) -> Result<Vec<PeriodRequest>, sqlx::Error> {
    let rows = db.fetch_all(sqlx::query(db.sql(LIST)).bind(limit)).await?;
    rows.iter().map(request_of_row).collect()
}

fn request_of_row(row: &PgRow) -> Result<PeriodRequest, sqlx::Error> {
    let unknown = |what: &str| sqlx::Error::Decode(format!("a {what} that is not known").into());
    let (step, state): (i16, i16) = (row.try_get("step")?, row.try_get("state")?);
    let state = RequestState::ALL.into_iter().find(|known| known.code() == state);
    Ok(PeriodRequest {
        request_id: PeriodRequestId::from_uuid(row.try_get("request_id")?),
        period: row.try_get("period")?,
        first_day: row.try_get("first_day")?,
        last_day: row.try_get("last_day")?,
        step: PeriodStep::of_code(step).ok_or_else(|| unknown("step"))?,
        state: state.ok_or_else(|| unknown("state"))?,
        reason: row.try_get("reason")?,
        proposed_by: row.try_get("proposed_by")?,
        proposed_at: row.try_get("proposed_at")?,
        decided_by: row.try_get("decided_by")?,
        decided_at: row.try_get("decided_at")?,
    })
}
