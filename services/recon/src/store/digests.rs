//! Digests by pair, side, partition and minute: folded in with the offset, read back to be compared.

use crate::domain::saying::Side;
use contracts::digest::{Digest, Pair};
use contracts::log::{Minute, Seq};
use ids::Partition;
use pg::Db;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use std::collections::BTreeMap;

/// One digest's place. The side is the reader's own.
pub type Place = (Pair, Partition, Minute);

/// A digest and the rows it was folded from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fold {
    pub digest: Digest,
    pub first_seq: Seq,
    pub last_seq: Seq,
}

impl Fold {
    /// Adds more of the same minute.
    pub fn merge(&mut self, other: &Fold) {
        self.digest.merge(&other.digest);
        self.first_seq = self.first_seq.min(other.first_seq);
        self.last_seq = self.last_seq.max(other.last_seq);
    }
}

const FIND: &str = "
SELECT d.pair, d.partition, d.minute, d.row_count, d.coins, d.hash_high, d.hash_low, d.first_seq, d.last_seq
FROM unnest($2::smallint[], $3::smallint[], $4::integer[]) AS w (pair, partition, minute)
JOIN {s}.digests d ON d.pair = w.pair AND d.partition = w.partition AND d.minute = w.minute AND d.side = $1";

const SAVE: &str = "
INSERT INTO {s}.digests AS d
    (side, pair, partition, minute, row_count, coins, hash_high, hash_low, first_seq, last_seq)
SELECT w.* FROM unnest($1::smallint[], $2::smallint[], $3::smallint[], $4::integer[], $5::bigint[], $6::bigint[],
    $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[]) AS w
ON CONFLICT (pair, partition, minute, side) DO UPDATE SET
    row_count = excluded.row_count, coins = excluded.coins, hash_high = excluded.hash_high,
    hash_low = excluded.hash_low, first_seq = excluded.first_seq, last_seq = excluded.last_seq";

/// Folds new rows into the digests of one side. Only the reader that just moved its offset in this transaction
/// writes these rows, so what is read here cannot change before it is saved.
///
/// # Errors
/// Whatever the database says.
pub async fn add_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    side_of: impl Fn(Pair) -> Side,
    mut folds: BTreeMap<Place, Fold>,
) -> Result<(), sqlx::Error> {
    for side in [Side::Before, Side::After] {
        let places: Vec<Place> = folds.keys().copied().filter(|place| side_of(place.0) == side).collect();
        if places.is_empty() {
            continue;
        }
        let rows = sqlx::query(db.sql(FIND))
            .bind(side.code())
            .bind(places.iter().map(|place| place.0.code()).collect::<Vec<_>>())
            .bind(places.iter().map(|place| place.1.number()).collect::<Vec<_>>())
            .bind(places.iter().map(|place| place.2).collect::<Vec<_>>())
            .fetch_all(&mut *tx)
            .await?;
        for row in &rows {
            let (place, known) = fold_of_row(row)?;
            if let Some(fold) = folds.get_mut(&place) {
                fold.merge(&known);
            }
        }
    }
    if folds.is_empty() {
        return Ok(());
    }
    let longs = |of: fn(&Fold) -> i64| folds.values().map(of).collect::<Vec<_>>();
    sqlx::query(db.sql(SAVE))
        .bind(folds.keys().map(|place| side_of(place.0).code()).collect::<Vec<_>>())
        .bind(folds.keys().map(|place| place.0.code()).collect::<Vec<_>>())
        .bind(folds.keys().map(|place| place.1.number()).collect::<Vec<_>>())
        .bind(folds.keys().map(|place| place.2).collect::<Vec<_>>())
        .bind(longs(|fold| fold.digest.row_count))
        .bind(longs(|fold| fold.digest.coins))
        .bind(longs(|fold| fold.digest.hash_high))
        .bind(longs(|fold| fold.digest.hash_low))
        .bind(longs(|fold| fold.first_seq))
        .bind(longs(|fold| fold.last_seq))
        .execute(tx)
        .await?;
    Ok(())
}

const LIST: &str = "
SELECT pair, partition, minute, side, row_count, coins, hash_high, hash_low, first_seq, last_seq
FROM {s}.digests WHERE pair = $1 AND partition = $2 AND minute >= $3 AND minute < $4
ORDER BY minute, side LIMIT $5";

/// Both sides of the minutes in `[from, before)` of one partition, at most `limit` digests, in order.
///
/// # Errors
/// Whatever the database says.
pub async fn list(
    db: &Db,
    (pair, partition): (Pair, Partition),
    (from, before): (Minute, Minute),
    limit: i64,
) -> Result<Vec<(Minute, Side, Fold)>, sqlx::Error> {
    let rows = sqlx::query(db.sql(LIST))
        .bind(pair.code())
        .bind(partition.number())
        .bind(from)
        .bind(before)
        .bind(limit)
        .fetch_all(db.pool())
        .await?;
    let with_side = |row: &PgRow| {
        let side =
            if row.try_get::<i16, _>("side")? == Side::Before.code() { Side::Before } else { Side::After };
        let (place, fold) = fold_of_row(row)?;
        Ok((place.2, side, fold))
    };
    rows.iter().map(with_side).collect()
}

const PRUNE: &str = "
DELETE FROM {s}.digests d USING {s}.progress p
WHERE p.pair = d.pair AND p.partition = d.partition AND d.minute < least(p.before_minute, $1)";

const PRUNE_MINUTES: &str = "DELETE FROM {s}.minutes WHERE minute < $1";

/// Deletes digests of compared minutes before `minute`.
///
/// # Errors
/// Whatever the database says; the next call deletes them.
pub async fn prune(db: &Db, minute: Minute) -> Result<(), sqlx::Error> {
    sqlx::query(db.sql(PRUNE)).bind(minute).execute(db.pool()).await?;
    sqlx::query(db.sql(PRUNE_MINUTES)).bind(minute).execute(db.pool()).await?;
    Ok(())
}

fn fold_of_row(row: &PgRow) -> Result<(Place, Fold), sqlx::Error> {
    let code: i16 = row.try_get("pair")?;
    let pair = Pair::ALL.into_iter().find(|pair| pair.code() == code).ok_or(sqlx::Error::RowNotFound)?;
    let number: i16 = row.try_get("partition")?;
    let partition = Partition::try_from(number).map_err(|e| sqlx::Error::Decode(e.into()))?;
    let digest = Digest {
        row_count: row.try_get("row_count")?,
        coins: row.try_get("coins")?,
        hash_high: row.try_get("hash_high")?,
        hash_low: row.try_get("hash_low")?,
    };
    let fold = Fold { digest, first_seq: row.try_get("first_seq")?, last_seq: row.try_get("last_seq")? };
    Ok(((pair, partition, row.try_get("minute")?), fold))
}
