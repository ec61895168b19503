//! What was matched. That no row of a side is in two matches of a scope is the table's to say.

use crate::domain::bill_line::BillScope;
use chrono::NaiveDate;
use ids::Uuid;
use pg::Db;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use utoipa::ToSchema;

/// Matches one transaction takes.
const CHUNK_LEN: usize = 500;

/// One match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MatchView {
    /// Follows from the rows: the same at every run.
    pub match_id: Uuid,
    pub scope: BillScope,
    pub channel: String,
    /// The day whose run made it.
    pub day: NaiveDate,
    pub pass: String,
    pub rules_version: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<String>,
    pub variance_minor: i64,
    pub amount_minor: i64,
    pub currency: String,
    /// Payments.
    pub ours: Vec<String>,
    /// Rows of bills.
    pub theirs: Vec<String>,
}

const DELETE_OTHERS: &str = "
DELETE FROM {s}.matches WHERE match_id IN (
    SELECT match_id FROM {s}.matches
    WHERE scope = $1 AND channel = $2 AND day = $3 AND NOT match_id = ANY($4) LIMIT $5)";

/// Deletes what a day's run no longer makes, at most `CHUNK_LEN`; returns how many.
///
/// # Errors
/// Whatever the database says.
async fn delete_others(
    db: &Db,
    (scope, channel, day): (BillScope, &str, NaiveDate),
    keep: &[Uuid],
) -> Result<u64, sqlx::Error> {
    let limit = i64::try_from(CHUNK_LEN).unwrap_or(i64::MAX);
    let delete = sqlx::query(db.sql(DELETE_OTHERS))
        .bind(scope.code())
        .bind(channel.to_owned())
        .bind(day)
        .bind(keep)
        .bind(limit);
    Ok(delete.execute(db.pool()).await?.rows_affected())
}

const INSERT: &str = "
INSERT INTO {s}.matches (match_id, scope, channel, day, pass, rules_version, tolerance, variance_minor, amount_minor,
    currency)
SELECT m.match_id, $2, $3, $4, m.pass, m.rules_version, m.tolerance, m.variance, m.amount, m.currency
FROM unnest($1::uuid[], $5::text[], $6::integer[], $7::text[], $8::bigint[], $9::bigint[], $10::text[])
    AS m (match_id, pass, rules_version, tolerance, variance, amount, currency)
ON CONFLICT (match_id) DO NOTHING RETURNING match_id";

const INSERT_ROWS: &str = "
INSERT INTO {s}.matched_rows (scope, side, row_id, match_id)
SELECT $1, r.* FROM unnest($2::smallint[], $3::text[], $4::uuid[]) AS r";

/// Makes a day's matches of a channel what its run found: others of the day go, new ones come, the same ones stay.
///
/// # Errors
/// Whatever the database says: a constraint where a row would match twice. What was stored so far stays, and the next
/// attempt goes on from there.
pub async fn replace(
    db: &Db,
    (scope, channel, day): (BillScope, &str, NaiveDate),
    matches: &[MatchView],
) -> Result<(), sqlx::Error> {
    let keep: Vec<Uuid> = matches.iter().map(|of| of.match_id).collect();
    while delete_others(db, (scope, channel, day), &keep).await? > 0 {}
    for chunk in matches.chunks(CHUNK_LEN) {
        let mut tx = db.begin().await?;
        let new: Vec<Uuid> = sqlx::query_scalar(db.sql(INSERT))
            .bind(chunk.iter().map(|of| of.match_id).collect::<Vec<_>>())
            .bind(scope.code())
            .bind(channel.to_owned())
            .bind(day)
            .bind(chunk.iter().map(|of| of.pass.as_str()).collect::<Vec<_>>())
            .bind(chunk.iter().map(|of| of.rules_version).collect::<Vec<_>>())
            .bind(chunk.iter().map(|of| of.tolerance.as_deref()).collect::<Vec<_>>())
            .bind(chunk.iter().map(|of| of.variance_minor).collect::<Vec<_>>())
            .bind(chunk.iter().map(|of| of.amount_minor).collect::<Vec<_>>())
            .bind(chunk.iter().map(|of| of.currency.as_str()).collect::<Vec<_>>())
            .fetch_all(&mut *tx)
            .await?;
        let (mut sides, mut rows, mut ids) = (Vec::new(), Vec::new(), Vec::new());
        for of in chunk.iter().filter(|of| new.contains(&of.match_id)) {
            for (side, row) in
                of.ours.iter().map(|row| (1_i16, row)).chain(of.theirs.iter().map(|row| (2_i16, row)))
            {
                sides.push(side);
                rows.push(row.as_str());
                ids.push(of.match_id);
            }
        }
        sqlx::query(db.sql(INSERT_ROWS))
            .bind(scope.code())
            .bind(sides)
            .bind(rows)
            .bind(ids)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
    }
    Ok(())
}

// Every scope that is matched, and both sides: with them the primary key finds the row.
const OF_ROW: &str = "
SELECT m.*, (SELECT array_agg(row_id ORDER BY row_id) FROM {s}.matched_rows WHERE match_id = m.match_id AND side = 1) AS ours,
    (SELECT array_agg(row_id ORDER BY row_id) FROM {s}.matched_rows WHERE match_id = m.match_id AND side = 2) AS theirs
FROM {s}.matched_rows r JOIN {s}.matches m ON m.match_id = r.match_id
WHERE r.scope IN (1, 2, 3) AND r.side IN (1, 2) AND r.row_id = $1 ORDER BY m.scope";

/// The matches that a payment or a bill's row is in: at most one of each scope.
///
/// # Errors
/// Whatever the database says.
pub async fn list_of_row(db: &Db, row_id: &str) -> Result<Vec<MatchView>, sqlx::Error> {
    let rows = sqlx::query(db.sql(OF_ROW)).bind(row_id.to_owned()).fetch_all(db.pool()).await?;
    let one = |row: &sqlx::postgres::PgRow| {
        let scope: i16 = row.try_get("scope")?;
        Ok(MatchView {
            match_id: row.try_get("match_id")?,
            scope: BillScope::of_code(scope).ok_or(sqlx::Error::RowNotFound)?,
            channel: row.try_get("channel")?,
            day: row.try_get("day")?,
            pass: row.try_get("pass")?,
            rules_version: row.try_get("rules_version")?,
            tolerance: row.try_get("tolerance")?,
            variance_minor: row.try_get("variance_minor")?,
            amount_minor: row.try_get("amount_minor")?,
            currency: row.try_get("currency")?,
            ours: row.try_get::<Option<Vec<String>>, _>("ours")?.unwrap_or_default(),
            theirs: row.try_get::<Option<Vec<String>>, _>("theirs")?.unwrap_or_default(),
        })
    };
    rows.iter().map(one).collect()
}
