//! Refunds that channels are asked for, and what the wallet took for those that came.

use crate::domain::recharge::Recharge;
use crate::domain::returning::Planned;
use crate::store::payments::coins_of;
use crate::store::recharges::recharge_of_row;
use crate::store::unknown_code;
use chrono::{DateTime, NaiveDate, Utc};
use contracts::owner::{AskRechargeRefunds, RechargeRefund, RechargeRefundState, RechargeRefunds};
use contracts::payment::{Payment, PaymentKind};
use ids::{PaymentId, RechargeId, Uuid, ViewerId, derive_id, partition_of};
use money::Coins;
use pg::Db;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use std::collections::BTreeMap;
use utoipa::ToSchema;

const OWE: &str = "
INSERT INTO {s}.withdrawals (payment_id, account_id, coins)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[])";

/// Notes what the wallet is to take for refunds of the log, in the transaction that appends them.
pub(crate) async fn owe_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    payments: &[Payment],
) -> Result<(), sqlx::Error> {
    let back: Vec<&Payment> =
        payments.iter().filter(|payment| payment.kind == PaymentKind::ChannelRefund).collect();
    if back.is_empty() {
        return Ok(());
    }
    sqlx::query(db.sql(OWE))
        .bind(back.iter().map(|payment| payment.payment_id.uuid()).collect::<Vec<_>>())
        .bind(back.iter().map(|payment| payment.account_id.uuid()).collect::<Vec<_>>())
        .bind(back.iter().map(|payment| payment.paid_coins.get()).collect::<Vec<_>>())
        .execute(tx)
        .await?;
    Ok(())
}

/// A withdrawal whose entry nobody has seen yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Withdrawal {
    pub payment_id: PaymentId,
    pub account_id: ViewerId,
}

/// Withdrawals that the wallet has not been heard of about, oldest first.
pub(crate) async fn list_waiting(db: &Db, limit: i64) -> Result<Vec<Withdrawal>, sqlx::Error> {
    const LIST: &str = "
SELECT payment_id, account_id FROM {s}.withdrawals WHERE known_at IS NULL ORDER BY asked_at LIMIT $1";
    let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(db.sql(LIST)).bind(limit).fetch_all(db.pool()).await?;
    let withdrawal = |(payment, account)| Withdrawal {
        payment_id: PaymentId::from_uuid(payment),
        account_id: ViewerId::from_uuid(account),
    };
    Ok(rows.into_iter().map(withdrawal).collect())
}

/// Keeps what the wallet took.
pub(crate) async fn save_known(
    db: &Db,
    payment_id: PaymentId,
    (outcome, day, shortfall): (&str, NaiveDate, Coins),
) -> Result<(), sqlx::Error> {
    const SAVE: &str = "
UPDATE {s}.withdrawals SET outcome = $2, day = $3, shortfall_coins = $4, known_at = now()
WHERE payment_id = $1 AND known_at IS NULL";
    let save = sqlx::query(db.sql(SAVE)).bind(payment_id.uuid()).bind(outcome).bind(day);
    save.bind(shortfall.get()).execute(db.pool()).await.map(drop)
}

/// What a viewer owes: coins that were spent before their money was taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Receivable {
    pub viewer_id: ViewerId,
    pub shortfall_coins: Coins,
    pub refund_count: i64,
    /// The accounting days of the first and of the last of them.
    pub first_day: NaiveDate,
    pub last_day: NaiveDate,
}

/// Receivables by viewer, after one of them.
pub(crate) async fn list_receivables(
    db: &Db,
    after: Uuid,
    limit: i64,
) -> Result<Vec<Receivable>, sqlx::Error> {
    const LIST: &str = "
SELECT account_id, sum(shortfall_coins)::bigint AS coins, count(*) AS refunds, min(day) AS first, max(day) AS last
FROM {s}.withdrawals WHERE shortfall_coins > 0 AND account_id > $1
GROUP BY account_id ORDER BY account_id LIMIT $2";
    let rows = sqlx::query(db.sql(LIST)).bind(after).bind(limit).fetch_all(db.pool()).await?;
    let receivable = |row: &PgRow| {
        Ok(Receivable {
            viewer_id: ViewerId::from_uuid(row.try_get("account_id")?),
            shortfall_coins: coins_of(row, "coins")?,
            refund_count: row.try_get("refunds")?,
            first_day: row.try_get("first")?,
            last_day: row.try_get("last")?,
        })
    };
    rows.iter().map(receivable).collect()
}

/// A viewer's recharges of which money can go back, locked in the order of their ids.
pub(crate) async fn lock_refundable_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    account_id: ViewerId,
) -> Result<Vec<Recharge>, sqlx::Error> {
    const LOCK: &str = "
SELECT * FROM {s}.recharges WHERE account_id = $1 AND state IN (4, 5) ORDER BY recharge_id FOR UPDATE";
    let rows = sqlx::query(db.sql(LOCK)).bind(account_id.uuid()).fetch_all(tx).await?;
    rows.iter().map(recharge_of_row).collect()
}

/// What channels were asked for of some recharges and have not said yet, in minor units.
pub(crate) async fn sum_asked_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    recharges: &[Recharge],
) -> Result<BTreeMap<RechargeId, i64>, sqlx::Error> {
    const SUM: &str = "
SELECT recharge_id, sum(amount_minor)::bigint FROM {s}.returns WHERE state = 1 AND recharge_id = ANY($1)
GROUP BY recharge_id";
    let ids: Vec<Uuid> = recharges.iter().map(|recharge| recharge.recharge_id.uuid()).collect();
    let rows: Vec<(Uuid, i64)> = sqlx::query_as(db.sql(SUM)).bind(ids).fetch_all(tx).await?;
    Ok(rows.into_iter().map(|(id, minor)| (RechargeId::from_uuid(id), minor)).collect())
}

const INSERT_CASE: &str = "
INSERT INTO {s}.return_cases (case_id, account_id, coins, left_coins) VALUES ($1, $2, $3, $4)
ON CONFLICT (case_id) DO NOTHING";

const INSERT: &str = "
INSERT INTO {s}.returns (refund_id, case_id, recharge_id, channel, channel_payment_id, amount_minor, currency, coins)
SELECT p.refund_id, $1, r.recharge_id, r.channel, m.channel_payment_id, p.amount_minor, r.currency, p.coins
FROM unnest($2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[]) AS p (refund_id, recharge_id, amount_minor, coins)
JOIN {s}.recharges r ON r.recharge_id = p.recharge_id JOIN {s}.payments m ON m.payment_id = r.payment_id";

/// Keeps what channels are asked for; `false` where the case was asked for before.
pub(crate) async fn insert_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    ask: &AskRechargeRefunds,
    (planned, left): (&[Planned], Coins),
) -> Result<bool, sqlx::Error> {
    let case = sqlx::query(db.sql(INSERT_CASE)).bind(ask.case_id).bind(ask.viewer_id.uuid());
    let done = case.bind(ask.coins.get()).bind(left.get()).execute(&mut *tx).await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    let refund_id = |one: &Planned| {
        let recharge = one.recharge_id.uuid();
        let parts: [&[u8]; 2] = [ask.case_id.as_bytes(), recharge.as_bytes()];
        derive_id(ask.case_id, "return", &parts, partition_of(ask.viewer_id.uuid()))
    };
    sqlx::query(db.sql(INSERT))
        .bind(ask.case_id)
        .bind(planned.iter().map(refund_id).collect::<Vec<_>>())
        .bind(planned.iter().map(|one| one.recharge_id.uuid()).collect::<Vec<_>>())
        .bind(planned.iter().map(|one| one.amount_minor).collect::<Vec<_>>())
        .bind(planned.iter().map(|one| one.coins.get()).collect::<Vec<_>>())
        .execute(tx)
        .await?;
    Ok(true)
}

/// What was asked for in a case, by whom and of how much, and how far it is.
pub(crate) async fn find_case(
    db: &Db,
    case_id: Uuid,
) -> Result<Option<(AskRechargeRefunds, RechargeRefunds)>, sqlx::Error> {
    const CASE: &str = "SELECT account_id, coins, left_coins FROM {s}.return_cases WHERE case_id = $1";
    const OF_CASE: &str = "SELECT * FROM {s}.returns WHERE case_id = $1 ORDER BY refund_id";
    let row = sqlx::query(db.sql(CASE)).bind(case_id).fetch_optional(db.pool()).await?;
    let Some(row) = row else { return Ok(None) };
    let viewer_id = ViewerId::from_uuid(row.try_get("account_id")?);
    let ask = AskRechargeRefunds { case_id, viewer_id, coins: coins_of(&row, "coins")? };
    let refunds = sqlx::query(db.sql(OF_CASE)).bind(case_id).fetch_all(db.pool()).await?;
    let refunds = refunds.iter().map(return_of_row).collect::<Result<_, _>>()?;
    Ok(Some((ask, RechargeRefunds { refunds, left_coins: coins_of(&row, "left_coins")? })))
}

/// What channels have not said yet, oldest first, with the time at which each was asked.
pub(crate) async fn list_asked(
    db: &Db,
    limit: i64,
) -> Result<Vec<(RechargeRefund, DateTime<Utc>)>, sqlx::Error> {
    const LIST: &str = "SELECT * FROM {s}.returns WHERE state = 1 ORDER BY asked_at, refund_id LIMIT $1";
    let rows = sqlx::query(db.sql(LIST)).bind(limit).fetch_all(db.pool()).await?;
    rows.iter().map(|row| Ok((return_of_row(row)?, row.try_get("asked_at")?))).collect()
}

// The channel's word about just this payment and amount, which no other of our requests has been answered by.
const HEAR: &str = "
UPDATE {s}.returns a SET state = CASE n.outcome WHEN 2 THEN 2 ELSE 3 END, told_as = n.channel_payment_id, ended_at = now()
FROM (SELECT n.channel_payment_id, n.outcome FROM {s}.notices n, {s}.returns r
      WHERE r.refund_id = $1 AND n.channel = r.channel AND n.refund_of = r.channel_payment_id AND n.kind = 4
          AND n.recharge_id = r.recharge_id AND n.amount_minor = r.amount_minor AND n.outcome IN (2, 5)
          AND n.received_at >= r.asked_at - interval '1 minute'
          AND NOT EXISTS (SELECT FROM {s}.returns o WHERE o.channel = n.channel AND o.told_as = n.channel_payment_id)
      ORDER BY n.received_at LIMIT 1) n
WHERE a.refund_id = $1 AND a.state = 1";

/// Ends what a channel has said.
pub(crate) async fn hear(db: &Db, refund_id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query(db.sql(HEAR)).bind(refund_id).execute(db.pool()).await.map(drop)
}

fn return_of_row(row: &PgRow) -> Result<RechargeRefund, sqlx::Error> {
    let state = match row.try_get("state")? {
        1_i16 => RechargeRefundState::Asked,
        2 => RechargeRefundState::Done,
        3 => RechargeRefundState::Refused,
        other => return Err(unknown_code("state", other)),
    };
    Ok(RechargeRefund {
        refund_id: row.try_get("refund_id")?,
        recharge_id: RechargeId::from_uuid(row.try_get("recharge_id")?),
        channel: row.try_get("channel")?,
        channel_payment_id: row.try_get("channel_payment_id")?,
        amount_minor: row.try_get("amount_minor")?,
        currency: row.try_get("currency")?,
        coins: coins_of(row, "coins")?,
        state,
    })
}
