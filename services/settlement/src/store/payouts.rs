//! The log `settlement.payouts`, and the moves that wait to get into it.

use crate::store::unknown_code;
use chrono::{DateTime, Utc};
use contracts::log::{AccountingZone, Seq, Stamp};
use contracts::payout::{PayeeClass, PayeeMove, Payout, PayoutKind};
use ids::Partition;
use pg::Db;
use seqlog::{Insert, LogTable};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

/// The table of the log.
#[derive(Clone, Copy, Debug, Default)]
pub struct PayoutsTable;

const INSERT: &str = "
INSERT INTO {s}.payouts (partition, seq, epoch, decided_at, minute, day, origin_seq, kind, payee_kind, payee_id,
    payee_seq, released_minor, available_minor, requested_minor, in_flight_minor, paid_minor, withheld_minor,
    receivable_minor, reference)
SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::timestamptz[], $5::integer[], $6::date[],
    $7::bigint[], $8::smallint[], $9::smallint[], $10::uuid[], $11::bigint[], $12::bigint[], $13::bigint[],
    $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::text[])";

const READ_AFTER: &str = "
SELECT * FROM {s}.payouts WHERE partition = $1 AND seq > $2 ORDER BY seq LIMIT $3";

impl LogTable for PayoutsTable {
    type Row = Payout;

    fn insert(&self, db: &Db, rows: &[Payout]) -> Result<Insert, sqlx::Error> {
        fn column<T>(rows: &[Payout], of: impl Fn(&Payout) -> T) -> Vec<T> {
            rows.iter().map(of).collect()
        }
        let query = sqlx::query(db.sql(INSERT))
            .bind(column(rows, |row| row.stamp.partition.number()))
            .bind(column(rows, |row| row.stamp.seq))
            .bind(column(rows, |row| row.stamp.epoch))
            .bind(column(rows, |row| row.stamp.decided_at))
            .bind(column(rows, |row| row.stamp.minute))
            .bind(column(rows, |row| row.stamp.day))
            .bind(column(rows, |row| row.stamp.origin_seq))
            .bind(column(rows, |row| row.kind.code()))
            .bind(column(rows, |row| row.payee.code()))
            .bind(column(rows, |row| row.payee_id))
            .bind(column(rows, |row| row.payee_seq))
            .bind(column(rows, |row| row.moved.released_minor))
            .bind(column(rows, |row| row.moved.available_minor))
            .bind(column(rows, |row| row.moved.requested_minor))
            .bind(column(rows, |row| row.moved.in_flight_minor))
            .bind(column(rows, |row| row.moved.paid_minor))
            .bind(column(rows, |row| row.moved.withheld_minor))
            .bind(column(rows, |row| row.moved.receivable_minor))
            .bind(column(rows, |row| row.reference.clone()));
        Ok(query)
    }

    async fn read_after(
        &self,
        db: &Db,
        partition: Partition,
        after: Seq,
        limit: i64,
    ) -> Result<Vec<Payout>, sqlx::Error> {
        let rows = sqlx::query(db.sql(READ_AFTER))
            .bind(partition.number())
            .bind(after)
            .bind(limit)
            .fetch_all(db.pool())
            .await?;
        rows.iter()
            .map(|row| {
                let stamp = Stamp {
                    partition: partition_of_row(row)?,
                    seq: row.try_get("seq")?,
                    epoch: row.try_get("epoch")?,
                    decided_at: row.try_get("decided_at")?,
                    minute: row.try_get("minute")?,
                    day: row.try_get("day")?,
                    origin_seq: row.try_get("origin_seq")?,
                };
                payout_of_row(row, stamp)
            })
            .collect()
    }
}

const TAKE_DUE: &str = "
WITH due AS (
    SELECT move_no FROM {s}.moves_due WHERE partition = ANY($1) ORDER BY move_no LIMIT $2
), taken AS (
    DELETE FROM {s}.moves_due m USING due WHERE m.move_no = due.move_no RETURNING m.*
)
SELECT * FROM taken ORDER BY move_no";

const ANY_DUE: &str = "SELECT EXISTS (SELECT FROM {s}.moves_due WHERE partition = ANY($1))";

/// Whether moves of some partitions wait.
pub(crate) async fn is_any_due(db: &Db, partitions: &[Partition]) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(db.sql(ANY_DUE)).bind(numbers(partitions)).fetch_one(db.pool()).await
}

/// Takes waiting moves of some partitions, oldest first, as rows of the log decided at each partition's `now`.
pub(crate) async fn take_due_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    partitions: &[Partition],
    limit: i64,
    (now, zone): (impl Fn(Partition) -> DateTime<Utc>, AccountingZone),
) -> Result<Vec<Payout>, sqlx::Error> {
    let rows = sqlx::query(db.sql(TAKE_DUE)).bind(numbers(partitions)).bind(limit).fetch_all(tx).await?;
    rows.iter()
        .map(|row| {
            let partition = partition_of_row(row)?;
            payout_of_row(row, Stamp::original(partition, now(partition), zone))
        })
        .collect()
}

fn numbers(partitions: &[Partition]) -> Vec<i16> {
    partitions.iter().map(|partition| partition.number()).collect()
}

fn partition_of_row(row: &PgRow) -> Result<Partition, sqlx::Error> {
    Partition::try_from(row.try_get::<i16, _>("partition")?).map_err(|error| unknown_code("partition", error))
}

fn payout_of_row(row: &PgRow, stamp: Stamp) -> Result<Payout, sqlx::Error> {
    let kind: i16 = row.try_get("kind")?;
    Ok(Payout {
        stamp,
        kind: PayoutKind::of_code(kind).ok_or_else(|| unknown_code("kind", kind))?,
        payee: class_of_row(row)?,
        payee_id: row.try_get("payee_id")?,
        payee_seq: row.try_get("payee_seq")?,
        moved: PayeeMove {
            released_minor: row.try_get("released_minor")?,
            available_minor: row.try_get("available_minor")?,
            requested_minor: row.try_get("requested_minor")?,
            in_flight_minor: row.try_get("in_flight_minor")?,
            paid_minor: row.try_get("paid_minor")?,
            withheld_minor: row.try_get("withheld_minor")?,
            receivable_minor: row.try_get("receivable_minor")?,
        },
        reference: row.try_get("reference")?,
    })
}

/// The class of a row's `payee_kind`.
pub(crate) fn class_of_row(row: &PgRow) -> Result<PayeeClass, sqlx::Error> {
    let code: i16 = row.try_get("payee_kind")?;
    PayeeClass::of_code(code).ok_or_else(|| unknown_code("payee_kind", code))
}
