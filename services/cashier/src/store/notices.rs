//! The table `notices`: the claim of each callback, in the transaction of its effect.

use crate::domain::notice::{Notice, NoticeKey, NoticeKind, NoticeOutcome, Refusal};
use crate::store::unknown_code;
use ids::{PaymentId, RechargeId, Uuid};
use pg::Db;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

const FIND: &str = "
WITH wanted AS (SELECT * FROM unnest($1::text[], $2::text[], $3::smallint[]) AS w (channel, id, kind))
SELECT n.* FROM {s}.notices n JOIN wanted w ON n.channel = w.channel AND n.channel_payment_id = w.id AND n.kind = w.kind
UNION
SELECT n.* FROM {s}.notices n JOIN wanted w ON n.channel = w.channel AND n.refund_of = w.id WHERE n.outcome = 3";

// A refund that was kept aside is the only row that ever changes, and only once.
const SAVE: &str = "
INSERT INTO {s}.notices AS n (channel, channel_payment_id, kind, content_hash, recharge_id, amount_minor, currency,
    paid_at, refund_of, outcome, refusal, payment_id, received_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::smallint[], $4::bigint[], $5::uuid[], $6::bigint[], $7::text[],
    $8::timestamptz[], $9::text[], $10::smallint[], $11::smallint[], $12::uuid[], $13::timestamptz[])
ON CONFLICT (channel, channel_payment_id, kind) DO UPDATE
    SET outcome = excluded.outcome, refusal = excluded.refusal, payment_id = excluded.payment_id
    WHERE n.outcome = 3 AND n.content_hash = excluded.content_hash AND excluded.outcome <> 3";

/// The notices of some keys, and the refunds that wait for the payments among them.
pub(crate) async fn find_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    keys: &[NoticeKey],
) -> Result<Vec<Notice>, sqlx::Error> {
    let rows = sqlx::query(db.sql(FIND))
        .bind(keys.iter().map(|key| key.channel.clone()).collect::<Vec<_>>())
        .bind(keys.iter().map(|key| key.channel_payment_id.clone()).collect::<Vec<_>>())
        .bind(keys.iter().map(|key| key.kind.code()).collect::<Vec<_>>())
        .fetch_all(tx)
        .await?;
    rows.iter().map(notice_of_row).collect()
}

/// Claims notices; returns how many were claimed. Fewer than asked: another node was first, roll back.
pub(crate) async fn save_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    notices: &[Notice],
) -> Result<u64, sqlx::Error> {
    fn column<T>(notices: &[Notice], of: impl Fn(&Notice) -> T) -> Vec<T> {
        notices.iter().map(of).collect()
    }
    let done = sqlx::query(db.sql(SAVE))
        .bind(column(notices, |n| n.key.channel.clone()))
        .bind(column(notices, |n| n.key.channel_payment_id.clone()))
        .bind(column(notices, |n| n.key.kind.code()))
        .bind(column(notices, |n| n.content_hash))
        .bind(column(notices, |n| n.recharge_id.uuid()))
        .bind(column(notices, |n| n.amount_minor))
        .bind(column(notices, |n| n.currency.clone()))
        .bind(column(notices, |n| n.paid_at))
        .bind(column(notices, |n| n.refund_of.clone()))
        .bind(column(notices, |n| n.outcome.code()))
        .bind(column(notices, |n| n.refusal.map(Refusal::code)))
        .bind(column(notices, |n| n.payment_id.map(PaymentId::uuid)))
        .bind(column(notices, |n| n.received_at))
        .execute(tx)
        .await?;
    Ok(done.rows_affected())
}

fn notice_of_row(row: &PgRow) -> Result<Notice, sqlx::Error> {
    let (kind, outcome): (i16, i16) = (row.try_get("kind")?, row.try_get("outcome")?);
    let refusal = match row.try_get::<Option<i16>, _>("refusal")? {
        None => None,
        Some(code) => Some(Refusal::of_code(code).ok_or_else(|| unknown_code("refusal", code))?),
    };
    Ok(Notice {
        key: NoticeKey {
            channel: row.try_get("channel")?,
            channel_payment_id: row.try_get("channel_payment_id")?,
            kind: NoticeKind::of_code(kind).ok_or_else(|| unknown_code("kind", kind))?,
        },
        content_hash: row.try_get("content_hash")?,
        recharge_id: RechargeId::from_uuid(row.try_get("recharge_id")?),
        amount_minor: row.try_get("amount_minor")?,
        currency: row.try_get("currency")?,
        paid_at: row.try_get("paid_at")?,
        refund_of: row.try_get("refund_of")?,
        outcome: NoticeOutcome::of_code(outcome).ok_or_else(|| unknown_code("outcome", outcome))?,
        refusal,
        payment_id: row.try_get::<Option<Uuid>, _>("payment_id")?.map(PaymentId::from_uuid),
        received_at: row.try_get("received_at")?,
    })
}
