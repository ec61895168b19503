//! What a channel tells of a day in its bill, from the log and from what viewers asked for.

use chrono::{DateTime, Utc};
use ids::Uuid;
use pg::Db;
use sqlx::Row;

/// One payment or refund as a bill tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BilledPayment {
    pub payment_id: Uuid,
    pub channel_payment_id: String,
    /// For a refund: what the channel calls the payment it takes back.
    pub refunded: Option<String>,
    /// What we called the order.
    pub recharge_id: Option<Uuid>,
    pub amount_minor: i64,
    pub paid_at: DateTime<Utc>,
}

const LIST: &str = "
SELECT p.payment_id, p.channel_payment_id, o.channel_payment_id AS refunded, r.recharge_id, p.amount_minor, p.paid_at
FROM {s}.payments p
LEFT JOIN {s}.payments o ON o.payment_id = p.refunds
LEFT JOIN {s}.recharges r ON r.payment_id = coalesce(p.refunds, p.payment_id)
WHERE p.channel = $1 AND p.paid_at >= $2 AND p.paid_at < $3
ORDER BY p.paid_at, p.payment_id LIMIT $4";

/// A channel's payments and refunds of a stretch of time, in order, at most `limit`.
pub(crate) async fn list(
    db: &Db,
    channel: &str,
    (from, before): (DateTime<Utc>, DateTime<Utc>),
    limit: i64,
) -> Result<Vec<BilledPayment>, sqlx::Error> {
    let list = sqlx::query(db.sql(LIST)).bind(channel.to_owned()).bind(from).bind(before).bind(limit);
    let rows = list.fetch_all(db.pool()).await?;
    let one = |row: &sqlx::postgres::PgRow| {
        Ok(BilledPayment {
            payment_id: row.try_get("payment_id")?,
            channel_payment_id: row.try_get("channel_payment_id")?,
            refunded: row.try_get("refunded")?,
            recharge_id: row.try_get("recharge_id")?,
            amount_minor: row.try_get("amount_minor")?,
            paid_at: row.try_get("paid_at")?,
        })
    };
    rows.iter().map(one).collect()
}
