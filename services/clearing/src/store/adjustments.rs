//! Adjusting vouchers, asked for once and posted once.

use chrono::NaiveDate;
use contracts::log::Seq;
use contracts::owner::{Adjust, Adjusted};
use contracts::voucher::Posting;
use ids::{Partition, RequestId};
use pg::Db;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

/// One to be posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    pub request_id: RequestId,
    pub adjustment_no: Seq,
    pub partition: Partition,
    pub rule: String,
    pub day: NaiveDate,
    pub postings: Vec<Posting>,
}

/// One as it stands: the hash of what was asked for, and the voucher once there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    pub body_hash: i64,
    pub posted: Option<Adjusted>,
}

const INSERT: &str = "
INSERT INTO {s}.adjustments (request_id, body_hash, partition, break_id, rule, day, maker_id, checker_id, reason,
    accounts, debits, credits)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (request_id) DO NOTHING";

/// Keeps what is to be posted, unless it is known.
///
/// # Errors
/// Whatever the database says: it refuses one person for two, and what does not sum to zero.
pub async fn insert_if_new(
    db: &Db,
    ask: &Adjust,
    (body_hash, partition): (i64, Partition),
) -> Result<(), sqlx::Error> {
    sqlx::query(db.sql(INSERT))
        .bind(ask.request_id.uuid())
        .bind(body_hash)
        .bind(partition.number())
        .bind(ask.break_id.uuid())
        .bind(ask.purpose.rule())
        .bind(ask.day)
        .bind(ask.maker_id)
        .bind(ask.checker_id)
        .bind(&ask.reason)
        .bind(ask.lines.iter().map(|line| line.account.as_str()).collect::<Vec<_>>())
        .bind(ask.lines.iter().map(|line| line.debit.get()).collect::<Vec<_>>())
        .bind(ask.lines.iter().map(|line| line.credit.get()).collect::<Vec<_>>())
        .execute(db.pool())
        .await?;
    Ok(())
}

/// One by its request.
///
/// # Errors
/// Whatever the database says.
pub async fn find(db: &Db, request_id: RequestId) -> Result<Option<Known>, sqlx::Error> {
    let find = "SELECT * FROM {s}.adjustments WHERE request_id = $1";
    let row = sqlx::query(db.sql(find)).bind(request_id.uuid()).fetch_optional(db.pool()).await?;
    let Some(row) = row else { return Ok(None) };
    let (seq, day): (Option<Seq>, Option<NaiveDate>) =
        (row.try_get("voucher_seq")?, row.try_get("posted_day")?);
    let partition = partition_of(&row)?;
    let posted = seq.zip(day).map(|(voucher_seq, posted_day)| Adjusted {
        request_id,
        partition,
        voucher_seq,
        posted_day,
    });
    Ok(Some(Known { body_hash: row.try_get("body_hash")?, posted }))
}

const ANY_DUE: &str =
    "SELECT EXISTS (SELECT FROM {s}.adjustments WHERE voucher_seq IS NULL AND partition = ANY($1))";

/// Whether anything is to be posted in some partitions.
///
/// # Errors
/// Whatever the database says.
pub async fn is_any_due(db: &Db, partitions: &[Partition]) -> Result<bool, sqlx::Error> {
    let numbers: Vec<i16> = partitions.iter().map(|partition| partition.number()).collect();
    sqlx::query_scalar(db.sql(ANY_DUE)).bind(numbers).fetch_one(db.pool()).await
}

const LIST_DUE: &str = "
SELECT * FROM {s}.adjustments WHERE voucher_seq IS NULL AND partition = ANY($1) ORDER BY adjustment_no LIMIT $2";

/// What is to be posted in some partitions, in the order in which it was asked for.
///
/// # Errors
/// Whatever the database says.
pub async fn list_due_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    partitions: &[Partition],
    limit: i64,
) -> Result<Vec<Due>, sqlx::Error> {
    let numbers: Vec<i16> = partitions.iter().map(|partition| partition.number()).collect();
    let rows = sqlx::query(db.sql(LIST_DUE)).bind(numbers).bind(limit).fetch_all(tx).await?;
    rows.iter().map(due_of_row).collect()
}

const END: &str = "
UPDATE {s}.adjustments a SET voucher_seq = e.voucher_seq, posted_day = e.posted_day
FROM unnest($1::uuid[], $2::bigint[], $3::date[]) AS e (request_id, voucher_seq, posted_day)
WHERE a.request_id = e.request_id AND a.voucher_seq IS NULL";

/// Keeps which voucher each became, in the transaction that appends them.
///
/// # Errors
/// Whatever the database says.
pub async fn end_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    posted: &[(RequestId, Seq, NaiveDate)],
) -> Result<(), sqlx::Error> {
    sqlx::query(db.sql(END))
        .bind(posted.iter().map(|(request_id, _, _)| request_id.uuid()).collect::<Vec<_>>())
        .bind(posted.iter().map(|(_, seq, _)| *seq).collect::<Vec<_>>())
        .bind(posted.iter().map(|(_, _, day)| *day).collect::<Vec<_>>())
        .execute(tx)
        .await?;
    Ok(())
}

fn partition_of(row: &PgRow) -> Result<Partition, sqlx::Error> {
    Partition::try_from(row.try_get::<i16, _>("partition")?).map_err(|e| sqlx::Error::Decode(e.into()))
}

fn due_of_row(row: &PgRow) -> Result<Due, sqlx::Error> {
    Ok(Due {
        request_id: RequestId::from_uuid(row.try_get("request_id")?),
        adjustment_no: row.try_get("adjustment_no")?,
        partition: partition_of(row)?,
        rule: row.try_get("rule")?,
        day: row.try_get("day")?,
        postings: super::vouchers::postings_of_row(row)?,
    })
}
