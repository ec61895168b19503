//! Refund cases: made once, decided once, ended once.

use crate::domain::refund_case::{CaseKind, CaseState, NewCase, Period};
use chrono::{DateTime, Utc};
use contracts::owner::RechargeRefunds;
use ids::{Uuid, ViewerId};
use money::Coins;
use pg::Db;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgConnection, Row};
use utoipa::ToSchema;

/// A case as finance sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CaseView {
    pub case_id: Uuid,
    pub kind: CaseKind,
    pub state: CaseState,
    pub reason: String,
    pub made_by: Uuid,
    pub made_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
    pub line_count: i32,
    /// Lines whose coins are back, and lines that will give nothing back.
    pub done_count: i64,
    pub failed_count: i64,
    /// What the lines asked for, and what came back so far, of both funds.
    pub asked_coins: Coins,
    pub refunded_paid_coins: Coins,
    pub refunded_promo_coins: Coins,
    /// Of a minor's case.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
    /// How far the money of a minor's case is on its way back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub money: Option<RechargeRefunds>,
    /// Why the money is not on its way yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub money_error: Option<String>,
    #[serde(skip)]
    pub body_hash: i64,
}

const INSERT: &str = "
INSERT INTO {s}.refund_cases (case_id, kind, body_hash, made_by, reason, line_count, viewer_id, from_at, to_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (case_id) DO NOTHING";

/// Stores a case without its lines; `false` where there is one of this id.
pub async fn insert_in_tx(tx: &mut PgConnection, db: &Db, case: &NewCase) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(db.sql(INSERT))
        .bind(case.case_id)
        .bind(case.kind.code())
        .bind(case.body_hash)
        .bind(case.made_by)
        .bind(&case.reason)
        .bind(i32::try_from(case.lines.len()).unwrap_or(i32::MAX))
        .bind(case.period.map(|period| period.viewer_id.uuid()))
        .bind(case.period.map(|period| period.from))
        .bind(case.period.map(|period| period.to))
        .execute(tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Cases with what became of their lines, and the rest of the statement.
macro_rules! cases {
    ($rest:literal) => {
        concat!(
            "
SELECT c.*, l.done_count, l.failed_count, l.asked_coins, l.paid_coins, l.promo_coins
FROM {s}.refund_cases c, LATERAL (
    SELECT count(*) FILTER (WHERE outcome = 'accepted') AS done_count,
        count(*) FILTER (WHERE outcome <> 'accepted') AS failed_count, sum(asked_coins)::bigint AS asked_coins,
        sum(paid_coins)::bigint AS paid_coins, sum(promo_coins)::bigint AS promo_coins
    FROM {s}.refund_lines WHERE case_id = c.case_id) l ",
            $rest
        )
    };
}

const FIND: &str = cases!("WHERE c.case_id = $1");

const LIST: &str = cases!(
    "WHERE c.kind = $1 AND ($2::smallint IS NULL OR c.state = $2) AND ($3::uuid IS NULL OR c.case_id < $3)
ORDER BY c.case_id DESC LIMIT $4"
);

const UNDER_WAY: &str = cases!("WHERE c.state = 2 AND c.case_id > $1 ORDER BY c.case_id LIMIT $2");

/// One case.
pub async fn find(db: &Db, case_id: Uuid) -> Result<Option<CaseView>, sqlx::Error> {
    let row = sqlx::query(db.sql(FIND)).bind(case_id).fetch_optional(db.pool()).await?;
    row.as_ref().map(case_of).transpose()
}

/// Cases of a kind, newest first by their ids, before one of them.
pub async fn list(
    db: &Db,
    kind: CaseKind,
    state: Option<CaseState>,
    (before, limit): (Option<Uuid>, i64),
) -> Result<Vec<CaseView>, sqlx::Error> {
    let list = sqlx::query(db.sql(LIST)).bind(kind.code()).bind(state.map(CaseState::code));
    let rows = list.bind(before).bind(limit).fetch_all(db.pool()).await?;
    rows.iter().map(case_of).collect()
}

/// Cases that are being done, by their ids, after one of them.
pub async fn list_under_way(db: &Db, after: Uuid, limit: i64) -> Result<Vec<CaseView>, sqlx::Error> {
    let rows = sqlx::query(db.sql(UNDER_WAY)).bind(after).bind(limit).fetch_all(db.pool()).await?;
    rows.iter().map(case_of).collect()
}

/// What a decision is measured against, held until the transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Locked {
    pub kind: CaseKind,
    pub state: CaseState,
    pub made_by: Uuid,
    pub decided_by: Option<Uuid>,
}

const LOCK: &str =
    "SELECT kind, state, made_by, decided_by FROM {s}.refund_cases WHERE case_id = $1 FOR UPDATE";

/// Locks a case.
pub async fn lock_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    case_id: Uuid,
) -> Result<Option<Locked>, sqlx::Error> {
    let row = sqlx::query(db.sql(LOCK)).bind(case_id).fetch_optional(tx).await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Locked {
        kind: kind_of(&row)?,
        state: state_of(&row)?,
        made_by: row.try_get("made_by")?,
        decided_by: row.try_get("decided_by")?,
    }))
}

const DECIDE: &str = "
UPDATE {s}.refund_cases SET state = $2, decided_by = $3, decided_at = now() WHERE case_id = $1 AND state = 1";

/// Decides a waiting case. The table refuses whoever made it.
pub async fn decide_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    (case_id, state): (Uuid, CaseState),
    decided_by: Uuid,
) -> Result<(), sqlx::Error> {
    let decide = sqlx::query(db.sql(DECIDE)).bind(case_id).bind(state.code());
    decide.bind(decided_by).execute(tx).await.map(drop)
}

const SAVE_MONEY: &str = "
UPDATE {s}.refund_cases SET money = coalesce($2, money), money_error = $3 WHERE case_id = $1 AND state = 2";

/// Keeps how far the money of a case is, or why it is not on its way.
pub async fn save_money(
    db: &Db,
    case_id: Uuid,
    said: Result<&RechargeRefunds, &str>,
) -> Result<(), sqlx::Error> {
    let save = sqlx::query(db.sql(SAVE_MONEY)).bind(case_id).bind(said.ok().map(Json));
    save.bind(said.err()).execute(db.pool()).await.map(drop)
}

const END: &str = "
UPDATE {s}.refund_cases c SET state = 4, ended_at = now()
WHERE c.case_id = $1 AND c.state = 2
    AND NOT EXISTS (SELECT FROM {s}.refund_lines l WHERE l.case_id = c.case_id AND l.outcome IS NULL)";

/// Ends a case whose lines all have their outcome; `false` where it is ended, or a line has none.
pub async fn end_in_tx(tx: &mut PgConnection, db: &Db, case_id: Uuid) -> Result<bool, sqlx::Error> {
    Ok(sqlx::query(db.sql(END)).bind(case_id).execute(tx).await?.rows_affected() == 1)
}

fn kind_of(row: &PgRow) -> Result<CaseKind, sqlx::Error> {
    let code: i16 = row.try_get("kind")?;
    CaseKind::of_code(code).ok_or_else(|| decode(format!("no refund case has kind {code}")))
}

fn state_of(row: &PgRow) -> Result<CaseState, sqlx::Error> {
    let code: i16 = row.try_get("state")?;
    CaseState::of_code(code).ok_or_else(|| decode(format!("no refund case has state {code}")))
}

fn case_of(row: &PgRow) -> Result<CaseView, sqlx::Error> {
    let coins = |column: &str| Coins::try_new(row.try_get(column)?).map_err(decode);
    let viewer: Option<Uuid> = row.try_get("viewer_id")?;
    let (from, to) = (row.try_get("from_at")?, row.try_get("to_at")?);
    let period = match (viewer, from, to) {
        (Some(viewer), Some(from), Some(to)) => {
            Some(Period { viewer_id: ViewerId::from_uuid(viewer), from, to })
        }
        (_, _, _) => None,
    };
    Ok(CaseView {
        case_id: row.try_get("case_id")?,
        kind: kind_of(row)?,
        state: state_of(row)?,
        reason: row.try_get("reason")?,
        made_by: row.try_get("made_by")?,
        made_at: row.try_get("made_at")?,
        decided_by: row.try_get("decided_by")?,
        decided_at: row.try_get("decided_at")?,
        ended_at: row.try_get("ended_at")?,
        line_count: row.try_get("line_count")?,
        done_count: row.try_get("done_count")?,
        failed_count: row.try_get("failed_count")?,
        asked_coins: coins("asked_coins")?,
        refunded_paid_coins: coins("paid_coins")?,
        refunded_promo_coins: coins("promo_coins")?,
        period,
        money: row.try_get::<Option<Json<RechargeRefunds>>, _>("money")?.map(|Json(money)| money),
        money_error: row.try_get("money_error")?,
        body_hash: row.try_get("body_hash")?,
    })
}

fn decode(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}
