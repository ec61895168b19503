//! Withdrawals from the balance that we have with a channel, as its fund bills tell them, and the fees taken off it.

use super::bills::{After, row_id};
use crate::domain::bill_line::{BillScope, OurLine};
use chrono::NaiveDate;
use ids::Uuid;
use money::MICROS_PER_MINOR;
use pg::Db;
use sqlx::Row;
use sqlx::postgres::PgRow;

// Files overlap: of one that two files tell, the row that came first stays its row. One that failed reaches no bank.
const LIST: &str = "
SELECT r.*, coalesce(nullif(r.about_ref, ''), r.channel_ref) AS reference
FROM {s}.bill_rows r JOIN {s}.bills b ON b.bill_id = r.bill_id AND b.state = 2
WHERE r.scope = 3 AND r.kind = 'payout' AND r.channel = $1 AND (r.day, r.bill_id, r.row_no) > ($2, $3, $4) AND r.day <= $5
    AND r.amount_minor <> 0
    AND NOT EXISTS (
        SELECT FROM {s}.bill_rows o JOIN {s}.bills c ON c.bill_id = o.bill_id AND c.state = 2
        WHERE o.scope = 3 AND o.kind = 'payout' AND o.channel = $1
            AND coalesce(nullif(o.about_ref, ''), o.channel_ref) = coalesce(nullif(r.about_ref, ''), r.channel_ref)
            AND (o.status IN ('failed', 'canceled') OR o.amount_minor = r.amount_minor
                AND (c.imported_at, o.bill_id, o.row_no) < (b.imported_at, r.bill_id, r.row_no)))
    AND NOT EXISTS (SELECT FROM {s}.matched_rows x JOIN {s}.matches m ON m.match_id = x.match_id
                    WHERE x.scope = $6 AND x.side = 1 AND x.row_id = r.bill_id::text || ':' || r.row_no
                        AND m.day <> $7)
ORDER BY r.day, r.bill_id, r.row_no LIMIT $8";

/// A channel's withdrawals from one day to another that no other day's match has, a page at a time, with the place of
/// each; as lines that a bank's statement must show.
///
/// # Errors
/// Whatever the database says.
pub async fn list(
    db: &Db,
    channel: &str,
    (after, until): (After, NaiveDate),
    day: NaiveDate,
    limit: i64,
) -> Result<Vec<(After, OurLine)>, sqlx::Error> {
    let list = sqlx::query(db.sql(LIST)).bind(channel.to_owned()).bind(after.0).bind(after.1).bind(after.2);
    let list = list.bind(until).bind(BillScope::Bank.code()).bind(day).bind(limit);
    let one = |row: &PgRow| {
        let place: After = (row.try_get("day")?, row.try_get("bill_id")?, row.try_get("row_no")?);
        Ok((place, line_of_row(row)?))
    };
    list.fetch_all(db.pool()).await?.iter().map(one).collect()
}

fn line_of_row(row: &PgRow) -> Result<OurLine, sqlx::Error> {
    let (day, amount_minor): (NaiveDate, i64) = (row.try_get("day")?, row.try_get("amount_minor")?);
    Ok(OurLine {
        payment_id: row_id(row.try_get("bill_id")?, row.try_get("row_no")?),
        partition: 0,
        seq: 0,
        day,
        paid_day: day,
        channel: row.try_get("channel")?,
        channel_payment_id: row.try_get("reference")?,
        account_id: row.try_get("account")?,
        amount_minor: amount_minor.saturating_neg(),
        currency: row.try_get("currency")?,
        paid_coins: 0,
        promo_coins: 0,
        payout: None,
        is_withdrawal: true,
    })
}

const FIND: &str = "
SELECT r.*, coalesce(nullif(r.about_ref, ''), r.channel_ref) AS reference FROM {s}.bill_rows r
WHERE r.bill_id = $1 AND r.row_no = $2 AND r.scope = 3 AND r.kind = 'payout'";

/// One withdrawal, by its row.
///
/// # Errors
/// Whatever the database says.
pub async fn find(db: &Db, bill_id: Uuid, row_no: i64) -> Result<Option<OurLine>, sqlx::Error> {
    let row = sqlx::query(db.sql(FIND)).bind(bill_id).bind(row_no).fetch_optional(db.pool()).await?;
    row.as_ref().map(line_of_row).transpose()
}

const ANY_OF_DAY: &str = "
SELECT EXISTS (SELECT FROM {s}.bill_rows r JOIN {s}.bills b ON b.bill_id = r.bill_id AND b.state = 2
               WHERE r.scope = 3 AND r.kind = 'payout' AND r.channel = $1 AND r.day = $2)";

/// Whether a channel's fund bills tell a withdrawal of a day.
///
/// # Errors
/// Whatever the database says.
pub async fn is_any_of(db: &Db, channel: &str, day: NaiveDate) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(db.sql(ANY_OF_DAY)).bind(channel.to_owned()).bind(day).fetch_one(db.pool()).await
}

/// What a channel took off our balance for its services on one day, in one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenFees {
    pub currency: String,
    /// In minor units, below zero where more was given back.
    pub minor: i64,
    pub rows: i64,
}

// A row that two files have is the same text in both: the balance behind it is in it.
const FEES: &str = "
SELECT currency, trunc(sum(micro) / $4)::bigint AS minor, count(*) AS rows
FROM (SELECT DISTINCT ON (r.raw) r.currency,
          r.fee_micro + CASE r.kind WHEN 'fee' THEN -r.amount_minor::numeric * $4 ELSE 0 END AS micro
      FROM {s}.bill_rows r WHERE r.channel = $1 AND r.day = $2 AND r.bill_id = ANY($3) AND r.scope IN (1, 3)
      ORDER BY r.raw) f
WHERE micro <> 0 GROUP BY currency ORDER BY currency";

/// The fees that a day's rows of some files took, by currency.
///
/// # Errors
/// Whatever the database says; an error of range where a sum does not fit 64 bits.
pub async fn list_fees(
    db: &Db,
    channel: &str,
    day: NaiveDate,
    files: &[Uuid],
) -> Result<Vec<TakenFees>, sqlx::Error> {
    let list =
        sqlx::query(db.sql(FEES)).bind(channel.to_owned()).bind(day).bind(files).bind(MICROS_PER_MINOR);
    let one = |row: &PgRow| {
        Ok(TakenFees {
            currency: row.try_get("currency")?,
            minor: row.try_get("minor")?,
            rows: row.try_get("rows")?,
        })
    };
    list.fetch_all(db.pool()).await?.iter().map(one).collect()
}
