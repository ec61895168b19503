//! Vouchers waiting to be compared with the rows of their ranges, and how far that has come.

use crate::domain::break_kind::BreakKind;
use crate::domain::severity::Severities;
use crate::domain::voucher_check::VoucherRange;
use crate::store::breaks::{self, NewBreak};
use chrono::{DateTime, Utc};
use contracts::log::{LogName, Seq};
use contracts::voucher::Voucher;
use ids::Partition;
use pg::Db;
use sqlx::{PgConnection, Row};
use std::collections::BTreeMap;

const INSERT: &str = "
INSERT INTO {s}.voucher_ranges
    (partition, voucher_seq, source, rule, day, from_seq, to_seq, row_count, coins, decided_at)
SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::text[], $4::text[], $5::date[], $6::bigint[],
    $7::bigint[], $8::bigint[], $9::bigint[], $10::timestamptz[])";

/// Keeps vouchers to be compared.
///
/// # Errors
/// Whatever the database says.
pub async fn insert_in_tx(tx: &mut PgConnection, db: &Db, vouchers: &[&Voucher]) -> Result<(), sqlx::Error> {
    if vouchers.is_empty() {
        return Ok(());
    }
    let longs = |of: fn(&Voucher) -> i64| vouchers.iter().map(|voucher| of(voucher)).collect::<Vec<_>>();
    sqlx::query(db.sql(INSERT))
        .bind(vouchers.iter().map(|voucher| voucher.stamp.partition.number()).collect::<Vec<_>>())
        .bind(longs(|voucher| voucher.stamp.seq))
        .bind(vouchers.iter().map(|voucher| voucher.source.as_str()).collect::<Vec<_>>())
        .bind(vouchers.iter().map(|voucher| voucher.rule.as_str()).collect::<Vec<_>>())
        .bind(vouchers.iter().map(|voucher| voucher.stamp.day).collect::<Vec<_>>())
        .bind(longs(|voucher| voucher.from_seq))
        .bind(longs(|voucher| voucher.to_seq))
        .bind(longs(|voucher| voucher.row_count))
        .bind(longs(|voucher| voucher.coins))
        .bind(vouchers.iter().map(|voucher| voucher.stamp.decided_at).collect::<Vec<_>>())
        .execute(tx)
        .await?;
    Ok(())
}

const LIST: &str = "
SELECT voucher_seq, rule, day, from_seq, to_seq, row_count, coins, decided_at
FROM {s}.voucher_ranges WHERE partition = $1 AND source = $2 ORDER BY voucher_seq LIMIT $3";

/// The oldest vouchers of one source and partition that wait, each with when it was decided.
///
/// # Errors
/// Whatever the database says.
pub async fn list(
    db: &Db,
    (source, partition): (LogName, Partition),
    limit: i64,
) -> Result<Vec<(VoucherRange, DateTime<Utc>)>, sqlx::Error> {
    let rows = sqlx::query(db.sql(LIST))
        .bind(partition.number())
        .bind(source.as_str())
        .bind(limit)
        .fetch_all(db.pool())
        .await?;
    let one = |row: &sqlx::postgres::PgRow| {
        let range = VoucherRange {
            voucher_seq: row.try_get("voucher_seq")?,
            rule: row.try_get("rule")?,
            day: row.try_get("day")?,
            from_seq: row.try_get("from_seq")?,
            to_seq: row.try_get("to_seq")?,
            row_count: row.try_get("row_count")?,
            coins: row.try_get("coins")?,
        };
        Ok((range, row.try_get("decided_at")?))
    };
    rows.iter().map(one).collect()
}

const LIST_WAITING: &str = "SELECT DISTINCT source, partition FROM {s}.voucher_ranges";

/// Where vouchers wait.
///
/// # Errors
/// Whatever the database says.
pub async fn list_waiting(db: &Db) -> Result<Vec<(LogName, Partition)>, sqlx::Error> {
    let rows = sqlx::query(db.sql(LIST_WAITING)).fetch_all(db.pool()).await?;
    rows.iter().map(place_of_row).collect()
}

fn place_of_row(row: &sqlx::postgres::PgRow) -> Result<(LogName, Partition), sqlx::Error> {
    let source: LogName =
        row.try_get::<String, _>("source")?.parse().map_err(|e| sqlx::Error::Decode(Box::new(e)))?;
    let partition: i16 = row.try_get("partition")?;
    Ok((source, Partition::try_from(partition).map_err(|e| sqlx::Error::Decode(e.into()))?))
}

const LIST_COVERED: &str = "SELECT source, partition, covered_seq FROM {s}.voucher_progress";

/// Up to which seq vouchers are compared.
///
/// # Errors
/// Whatever the database says.
pub async fn list_covered(db: &Db) -> Result<BTreeMap<(LogName, Partition), Seq>, sqlx::Error> {
    let rows = sqlx::query(db.sql(LIST_COVERED)).fetch_all(db.pool()).await?;
    rows.iter().map(|row| Ok((place_of_row(row)?, row.try_get("covered_seq")?))).collect()
}

const DELETE: &str = "
DELETE FROM {s}.voucher_ranges WHERE partition = $1 AND source = $2 AND voucher_seq <= $3";

const SAVE_COVERED: &str = "
INSERT INTO {s}.voucher_progress AS p (source, partition, covered_seq) VALUES ($1, $2, $3)
ON CONFLICT (source, partition) DO UPDATE SET covered_seq = greatest(p.covered_seq, $3)";

/// Records that one place's vouchers up to `voucher_seq` are compared, covering rows up to `covered_seq`, with
/// the breaks found, in one transaction. Returns the breaks that are new.
///
/// # Errors
/// Whatever the database says; nothing is recorded then.
pub async fn record_compared(
    db: &Db,
    (source, partition): (LogName, Partition),
    (voucher_seq, covered_seq): (Seq, Seq),
    (found, severities): (&[NewBreak], &Severities),
) -> Result<Vec<BreakKind>, sqlx::Error> {
    let mut tx = db.begin().await?;
    sqlx::query(db.sql(DELETE))
        .bind(partition.number())
        .bind(source.as_str())
        .bind(voucher_seq)
        .execute(&mut *tx)
        .await?;
    sqlx::query(db.sql(SAVE_COVERED))
        .bind(source.as_str())
        .bind(partition.number())
        .bind(covered_seq)
        .execute(&mut *tx)
        .await?;
    let new = breaks::insert_in_tx(&mut tx, db, found, severities).await?; // Last: it holds the trail's head.
    tx.commit().await?;
    Ok(new)
}
