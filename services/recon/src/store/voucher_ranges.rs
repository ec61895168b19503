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

/// One partition of one source.
type Place = (LogName, Partition);

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
SELECT w.source, w.partition, v.voucher_seq, v.rule, v.day, v.from_seq, v.to_seq, v.row_count, v.coins, v.decided_at
FROM unnest($1::text[], $2::smallint[]) AS w (source, partition) CROSS JOIN LATERAL (
    SELECT * FROM {s}.voucher_ranges r WHERE r.partition = w.partition AND r.source = w.source
    ORDER BY r.voucher_seq LIMIT $3) AS v
ORDER BY w.partition, w.source, v.voucher_seq";

/// A voucher that waits, and when it was decided.
pub type Waiting = (VoucherRange, DateTime<Utc>);

/// The oldest vouchers that wait at each of some places, at most `limit` a place.
///
/// # Errors
/// Whatever the database says.
pub async fn list(
    db: &Db,
    places: &[Place],
    limit: i64,
) -> Result<BTreeMap<Place, Vec<Waiting>>, sqlx::Error> {
    let rows = sqlx::query(db.sql(LIST))
        .bind(places.iter().map(|place| place.0.as_str()).collect::<Vec<_>>())
        .bind(places.iter().map(|place| place.1.number()).collect::<Vec<_>>())
        .bind(limit)
        .fetch_all(db.pool())
        .await?;
    let mut listed: BTreeMap<Place, Vec<Waiting>> = BTreeMap::new();
    for row in &rows {
        let range = VoucherRange {
            voucher_seq: row.try_get("voucher_seq")?,
            rule: row.try_get("rule")?,
            day: row.try_get("day")?,
            from_seq: row.try_get("from_seq")?,
            to_seq: row.try_get("to_seq")?,
            row_count: row.try_get("row_count")?,
            coins: row.try_get("coins")?,
        };
        listed.entry(place_of_row(row)?).or_default().push((range, row.try_get("decided_at")?));
    }
    Ok(listed)
}

fn place_of_row(row: &sqlx::postgres::PgRow) -> Result<Place, sqlx::Error> {
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
pub async fn list_covered(db: &Db) -> Result<BTreeMap<Place, Seq>, sqlx::Error> {
    let rows = sqlx::query(db.sql(LIST_COVERED)).fetch_all(db.pool()).await?;
    rows.iter().map(|row| Ok((place_of_row(row)?, row.try_get("covered_seq")?))).collect()
}

const DELETE: &str = "
DELETE FROM {s}.voucher_ranges r
USING unnest($1::text[], $2::smallint[], $3::bigint[]) AS c (source, partition, voucher_seq)
WHERE r.partition = c.partition AND r.source = c.source AND r.voucher_seq <= c.voucher_seq";

const SAVE_COVERED: &str = "
INSERT INTO {s}.voucher_progress AS p (source, partition, covered_seq)
SELECT * FROM unnest($1::text[], $2::smallint[], $3::bigint[])
ON CONFLICT (source, partition) DO UPDATE SET covered_seq = greatest(p.covered_seq, excluded.covered_seq)";

/// How far one place's vouchers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compared {
    pub place: Place,
    /// The last voucher compared; 0 where rows were found without any.
    pub voucher_seq: Seq,
    /// The last row that is covered.
    pub covered_seq: Seq,
}

/// Records how far vouchers are compared, with the breaks found, in one transaction. Returns the breaks that are new.
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
    let sources: Vec<&str> = compared.iter().map(|one| one.place.0.as_str()).collect();
    let partitions: Vec<i16> = compared.iter().map(|one| one.place.1.number()).collect();
    let mut tx = db.begin().await?;
    sqlx::query(db.sql(DELETE))
        .bind(&sources)
        .bind(&partitions)
        .bind(compared.iter().map(|one| one.voucher_seq).collect::<Vec<_>>())
        .execute(&mut *tx)
        .await?;
    sqlx::query(db.sql(SAVE_COVERED))
        .bind(&sources)
        .bind(&partitions)
        .bind(compared.iter().map(|one| one.covered_seq).collect::<Vec<_>>())
        .execute(&mut *tx)
        .await?;
    let new = breaks::insert_in_tx(&mut tx, db, found, severities).await?; // Last: it holds the trail's head.
    tx.commit().await?;
    Ok(new)
}
