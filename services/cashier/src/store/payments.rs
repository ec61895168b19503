//! The log `cashier.payments`.

use crate::store::unknown_code;
use contracts::log::{Seq, Stamp};
use contracts::payment::{Payment, PaymentKind};
use ids::{Partition, PaymentId, Uuid, ViewerId};
use money::Coins;
use pg::Db;
use seqlog::{Insert, LogTable};
use sqlx::Row;
use sqlx::postgres::PgRow;

/// The table of the log.
#[derive(Clone, Copy, Debug, Default)]
pub struct PaymentsTable;

const INSERT: &str = "
INSERT INTO {s}.payments (partition, seq, epoch, decided_at, minute, day, origin_seq, payment_id, kind, account_id,
    channel, channel_payment_id, refunds, amount_minor, currency, paid_coins, promo_coins, paid_at)
SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::timestamptz[], $5::integer[], $6::date[],
    $7::bigint[], $8::uuid[], $9::smallint[], $10::uuid[], $11::text[], $12::text[], $13::uuid[], $14::bigint[],
    $15::text[], $16::bigint[], $17::bigint[], $18::timestamptz[])";

const READ_AFTER: &str = "
SELECT * FROM {s}.payments WHERE partition = $1 AND seq > $2 ORDER BY seq LIMIT $3";

impl LogTable for PaymentsTable {
    type Row = Payment;

    fn insert(&self, db: &Db, rows: &[Payment]) -> Result<Insert, sqlx::Error> {
        fn column<T>(rows: &[Payment], of: impl Fn(&Payment) -> T) -> Vec<T> {
            rows.iter().map(of).collect()
        }
        let query = sqlx::query(db.sql(INSERT))
            .bind(column(rows, |row| row.stamp.partition.number()))
            .bind(column(rows, |row| row.stamp.seq))
            .bind(column(rows, |row| row.stamp.epoch))
            .bind(column(rows, |row| row.stamp.decided_at))
            .bind(column(rows, |row| row.stamp.minute))
            .bind(column(rows, |row| row.stamp.day))
            .bind(column(rows, |row| row.stamp.origin_seq))
            .bind(column(rows, |row| row.payment_id.uuid()))
            .bind(column(rows, |row| row.kind.code()))
            .bind(column(rows, |row| row.account_id.uuid()))
            .bind(column(rows, |row| row.channel.clone()))
            .bind(column(rows, |row| row.channel_payment_id.clone()))
            .bind(column(rows, |row| row.refunds.map(PaymentId::uuid)))
            .bind(column(rows, |row| row.amount_minor))
            .bind(column(rows, |row| row.currency.clone()))
            .bind(column(rows, |row| row.paid_coins.get()))
            .bind(column(rows, |row| row.promo_coins.get()))
            .bind(column(rows, |row| row.paid_at));
        Ok(query)
    }

    async fn read_after(
        &self,
        db: &Db,
        partition: Partition,
        after: Seq,
        limit: i64,
    ) -> Result<Vec<Payment>, sqlx::Error> {
        let rows = sqlx::query(db.sql(READ_AFTER))
            .bind(partition.number())
            .bind(after)
            .bind(limit)
            .fetch_all(db.pool())
            .await?;
        rows.iter().map(payment_of_row).collect()
    }
}

fn payment_of_row(row: &PgRow) -> Result<Payment, sqlx::Error> {
    let kind: i16 = row.try_get("kind")?;
    Ok(Payment {
        stamp: Stamp {
            partition: Partition::try_from(row.try_get::<i16, _>("partition")?)
                .map_err(|error| unknown_code("partition", error))?,
            seq: row.try_get("seq")?,
            epoch: row.try_get("epoch")?,
            decided_at: row.try_get("decided_at")?,
            minute: row.try_get("minute")?,
            day: row.try_get("day")?,
            origin_seq: row.try_get("origin_seq")?,
        },
        payment_id: PaymentId::from_uuid(row.try_get("payment_id")?),
        kind: PaymentKind::of_code(kind).ok_or_else(|| unknown_code("kind", kind))?,
        account_id: ViewerId::from_uuid(row.try_get("account_id")?),
        channel: row.try_get("channel")?,
        channel_payment_id: row.try_get("channel_payment_id")?,
        refunds: row.try_get::<Option<Uuid>, _>("refunds")?.map(PaymentId::from_uuid),
        amount_minor: row.try_get("amount_minor")?,
        currency: row.try_get("currency")?,
        paid_coins: coins_of(row, "paid_coins")?,
        promo_coins: coins_of(row, "promo_coins")?,
        paid_at: row.try_get("paid_at")?,
    })
}

pub(crate) fn coins_of(row: &PgRow, column: &'static str) -> Result<Coins, sqlx::Error> {
    let coins: i64 = row.try_get(column)?;
    Coins::try_new(coins).map_err(|_| unknown_code(column, coins))
}
