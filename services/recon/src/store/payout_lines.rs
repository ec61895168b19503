//! What the daily run keeps of payouts: the movements that a bank's statement must show, or may.

use crate::domain::bill_line::{BillScope, OurLine, PayoutOutcome};
use chrono::NaiveDate;
use ids::Uuid;
use pg::Db;
use sqlx::Row;
use sqlx::postgres::PgRow;

/// Rows one statement takes.
const CHUNK_LEN: usize = 1_000;

const KEEP: &str = "
INSERT INTO {s}.payout_lines (payout_id, line_id, outcome, partition, seq, day, payee_id, amount_minor, currency)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::smallint[], $4::smallint[], $5::bigint[], $6::date[], $7::uuid[],
    $8::bigint[], $9::text[])
ON CONFLICT DO NOTHING";

/// Keeps a day's movements of payouts; what was kept before stays.
///
/// # Errors
/// Whatever the database says; what was kept so far stays.
pub async fn keep(db: &Db, lines: &[OurLine]) -> Result<(), sqlx::Error> {
    for chunk in lines.chunks(CHUNK_LEN) {
        let uuid = |text: &str| Uuid::try_parse(text).unwrap_or_default(); // They were made of ids.
        sqlx::query(db.sql(KEEP))
            .bind(chunk.iter().map(|line| line.payment_id.as_str()).collect::<Vec<_>>())
            .bind(chunk.iter().map(|line| uuid(&line.channel_payment_id)).collect::<Vec<_>>())
            .bind(chunk.iter().map(|line| line.payout.map_or(0, PayoutOutcome::code)).collect::<Vec<_>>())
            .bind(chunk.iter().map(|line| line.partition).collect::<Vec<_>>())
            .bind(chunk.iter().map(|line| line.seq).collect::<Vec<_>>())
            .bind(chunk.iter().map(|line| line.day).collect::<Vec<_>>())
            .bind(chunk.iter().map(|line| uuid(&line.account_id)).collect::<Vec<_>>())
            .bind(chunk.iter().map(|line| line.amount_minor).collect::<Vec<_>>())
            .bind(chunk.iter().map(|line| line.currency.as_str()).collect::<Vec<_>>())
            .execute(db.pool())
            .await?;
    }
    Ok(())
}

fn line_of_row(row: &PgRow, bank: &str) -> Result<OurLine, sqlx::Error> {
    let outcome: i16 = row.try_get("outcome")?;
    let day = row.try_get("day")?;
    Ok(OurLine {
        payment_id: row.try_get("payout_id")?,
        partition: row.try_get("partition")?,
        seq: row.try_get("seq")?,
        day,
        paid_day: day,
        channel: bank.to_owned(),
        channel_payment_id: row.try_get::<Uuid, _>("line_id")?.simple().to_string(),
        account_id: row.try_get::<Uuid, _>("payee_id")?.to_string(),
        amount_minor: row.try_get("amount_minor")?,
        currency: row.try_get("currency")?,
        paid_coins: 0,
        promo_coins: 0,
        payout: PayoutOutcome::of_code(outcome),
        is_withdrawal: false,
    })
}

const LIST: &str = "
SELECT p.* FROM {s}.payout_lines p
WHERE (p.day, p.payout_id) > ($1, $2) AND p.day <= $3
    AND NOT EXISTS (SELECT FROM {s}.matched_rows r JOIN {s}.matches m ON m.match_id = r.match_id
                    WHERE r.scope = $4 AND r.side = 1 AND r.row_id = p.payout_id AND m.day <> $5)
ORDER BY p.day, p.payout_id LIMIT $6";

/// Movements of payouts from one day to another that no other day's match has, a page at a time; as lines of the bank
/// that they leave through.
///
/// # Errors
/// Whatever the database says.
pub async fn list(
    db: &Db,
    bank: &str,
    (after, until): ((NaiveDate, &str), NaiveDate),
    day: NaiveDate,
    limit: i64,
) -> Result<Vec<OurLine>, sqlx::Error> {
    let list = sqlx::query(db.sql(LIST)).bind(after.0).bind(after.1.to_owned()).bind(until);
    let list = list.bind(BillScope::Bank.code()).bind(day).bind(limit);
    list.fetch_all(db.pool()).await?.iter().map(|row| line_of_row(row, bank)).collect()
}

const ANY_OF_DAY: &str = "SELECT EXISTS (SELECT FROM {s}.payout_lines WHERE day = $1 AND outcome = 1)";

/// Whether the bank paid anything out on a day.
///
/// # Errors
/// Whatever the database says.
pub async fn is_any_of(db: &Db, day: NaiveDate) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(db.sql(ANY_OF_DAY)).bind(day).fetch_one(db.pool()).await
}

const FIND: &str = "SELECT * FROM {s}.payout_lines WHERE payout_id = $1";

/// One movement of a payout, by its name.
///
/// # Errors
/// Whatever the database says.
pub async fn find(db: &Db, bank: &str, payout_id: &str) -> Result<Option<OurLine>, sqlx::Error> {
    let row = sqlx::query(db.sql(FIND)).bind(payout_id.to_owned()).fetch_optional(db.pool()).await?;
    row.as_ref().map(|row| line_of_row(row, bank)).transpose()
}
