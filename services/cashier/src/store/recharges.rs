//! The table `recharges`.

use crate::domain::recharge::{Recharge, RechargeState};
use crate::store::payments::coins_of;
use crate::store::unknown_code;
use chrono::NaiveDate;
use ids::{PaymentId, RechargeId, Uuid, ViewerId};
use money::Micros;
use pg::Db;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

const INSERT: &str = "
INSERT INTO {s}.recharges (recharge_id, account_id, channel, body_hash, amount_minor, currency, paid_coins,
    promo_coins, state, refunded_minor, version, asked_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10, $11)
ON CONFLICT (recharge_id) DO NOTHING RETURNING *";

const LOOK: &str = "
SELECT r.*, (SELECT micros_per_coin FROM {s}.face_values WHERE currency = $2 AND valid_from <= $3
    ORDER BY valid_from DESC LIMIT 1) AS face_value
FROM (SELECT $1::uuid) AS asked (id) LEFT JOIN {s}.recharges r ON r.recharge_id = asked.id";

const FIND: &str = "SELECT * FROM {s}.recharges WHERE recharge_id = ANY($1)";

// Locked in the order of ids: whatever else decides about the same recharge waits, on every node.
const LOCK: &str = "
SELECT * FROM {s}.recharges WHERE recharge_id = ANY($1) ORDER BY recharge_id FOR UPDATE";

const LIST: &str = "
SELECT * FROM {s}.recharges WHERE account_id = $1 ORDER BY asked_at DESC, recharge_id DESC LIMIT $2";

const CHANGE: &str = "
UPDATE {s}.recharges r SET state = c.state, payment_id = c.payment_id, refunded_minor = c.refunded_minor,
    version = c.version
FROM unnest($1::uuid[], $2::bigint[], $3::smallint[], $4::uuid[], $5::bigint[], $6::bigint[])
    AS c (recharge_id, read_at, state, payment_id, refunded_minor, version)
WHERE r.recharge_id = c.recharge_id AND r.version = c.read_at";

/// Inserts a recharge and tells it as it is stored; `None` where its key was used before.
pub(crate) async fn insert_if_new(db: &Db, recharge: &Recharge) -> Result<Option<Recharge>, sqlx::Error> {
    let row = sqlx::query(db.sql(INSERT))
        .bind(recharge.recharge_id.uuid())
        .bind(recharge.account_id.uuid())
        .bind(&recharge.channel)
        .bind(recharge.body_hash)
        .bind(recharge.amount_minor)
        .bind(&recharge.currency)
        .bind(recharge.paid_coins.get())
        .bind(recharge.promo_coins.get())
        .bind(recharge.state.code())
        .bind(recharge.version)
        .bind(recharge.asked_at)
        .fetch_optional(db.pool())
        .await?;
    row.as_ref().map(recharge_of_row).transpose()
}

/// A recharge if its key was used before, and the face value in force on a day.
pub(crate) async fn look(
    db: &Db,
    id: RechargeId,
    currency: &str,
    day: NaiveDate,
) -> Result<(Option<Recharge>, Option<Micros>), sqlx::Error> {
    let looked =
        sqlx::query(db.sql(LOOK)).bind(id.uuid()).bind(currency).bind(day).fetch_one(db.pool()).await?;
    let is_known = looked.try_get::<Option<Uuid>, _>("recharge_id")?.is_some();
    let recharge = is_known.then(|| recharge_of_row(&looked)).transpose()?;
    Ok((recharge, looked.try_get::<Option<i64>, _>("face_value")?.map(Micros::new)))
}

/// One recharge.
pub(crate) async fn find_recharge(db: &Db, id: RechargeId) -> Result<Option<Recharge>, sqlx::Error> {
    let row = sqlx::query(db.sql(FIND)).bind([id.uuid()].as_slice()).fetch_optional(db.pool()).await?;
    row.as_ref().map(recharge_of_row).transpose()
}

/// Locks some recharges; those that do not exist are absent.
pub(crate) async fn lock_recharges_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    ids: &[Uuid],
) -> Result<Vec<Recharge>, sqlx::Error> {
    let rows = sqlx::query(db.sql(LOCK)).bind(ids).fetch_all(tx).await?;
    rows.iter().map(recharge_of_row).collect()
}

/// A viewer's recharges, newest first.
pub(crate) async fn list_recharges(
    db: &Db,
    account_id: ViewerId,
    limit: i64,
) -> Result<Vec<Recharge>, sqlx::Error> {
    let rows = sqlx::query(db.sql(LIST)).bind(account_id.uuid()).bind(limit).fetch_all(db.pool()).await?;
    rows.iter().map(recharge_of_row).collect()
}

/// Changes recharges from the versions they were read at; returns how many were still there.
pub(crate) async fn change_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    changes: &[(Recharge, i64)],
) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(db.sql(CHANGE))
        .bind(changes.iter().map(|(r, _)| r.recharge_id.uuid()).collect::<Vec<_>>())
        .bind(changes.iter().map(|(_, read_at)| *read_at).collect::<Vec<_>>())
        .bind(changes.iter().map(|(r, _)| r.state.code()).collect::<Vec<_>>())
        .bind(changes.iter().map(|(r, _)| r.payment_id.map(PaymentId::uuid)).collect::<Vec<_>>())
        .bind(changes.iter().map(|(r, _)| r.refunded_minor).collect::<Vec<_>>())
        .bind(changes.iter().map(|(r, _)| r.version).collect::<Vec<_>>())
        .execute(tx)
        .await?;
    Ok(done.rows_affected())
}

pub(crate) fn recharge_of_row(row: &PgRow) -> Result<Recharge, sqlx::Error> {
    let state: i16 = row.try_get("state")?;
    Ok(Recharge {
        recharge_id: RechargeId::from_uuid(row.try_get("recharge_id")?),
        account_id: ViewerId::from_uuid(row.try_get("account_id")?),
        channel: row.try_get("channel")?,
        body_hash: row.try_get("body_hash")?,
        amount_minor: row.try_get("amount_minor")?,
        currency: row.try_get("currency")?,
        paid_coins: coins_of(row, "paid_coins")?,
        promo_coins: coins_of(row, "promo_coins")?,
        state: RechargeState::of_code(state).ok_or_else(|| unknown_code("state", state))?,
        payment_id: row.try_get::<Option<Uuid>, _>("payment_id")?.map(PaymentId::from_uuid),
        refunded_minor: row.try_get("refunded_minor")?,
        version: row.try_get("version")?,
        asked_at: row.try_get("asked_at")?,
    })
}
