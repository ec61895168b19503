//! The table `earnings`: additions in lock order, sums over partitions.

use crate::domain::earning::{Earning, EarningKey, Earnings, Payee};
use chrono::NaiveDate;
use money::Micros;
use pg::Db;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

const ADD: &str = "
INSERT INTO {s}.earnings AS e (payee_kind, payee_id, day, partition, gross_micro, share_micro, clawback_micro,
    settled_count, reversed_count, streamer_id, contract_version)
SELECT * FROM unnest($1::smallint[], $2::uuid[], $3::date[], $4::smallint[], $5::bigint[], $6::bigint[],
    $7::bigint[], $8::bigint[], $9::bigint[], $10::uuid[], $11::integer[])
ON CONFLICT (payee_kind, payee_id, day, partition, streamer_id, contract_version) DO UPDATE SET
    gross_micro = e.gross_micro + excluded.gross_micro,
    share_micro = e.share_micro + excluded.share_micro,
    clawback_micro = e.clawback_micro + excluded.clawback_micro,
    settled_count = e.settled_count + excluded.settled_count,
    reversed_count = e.reversed_count + excluded.reversed_count";

/// Adds a batch's earnings. The rows go in the order of their keys, so two batches never wait for each other in
/// a circle.
pub(crate) async fn add_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    earnings: &Earnings,
) -> Result<(), sqlx::Error> {
    if earnings.is_empty() {
        return Ok(());
    }
    fn keys<T>(earnings: &Earnings, of: impl Fn(&EarningKey) -> T) -> Vec<T> {
        earnings.keys().map(of).collect()
    }
    fn values(earnings: &Earnings, of: impl Fn(&Earning) -> i64) -> Vec<i64> {
        earnings.values().map(of).collect()
    }
    sqlx::query(db.sql(ADD))
        .bind(keys(earnings, |key| key.payee.kind.code()))
        .bind(keys(earnings, |key| key.payee.id))
        .bind(keys(earnings, |key| key.day))
        .bind(keys(earnings, |key| key.partition.number()))
        .bind(values(earnings, |row| row.gross.get()))
        .bind(values(earnings, |row| row.share.get()))
        .bind(values(earnings, |row| row.clawback.get()))
        .bind(values(earnings, |row| row.settled_count))
        .bind(values(earnings, |row| row.reversed_count))
        .bind(keys(earnings, |key| key.streamer_id.uuid()))
        .bind(keys(earnings, |key| key.contract_version))
        .execute(tx)
        .await?;
    Ok(())
}

const OF_DAY: &str = "
SELECT sum(gross_micro)::bigint AS gross_micro, sum(share_micro)::bigint AS share_micro,
    sum(clawback_micro)::bigint AS clawback_micro, sum(settled_count)::bigint AS settled_count,
    sum(reversed_count)::bigint AS reversed_count
FROM {s}.earnings WHERE payee_kind = $1 AND payee_id = $2 AND day = $3 HAVING count(*) > 0";

/// One payee's day over all partitions; `None` where nothing was earned.
pub(crate) async fn find_of_day(
    db: &Db,
    payee: Payee,
    day: NaiveDate,
) -> Result<Option<Earning>, sqlx::Error> {
    let row = sqlx::query(db.sql(OF_DAY))
        .bind(payee.kind.code())
        .bind(payee.id)
        .bind(day)
        .fetch_optional(db.pool())
        .await?;
    row.as_ref().map(earning_of_row).transpose()
}

const NET_BETWEEN: &str = "
SELECT coalesce(sum(share_micro + clawback_micro), 0)::bigint FROM {s}.earnings
WHERE payee_kind = $1 AND payee_id = $2 AND ($3::date IS NULL OR day > $3) AND day < $4";

/// What a payee earned after one day and before another.
pub(crate) async fn net_between(
    db: &Db,
    payee: Payee,
    after: Option<NaiveDate>,
    before: NaiveDate,
) -> Result<Micros, sqlx::Error> {
    let net: i64 = sqlx::query_scalar(db.sql(NET_BETWEEN))
        .bind(payee.kind.code())
        .bind(payee.id)
        .bind(after)
        .bind(before)
        .fetch_one(db.pool())
        .await?;
    Ok(Micros::new(net))
}

const NET_OF: &str = "
SELECT coalesce(sum(share_micro + clawback_micro), 0)::bigint FROM {s}.earnings
WHERE payee_kind = $1 AND payee_id = $2";

/// All that a payee ever earned, less what was taken back.
pub(crate) async fn net_of(db: &Db, payee: Payee) -> Result<Micros, sqlx::Error> {
    let net: i64 = sqlx::query_scalar(db.sql(NET_OF))
        .bind(payee.kind.code())
        .bind(payee.id)
        .fetch_one(db.pool())
        .await?;
    Ok(Micros::new(net))
}

/// The sums of a row, by their columns' names.
pub(crate) fn earning_of_row(row: &PgRow) -> Result<Earning, sqlx::Error> {
    let micros = |column: &str| row.try_get(column).map(Micros::new);
    Ok(Earning {
        gross: micros("gross_micro")?,
        share: micros("share_micro")?,
        clawback: micros("clawback_micro")?,
        settled_count: row.try_get("settled_count")?,
        reversed_count: row.try_get("reversed_count")?,
    })
}
