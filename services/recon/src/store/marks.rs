//! How far logs are read and minutes compared.

use crate::domain::break_kind::BreakKind;
use crate::domain::severity::Severities;
use crate::store::breaks::{self, NewBreak};
use chrono::{DateTime, Utc};
use contracts::digest::Pair;
use contracts::log::{LogName, Minute};
use ids::Partition;
use pg::Db;
use sqlx::Row;
use std::collections::BTreeMap;

const SAVE_CLOSED: &str = "
INSERT INTO {s}.closed_logs AS c (log, partition, closed_until)
SELECT * FROM unnest($1::text[], $2::smallint[], $3::timestamptz[])
ON CONFLICT (log, partition) DO UPDATE SET closed_until = greatest(c.closed_until, excluded.closed_until)";

/// Saves up to when logs are read whole.
///
/// # Errors
/// Whatever the database says.
pub async fn save_closed(
    db: &Db,
    closed: &BTreeMap<(LogName, Partition), DateTime<Utc>>,
) -> Result<(), sqlx::Error> {
    if closed.is_empty() {
        return Ok(());
    }
    sqlx::query(db.sql(SAVE_CLOSED))
        .bind(closed.keys().map(|key| key.0.as_str()).collect::<Vec<_>>())
        .bind(closed.keys().map(|key| key.1.number()).collect::<Vec<_>>())
        .bind(closed.values().copied().collect::<Vec<_>>())
        .execute(db.pool())
        .await?;
    Ok(())
}

const LIST_CLOSED: &str = "SELECT log, partition, closed_until FROM {s}.closed_logs";

/// Up to when logs were read whole when this service last ran.
///
/// # Errors
/// Whatever the database says.
pub async fn list_closed(db: &Db) -> Result<BTreeMap<(LogName, Partition), DateTime<Utc>>, sqlx::Error> {
    let rows = sqlx::query(db.sql(LIST_CLOSED)).fetch_all(db.pool()).await?;
    let one = |row: &sqlx::postgres::PgRow| {
        let log: LogName =
            row.try_get::<String, _>("log")?.parse().map_err(|e| sqlx::Error::Decode(Box::new(e)))?;
        Ok(((log, partition_of_row(row)?), row.try_get("closed_until")?))
    };
    rows.iter().map(one).collect()
}

fn partition_of_row(row: &sqlx::postgres::PgRow) -> Result<Partition, sqlx::Error> {
    Partition::try_from(row.try_get::<i16, _>("partition")?).map_err(|e| sqlx::Error::Decode(e.into()))
}

const LIST_PROGRESS: &str = "SELECT pair, partition, before_minute FROM {s}.progress";

/// Up to which minute (exclusive) each pair's partitions are compared.
///
/// # Errors
/// Whatever the database says.
pub async fn list_progress(db: &Db) -> Result<BTreeMap<(Pair, Partition), Minute>, sqlx::Error> {
    let rows = sqlx::query(db.sql(LIST_PROGRESS)).fetch_all(db.pool()).await?;
    let mut progress = BTreeMap::new();
    for row in &rows {
        let code: i16 = row.try_get("pair")?;
        if let Some(pair) = Pair::ALL.into_iter().find(|pair| pair.code() == code) {
            progress.insert((pair, partition_of_row(row)?), row.try_get("before_minute")?);
        }
    }
    Ok(progress)
}

/// How a minute came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Equal,
    Different,
}

const SAVE_MINUTES: &str = "
INSERT INTO {s}.minutes (pair, partition, minute, outcome)
SELECT * FROM unnest($1::smallint[], $2::smallint[], $3::integer[], $4::smallint[])
ON CONFLICT (pair, partition, minute) DO NOTHING";

const SAVE_PROGRESS: &str = "
INSERT INTO {s}.progress AS p (pair, partition, before_minute)
SELECT * FROM unnest($1::smallint[], $2::smallint[], $3::integer[])
ON CONFLICT (pair, partition) DO UPDATE SET before_minute = greatest(p.before_minute, excluded.before_minute)";

/// How far one partition of a pair is compared, and how its minutes that had rows came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    pub place: (Pair, Partition),
    pub minutes: BTreeMap<Minute, Outcome>,
    /// Every minute before this one is compared.
    pub before: Minute,
}

/// Records compared minutes, their breaks, and the progress, in one transaction. Returns the breaks that are
/// new.
///
/// # Errors
/// Whatever the database says; nothing is recorded then.
pub async fn record_compared(
    db: &Db,
    compared: &[Compared],
    (found, severities): (&[NewBreak], &Severities),
) -> Result<Vec<BreakKind>, sqlx::Error> {
    if compared.is_empty() {
        return Ok(Vec::new());
    }
    let rows = || compared.iter().flat_map(|one| one.minutes.iter().map(|of_minute| (one.place, of_minute)));
    let code = |outcome: &Outcome| match outcome {
        Outcome::Equal => 1_i16,
        Outcome::Different => 2,
    };
    let mut tx = db.begin().await?;
    if rows().next().is_some() {
        sqlx::query(db.sql(SAVE_MINUTES))
            .bind(rows().map(|(place, _)| place.0.code()).collect::<Vec<_>>())
            .bind(rows().map(|(place, _)| place.1.number()).collect::<Vec<_>>())
            .bind(rows().map(|(_, (minute, _))| *minute).collect::<Vec<_>>())
            .bind(rows().map(|(_, (_, outcome))| code(outcome)).collect::<Vec<_>>())
            .execute(&mut *tx)
            .await?;
    }
    sqlx::query(db.sql(SAVE_PROGRESS))
        .bind(compared.iter().map(|one| one.place.0.code()).collect::<Vec<_>>())
        .bind(compared.iter().map(|one| one.place.1.number()).collect::<Vec<_>>())
        .bind(compared.iter().map(|one| one.before).collect::<Vec<_>>())
        .execute(&mut *tx)
        .await?;
    let new = breaks::insert_in_tx(&mut tx, db, found, severities).await?; // Last: it holds the trail's head.
    tx.commit().await?;
    Ok(new)
}
