//! Breaks: each fact once, however often it is found.

use crate::domain::break_kind::BreakKind;
use crate::domain::break_state::BreakState;
use chrono::{DateTime, Utc};
use contracts::log::Minute;
use ids::{BreakId, OrderId, Partition, Uuid, named_id};
use pg::Db;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, Row};
use utoipa::ToSchema;

/// A difference to be recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct NewBreak {
    /// What exactly differs: the same at every run.
    pub fact_key: String,
    pub kind: BreakKind,
    /// The pair, or the source of the vouchers.
    pub logs: String,
    pub partition: Partition,
    pub minute: Option<Minute>,
    pub order_id: Option<OrderId>,
    pub coins: i64,
    pub evidence: serde_json::Value,
}

const INSERT: &str = "
INSERT INTO {s}.breaks (break_id, fact_key, kind, logs, partition, minute, order_id, coins, evidence)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::smallint[], $6::integer[], $7::uuid[],
    $8::bigint[], $9::jsonb[])
ON CONFLICT (fact_key) DO NOTHING
RETURNING kind";

/// Records differences; returns the kinds of those that are new.
///
/// # Errors
/// Whatever the database says.
pub async fn insert_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    breaks: &[NewBreak],
) -> Result<Vec<BreakKind>, sqlx::Error> {
    if breaks.is_empty() {
        return Ok(Vec::new());
    }
    let kinds: Vec<String> = sqlx::query_scalar(db.sql(INSERT))
        .bind(breaks.iter().map(|found| named_id("break", &found.fact_key)).collect::<Vec<_>>())
        .bind(breaks.iter().map(|found| found.fact_key.as_str()).collect::<Vec<_>>())
        .bind(breaks.iter().map(|found| found.kind.as_str()).collect::<Vec<_>>())
        .bind(breaks.iter().map(|found| found.logs.as_str()).collect::<Vec<_>>())
        .bind(breaks.iter().map(|found| found.partition.number()).collect::<Vec<_>>())
        .bind(breaks.iter().map(|found| found.minute).collect::<Vec<_>>())
        .bind(breaks.iter().map(|found| found.order_id.map(OrderId::uuid)).collect::<Vec<_>>())
        .bind(breaks.iter().map(|found| found.coins).collect::<Vec<_>>())
        .bind(breaks.iter().map(|found| found.evidence.clone()).collect::<Vec<_>>())
        .fetch_all(tx)
        .await?;
    Ok(kinds.iter().filter_map(|kind| kind_named(kind)).collect())
}

fn kind_named(name: &str) -> Option<BreakKind> {
    serde_json::from_value(serde_json::Value::String(name.to_owned())).ok()
}

/// A difference found by reconciliation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BreakView {
    pub break_id: BreakId,
    /// Where it stands in the list; pass the last one as `before` for the next page.
    pub break_no: i64,
    pub kind: BreakKind,
    pub state: BreakState,
    /// The two logs compared, or the log whose vouchers were.
    pub logs: String,
    pub partition: Partition,
    /// The Unix minute of the rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minute: Option<Minute>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
    /// Coins in question.
    pub coins: i64,
    /// What each side says.
    #[schema(value_type = Object)]
    pub evidence: serde_json::Value,
    pub detected_at: DateTime<Utc>,
}

const LIST: &str = "
SELECT break_no, break_id, kind, logs, partition, minute, order_id, coins, state, evidence, detected_at
FROM {s}.breaks WHERE ($1::bigint IS NULL OR break_no < $1) AND ($2::smallint IS NULL OR state = $2)
ORDER BY break_no DESC LIMIT $3";

/// Breaks, newest first.
///
/// # Errors
/// Whatever the database says.
pub async fn list(
    db: &Db,
    before: Option<i64>,
    state: Option<BreakState>,
    limit: i64,
) -> Result<Vec<BreakView>, sqlx::Error> {
    let reading = db.reading();
    let list = sqlx::query(reading.sql(LIST)).bind(before).bind(state.map(BreakState::code)).bind(limit);
    let rows = reading.fetch_all(list).await?;
    rows.iter().map(break_of_row).collect()
}

fn break_of_row(row: &sqlx::postgres::PgRow) -> Result<BreakView, sqlx::Error> {
    let partition: i16 = row.try_get("partition")?;
    Ok(BreakView {
        break_id: BreakId::from_uuid(row.try_get("break_id")?),
        break_no: row.try_get("break_no")?,
        kind: kind_named(&row.try_get::<String, _>("kind")?).ok_or(sqlx::Error::RowNotFound)?,
        state: BreakState::of_code(row.try_get("state")?).ok_or(sqlx::Error::RowNotFound)?,
        logs: row.try_get("logs")?,
        partition: Partition::try_from(partition).map_err(|e| sqlx::Error::Decode(e.into()))?,
        minute: row.try_get("minute")?,
        order_id: row.try_get::<Option<Uuid>, _>("order_id")?.map(OrderId::from_uuid),
        coins: row.try_get("coins")?,
        evidence: row.try_get("evidence")?,
        detected_at: row.try_get("detected_at")?,
    })
}

const COUNT_NOT_CLOSED: &str = "SELECT count(*) FROM {s}.breaks WHERE state <> 7";

/// How many breaks are not closed.
///
/// # Errors
/// Whatever the database says.
pub async fn count_not_closed(db: &Db) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(db.sql(COUNT_NOT_CLOSED)).fetch_one(db.pool()).await
}
