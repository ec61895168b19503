//! Vouchers that reconciliation asks for: asked for once and posted once.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::log::Seq;
use contracts::owner::Adjusted;
use contracts::voucher::Posting;
use ids::{BreakId, Partition, RequestId, Uuid};
use pg::{Db, ReadDb};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use utoipa::ToSchema;

/// By whose word a voucher is posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Two people agreed on it, about a break.
    People { break_id: BreakId, maker_id: Uuid, checker_id: Uuid },
    /// A match of payments with a bank's statement, by rules that people agreed on.
    Match(Uuid),
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct New<'a> {
    pub request_id: RequestId,
    pub body_hash: i64,
    pub rule: &'static str,
    pub by: By,
    pub day: NaiveDate,
    pub reason: &'a str,
    pub lines: &'a [Posting],
}

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
INSERT INTO {s}.adjustments (request_id, body_hash, partition, break_id, match_id, rule, day, maker_id, checker_id, reason,
    accounts, debits, credits)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (request_id) DO NOTHING";

/// Keeps what is to be posted, unless it is known.
///
/// # Errors
/// Whatever the database says: it refuses one person for two, and what does not sum to zero.
pub async fn insert_if_new(db: &Db, new: &New<'_>) -> Result<(), sqlx::Error> {
    let (found, matched, maker, checker) = match new.by {
        By::People { break_id, maker_id, checker_id } => {
            (Some(break_id.uuid()), None, Some(maker_id), Some(checker_id))
        }
        By::Match(match_id) => (None, Some(match_id), None, None),
    };
    sqlx::query(db.sql(INSERT))
        .bind(new.request_id.uuid())
        .bind(new.body_hash)
        .bind(ids::partition_of(new.request_id.uuid()).number())
        .bind(found)
        .bind(matched)
        .bind(new.rule)
        .bind(new.day)
        .bind(maker)
        .bind(checker)
        .bind(new.reason)
        .bind(new.lines.iter().map(|line| line.account.as_str()).collect::<Vec<_>>())
        .bind(new.lines.iter().map(|line| line.debit.get()).collect::<Vec<_>>())
        .bind(new.lines.iter().map(|line| line.credit.get()).collect::<Vec<_>>())
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

/// Why a voucher was posted that no row of a log stands behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AskedView {
    pub reason: String,
    /// The break that two people agreed about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maker_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checker_id: Option<Uuid>,
    /// The match of payments with a bank's statement, where it was no people's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_id: Option<Uuid>,
    pub asked_at: DateTime<Utc>,
}

const OF_VOUCHER: &str = "
SELECT reason, break_id, maker_id, checker_id, match_id, asked_at FROM {s}.adjustments
WHERE adjustment_no = $1 AND partition = $2 AND voucher_seq = $3";

/// By whose word a voucher was posted; its `from_seq` is the number of what was asked.
///
/// # Errors
/// Whatever the database says.
pub async fn find_of_voucher(
    db: &ReadDb,
    (partition, voucher_seq): (Partition, Seq),
    adjustment_no: Seq,
) -> Result<Option<AskedView>, sqlx::Error> {
    let find = sqlx::query(db.sql(OF_VOUCHER)).bind(adjustment_no).bind(partition.number()).bind(voucher_seq);
    let Some(row) = db.fetch_optional(find).await? else { return Ok(None) };
    Ok(Some(AskedView {
        reason: row.try_get("reason")?,
        break_id: row.try_get("break_id")?,
        maker_id: row.try_get("maker_id")?,
        checker_id: row.try_get("checker_id")?,
        match_id: row.try_get("match_id")?,
        asked_at: row.try_get("asked_at")?,
    }))
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
