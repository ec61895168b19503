//! What closing an accounting period asks: the open breaks of some days, how far minutes are compared, and which days no
//! run has been through.
//!
//! A break is of the day its evidence names, or of its minute, or of the moment it was found.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::digest::Pair;
use contracts::log::minute_of;
use ids::{PARTITION_COUNT, Uuid};
use pg::Db;
use sqlx::Row;

/// Some days, and the instants they begin and end at.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    pub first: NaiveDate,
    pub last: NaiveDate,
    pub begins_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
}

const OPEN: &str = "
SELECT count(*) AS open, count(*) FILTER (WHERE severity = 4) AS critical,
    coalesce((array_agg(break_id ORDER BY break_no) FILTER (WHERE severity = 4))[1:10], '{}') AS named
FROM {s}.breaks b
WHERE state <> 7 AND CASE
    WHEN evidence_day IS NOT NULL THEN evidence_day BETWEEN $1 AND $2
    WHEN minute IS NOT NULL THEN minute >= $3 AND minute < $4
    ELSE detected_at >= $5 AND detected_at < $6 END";

/// Open breaks of some days, the critical ones among them, and the ids of the first ten of those.
///
/// # Errors
/// Whatever the database says.
pub async fn count_open(db: &Db, range: Range) -> Result<(i64, i64, Vec<Uuid>), sqlx::Error> {
    let row = sqlx::query(db.sql(OPEN))
        .bind(range.first.to_string())
        .bind(range.last.to_string())
        .bind(minute_of(range.begins_at))
        .bind(minute_of(range.ends_at))
        .bind(range.begins_at)
        .bind(range.ends_at)
        .fetch_one(db.pool())
        .await?;
    Ok((row.try_get("open")?, row.try_get("critical")?, row.try_get("named")?))
}

/// What a bill brought after a day's run began, that run has not matched. Stripe's payouts are matched with nothing.
const NOT_RUN: &str = "
SELECT d.day::date FROM generate_series($1::date, $2::date, interval '1 day') AS d (day)
WHERE NOT EXISTS (
    SELECT FROM {s}.recon_runs r
    WHERE r.day = d.day::date AND r.state = 3 AND r.requested_at >= coalesce((
        SELECT max(b.imported_at) FROM {s}.bills b
        WHERE b.state = 2 AND b.format <> 'stripe-payouts' AND b.period_from <= d.day::date AND b.period_to >= d.day::date),
        '-infinity'))
ORDER BY 1";

/// Days that no daily run has finished since their last file came in.
///
/// # Errors
/// Whatever the database says.
pub async fn list_not_run(db: &Db, range: Range) -> Result<Vec<NaiveDate>, sqlx::Error> {
    sqlx::query_scalar(db.sql(NOT_RUN)).bind(range.first).bind(range.last).fetch_all(db.pool()).await
}

const COMPARED: &str = "SELECT count(*) AS places, min(before_minute) AS before FROM {s}.progress";

/// Everything before this instant is compared between all pairs in all partitions; `None` until all have been.
///
/// # Errors
/// Whatever the database says.
pub async fn compared_until(db: &Db) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    let row = sqlx::query(db.sql(COMPARED)).fetch_one(db.pool()).await?;
    let (places, before): (i64, Option<i32>) = (row.try_get("places")?, row.try_get("before")?);
    let everywhere = usize::from(PARTITION_COUNT) * Pair::ALL.len();
    let is_whole = usize::try_from(places).is_ok_and(|places| places == everywhere);
    Ok(before.filter(|_| is_whole).and_then(|minute| DateTime::from_timestamp(i64::from(minute) * 60, 0)))
}
