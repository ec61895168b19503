//! The tables `statements` and `finalised_days`, how far the log is closed, and whose hold has ended.

use crate::domain::earning::{Earning, Payee, PayeeKind};
use crate::domain::payee_money::PayeeKey;
use crate::domain::statement::Statement;
use crate::store::earnings::earning_of_row;
use crate::store::payouts::class_of_row;
use crate::store::unknown_code;
use chrono::{DateTime, NaiveDate, Utc};
use contracts::log::LogName;
use ids::{PARTITION_COUNT, Uuid};
use money::Micros;
use pg::Db;
use sqlx::{PgConnection, Row};

const CLOSED: &str = "
SELECT min(closed_until) FROM {s}.log_heads WHERE log = $1 HAVING count(*) = $2";

/// The instant before which every partition of the log is final; `None` until all 64 exist.
pub(crate) async fn find_closed_until(db: &Db) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    sqlx::query_scalar(db.sql(CLOSED))
        .bind(LogName::Items.as_str())
        .bind(i64::from(PARTITION_COUNT))
        .fetch_optional(db.pool())
        .await
}

const NEXT_DAY: &str = "
SELECT min(day) FROM {s}.earnings
WHERE day <= $1 AND day > coalesce((SELECT max(day) FROM {s}.finalised_days), '1970-01-01')";

/// The first day with earnings, up to `last`, whose statements are not all made.
pub(crate) async fn find_next_day(db: &Db, last: NaiveDate) -> Result<Option<NaiveDate>, sqlx::Error> {
    sqlx::query_scalar(db.sql(NEXT_DAY)).bind(last).fetch_one(db.pool()).await
}

const PAGE_OF_DAY: &str = "
SELECT e.*, coalesce(before.carry_out_micro, 0) AS carry_in_micro
FROM (
    SELECT payee_kind, payee_id, sum(gross_micro)::bigint AS gross_micro, sum(share_micro)::bigint AS share_micro,
        sum(clawback_micro)::bigint AS clawback_micro, sum(settled_count)::bigint AS settled_count,
        sum(reversed_count)::bigint AS reversed_count
    FROM {s}.earnings
    WHERE day = $1 AND payee_kind IN (1, 2) AND (payee_kind, payee_id) > ($2, $3)
    GROUP BY payee_kind, payee_id ORDER BY payee_kind, payee_id LIMIT $4
) e
LEFT JOIN LATERAL (
    SELECT s.carry_out_micro FROM {s}.statements s
    WHERE s.payee_kind = e.payee_kind AND s.payee_id = e.payee_id AND s.day < $1 ORDER BY s.day DESC LIMIT 1
) before ON true
ORDER BY e.payee_kind, e.payee_id";

/// Some payees' earnings of a day, after one payee, each with the carry of the statement before.
pub(crate) async fn list_payees_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    day: NaiveDate,
    after: (i16, Uuid),
    limit: i64,
) -> Result<Vec<(Payee, Earning, Micros)>, sqlx::Error> {
    let rows = sqlx::query(db.sql(PAGE_OF_DAY))
        .bind(day)
        .bind(after.0)
        .bind(after.1)
        .bind(limit)
        .fetch_all(tx)
        .await?;
    rows.iter()
        .map(|row| {
            let kind = match row.try_get("payee_kind")? {
                1_i16 => PayeeKind::Streamer,
                2 => PayeeKind::Agency,
                other => return Err(unknown_code("payee_kind", other)),
            };
            let payee = Payee { kind, id: row.try_get("payee_id")? };
            Ok((payee, earning_of_row(row)?, Micros::new(row.try_get("carry_in_micro")?)))
        })
        .collect()
}

const INSERT: &str = "
INSERT INTO {s}.statements (payee_kind, payee_id, day, gross_micro, share_micro, clawback_micro, settled_count,
    reversed_count, carry_in_micro, payable_minor, carry_out_micro)
SELECT p.kind, p.id, $1, p.gross, p.share, p.clawback, p.settled, p.reversed, p.carry_in, p.payable, p.carry_out
FROM unnest($2::smallint[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
    $9::bigint[], $10::bigint[], $11::bigint[])
    AS p (kind, id, gross, share, clawback, settled, reversed, carry_in, payable, carry_out)
ON CONFLICT (payee_kind, payee_id, day) DO NOTHING";

/// Stores statements of a day; those that are there already are the same.
pub(crate) async fn insert_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    day: NaiveDate,
    statements: &[(Payee, Statement)],
) -> Result<(), sqlx::Error> {
    fn column<T>(statements: &[(Payee, Statement)], of: impl Fn(&Payee, &Statement) -> T) -> Vec<T> {
        statements.iter().map(|(payee, statement)| of(payee, statement)).collect()
    }
    sqlx::query(db.sql(INSERT))
        .bind(day)
        .bind(column(statements, |payee, _| payee.kind.code()))
        .bind(column(statements, |payee, _| payee.id))
        .bind(column(statements, |_, s| s.earning.gross.get()))
        .bind(column(statements, |_, s| s.earning.share.get()))
        .bind(column(statements, |_, s| s.earning.clawback.get()))
        .bind(column(statements, |_, s| s.earning.settled_count))
        .bind(column(statements, |_, s| s.earning.reversed_count))
        .bind(column(statements, |_, s| s.carry_in.get()))
        .bind(column(statements, |_, s| s.payable_minor))
        .bind(column(statements, |_, s| s.carry_out.get()))
        .execute(tx)
        .await?;
    Ok(())
}

const FINISH_DAY: &str = "
INSERT INTO {s}.finalised_days (day, statements)
SELECT $1, count(*) FROM {s}.statements WHERE day = $1
ON CONFLICT (day) DO NOTHING";

/// Records that every statement of a day is made.
pub(crate) async fn finish_day(db: &Db, day: NaiveDate) -> Result<(), sqlx::Error> {
    sqlx::query(db.sql(FINISH_DAY)).bind(day).execute(db.pool()).await?;
    Ok(())
}

const FIND: &str = "SELECT * FROM {s}.statements WHERE payee_kind = $1 AND payee_id = $2 AND day = $3";

/// One stored statement.
pub(crate) async fn find_statement(
    db: &Db,
    payee: Payee,
    day: NaiveDate,
) -> Result<Option<Statement>, sqlx::Error> {
    let row = sqlx::query(db.sql(FIND))
        .bind(payee.kind.code())
        .bind(payee.id)
        .bind(day)
        .fetch_optional(db.pool())
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Statement {
        earning: earning_of_row(&row)?,
        carry_in: Micros::new(row.try_get("carry_in_micro")?),
        payable_minor: row.try_get("payable_minor")?,
        carry_out: Micros::new(row.try_get("carry_out_micro")?),
    }))
}

const FIND_CARRY: &str = "
SELECT day, carry_out_micro FROM {s}.statements WHERE payee_kind = $1 AND payee_id = $2 AND day < $3
ORDER BY day DESC LIMIT 1";

/// The newest statement before a day: its day and what it carried on.
pub(crate) async fn find_carry(
    db: &Db,
    payee: Payee,
    before: NaiveDate,
) -> Result<Option<(NaiveDate, Micros)>, sqlx::Error> {
    let row = sqlx::query(db.sql(FIND_CARRY))
        .bind(payee.kind.code())
        .bind(payee.id)
        .bind(before)
        .fetch_optional(db.pool())
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some((row.try_get("day")?, Micros::new(row.try_get("carry_out_micro")?))))
}

// Locked, because two nodes look at once; what the other has is left to it.
const RELEASABLE: &str = "
SELECT payee_kind, payee_id, day, payable_minor FROM {s}.statements
WHERE released_at IS NULL AND day <= $1
ORDER BY day, payee_kind, payee_id LIMIT $2 FOR UPDATE SKIP LOCKED";

const NEGATIVE: &str = "
SELECT payee_kind, payee_id, day, payable_minor FROM {s}.statements
WHERE released_at IS NULL AND payable_minor < 0 AND day > $1
ORDER BY day, payee_kind, payee_id LIMIT $2 FOR UPDATE SKIP LOCKED";

/// Statements up to a day, and later ones below zero, that were not released; held until the transaction ends.
pub(crate) async fn list_releasable_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    last: NaiveDate,
    limit: i64,
) -> Result<Vec<(PayeeKey, NaiveDate, i64)>, sqlx::Error> {
    let mut rows = sqlx::query(db.sql(NEGATIVE)).bind(last).bind(limit).fetch_all(&mut *tx).await?;
    let left = limit.saturating_sub(i64::try_from(rows.len()).unwrap_or(limit));
    rows.extend(sqlx::query(db.sql(RELEASABLE)).bind(last).bind(left).fetch_all(tx).await?);
    rows.iter()
        .map(|row| {
            let key = PayeeKey { class: class_of_row(row)?, id: row.try_get("payee_id")? };
            Ok((key, row.try_get("day")?, row.try_get("payable_minor")?))
        })
        .collect()
}

const MARK_RELEASED: &str = "
UPDATE {s}.statements s SET released_at = now()
FROM unnest($1::smallint[], $2::uuid[], $3::date[]) AS r (kind, id, day)
WHERE s.payee_kind = r.kind AND s.payee_id = r.id AND s.day = r.day AND s.released_at IS NULL";

/// Records that statements were released.
pub(crate) async fn mark_released_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    released: &[(PayeeKey, NaiveDate, i64)],
) -> Result<(), sqlx::Error> {
    sqlx::query(db.sql(MARK_RELEASED))
        .bind(released.iter().map(|(key, ..)| key.class.code()).collect::<Vec<_>>())
        .bind(released.iter().map(|(key, ..)| key.id).collect::<Vec<_>>())
        .bind(released.iter().map(|(_, day, _)| *day).collect::<Vec<_>>())
        .execute(tx)
        .await?;
    Ok(())
}
