//! Fees as a channel's two files state them: its trade bill beside each payment, its fund bill as movements of their own.
//! A page at a time: each is a few thousand looks into two indexes.

use super::bills::{After, row_id};
use chrono::NaiveDate;
use ids::Uuid;
use money::MICROS_PER_MINOR;
use pg::Db;
use sqlx::Row;
use sqlx::postgres::PgRow;

/// Rows of one file that one difference names.
pub const ROWS_MAX: i32 = 5;

/// What is looked at, a page at a time.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    pub channel: &'a str,
    /// Rows of the fund bill behind this one, until this day.
    pub after: After,
    pub until: NaiveDate,
    /// On which their fees and their trades may stand.
    pub near: (NaiveDate, NaiveDate),
    pub limit: i64,
}

/// The newest row of a payment or refund in fund bills, with what was taken for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeeLine {
    pub place: After,
    pub reference: String,
    pub currency: String,
    /// Whether no newer row tells of the same payment: each is told of once.
    pub is_newest: bool,
    /// What the trade bill states, in millionths of a minor unit; missing where it has no such row.
    pub stated_micro: Option<i64>,
    /// What the fund bill took, in the same.
    pub taken_micro: i64,
    /// Whether a fee's row of the fund bill names it.
    pub is_named: bool,
    /// The rows of both files, at most [`ROWS_MAX`] of each.
    pub rows: Vec<String>,
}

const BOOKED: &str = "
WITH page AS MATERIALIZED (
    SELECT r.day, r.bill_id, r.row_no, r.currency, coalesce(nullif(r.about_ref, ''), r.channel_ref) AS reference
    FROM {s}.bill_rows r JOIN {s}.bills b ON b.bill_id = r.bill_id AND b.state = 2
    WHERE r.scope = 3 AND r.channel = $1 AND (r.day, r.bill_id, r.row_no) > ($2, $3, $4) AND r.day <= $5
        AND r.kind IN ('payment', 'refund')
    ORDER BY r.day, r.bill_id, r.row_no LIMIT $6
)
SELECT p.day, p.bill_id, p.row_no, p.reference, p.currency, t.is_named, t.micro::bigint AS taken_micro,
    s.micro::bigint AS stated_micro, t.newest_bill = p.bill_id AND t.newest_row = p.row_no AS is_newest,
    t.bills || s.bills AS bills, t.rows || s.rows AS rows
FROM page p
CROSS JOIN LATERAL (
    SELECT bool_or(f.kind = 'fee') AS is_named,
        sum(f.fee_micro + CASE f.kind WHEN 'fee' THEN -f.amount_minor::numeric * $9 ELSE 0 END) AS micro,
        (array_agg(f.bill_id ORDER BY f.kind, f.day, f.row_no))[1:$10] AS bills,
        (array_agg(f.row_no ORDER BY f.kind, f.day, f.row_no))[1:$10] AS rows,
        (array_agg(f.bill_id ORDER BY f.day DESC, f.bill_id DESC, f.row_no DESC)
            FILTER (WHERE f.kind <> 'fee' AND f.day <= $5))[1] AS newest_bill,
        (array_agg(f.row_no ORDER BY f.day DESC, f.bill_id DESC, f.row_no DESC)
            FILTER (WHERE f.kind <> 'fee' AND f.day <= $5))[1] AS newest_row
    FROM {s}.bill_rows f JOIN {s}.bills b ON b.bill_id = f.bill_id AND b.state = 2
    WHERE f.scope = 3 AND f.channel = $1 AND coalesce(nullif(f.about_ref, ''), f.channel_ref) = p.reference
        AND f.day BETWEEN $7 AND $8 AND f.currency = p.currency AND f.kind IN ('payment', 'refund', 'fee')
) t
CROSS JOIN LATERAL (
    SELECT sum(r.fee_micro) AS micro, (array_agg(r.bill_id ORDER BY r.day, r.row_no))[1:$10] AS bills,
        (array_agg(r.row_no ORDER BY r.day, r.row_no))[1:$10] AS rows
    FROM {s}.bill_rows r JOIN {s}.bills b ON b.bill_id = r.bill_id AND b.state = 2
    WHERE r.scope = 1 AND r.channel = $1 AND r.channel_ref = p.reference AND r.day BETWEEN $7 AND $8
        AND r.currency = p.currency AND r.kind IN ('payment', 'refund')
) s
ORDER BY p.day, p.bill_id, p.row_no";

fn place_of(row: &PgRow) -> Result<After, sqlx::Error> {
    Ok((row.try_get("day")?, row.try_get("bill_id")?, row.try_get("row_no")?))
}

fn fee_line(row: &PgRow) -> Result<FeeLine, sqlx::Error> {
    let bills: Option<Vec<Uuid>> = row.try_get("bills")?;
    let rows: Option<Vec<i64>> = row.try_get("rows")?;
    let ids = bills.unwrap_or_default().into_iter().zip(rows.unwrap_or_default());
    Ok(FeeLine {
        place: place_of(row)?,
        reference: row.try_get("reference")?,
        currency: row.try_get("currency")?,
        is_newest: row.try_get("is_newest")?,
        stated_micro: row.try_get("stated_micro")?,
        taken_micro: row.try_get("taken_micro")?,
        is_named: row.try_get("is_named")?,
        rows: ids.map(|(bill_id, row_no)| row_id(bill_id, row_no)).collect(),
    })
}

/// Payments and refunds of fund bills in the order of their rows, each with what both files say of its fee.
///
/// # Errors
/// Whatever the database says; an error of range where one payment's fees do not fit 64 bits.
pub async fn list_booked(db: &Db, page: Page<'_>) -> Result<Vec<FeeLine>, sqlx::Error> {
    let list = sqlx::query(db.sql(BOOKED))
        .bind(page.channel.to_owned())
        .bind(page.after.0)
        .bind(page.after.1)
        .bind(page.after.2)
        .bind(page.until)
        .bind(page.limit)
        .bind(page.near.0)
        .bind(page.near.1)
        .bind(MICROS_PER_MINOR)
        .bind(ROWS_MAX);
    list.fetch_all(db.pool()).await?.iter().map(fee_line).collect()
}

/// A fee's row of a fund bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeeRow {
    pub place: After,
    pub currency: String,
    /// In millionths of a minor unit, positive where we pay it.
    pub taken_micro: i64,
    /// Whether another row that is no fee, such as a payment or a withdrawal, has its number.
    pub is_named: bool,
}

const FEES: &str = "
SELECT f.day, f.bill_id, f.row_no, f.currency, (f.fee_micro - f.amount_minor::numeric * $9)::bigint AS taken_micro,
    EXISTS (
        SELECT FROM {s}.bill_rows o JOIN {s}.bills c ON c.bill_id = o.bill_id AND c.state = 2
        WHERE o.scope = 3 AND o.channel = $1 AND o.day BETWEEN $7 AND $8 AND o.kind <> 'fee'
            AND coalesce(nullif(o.about_ref, ''), o.channel_ref) = coalesce(nullif(f.about_ref, ''), f.channel_ref)
    ) AS is_named
FROM {s}.bill_rows f JOIN {s}.bills b ON b.bill_id = f.bill_id AND b.state = 2
WHERE f.scope = 3 AND f.channel = $1 AND (f.day, f.bill_id, f.row_no) > ($2, $3, $4) AND f.day <= $5 AND f.kind = 'fee'
ORDER BY f.day, f.bill_id, f.row_no LIMIT $6";

/// Fees of fund bills in the order of their rows.
///
/// # Errors
/// Whatever the database says.
pub async fn list_fees(db: &Db, page: Page<'_>) -> Result<Vec<FeeRow>, sqlx::Error> {
    let list = sqlx::query(db.sql(FEES))
        .bind(page.channel.to_owned())
        .bind(page.after.0)
        .bind(page.after.1)
        .bind(page.after.2)
        .bind(page.until)
        .bind(page.limit)
        .bind(page.near.0)
        .bind(page.near.1)
        .bind(MICROS_PER_MINOR);
    let one = |row: &PgRow| {
        Ok(FeeRow {
            place: place_of(row)?,
            currency: row.try_get("currency")?,
            taken_micro: row.try_get("taken_micro")?,
            is_named: row.try_get("is_named")?,
        })
    };
    list.fetch_all(db.pool()).await?.iter().map(one).collect()
}
