//! The log `settlement.items`.

use crate::store::unknown_code;
use contracts::item::{Item, ItemKind};
use contracts::log::{Seq, Stamp};
use ids::{AgencyId, OrderId, Partition, StreamerId, Uuid};
use money::{Coins, Micros};
use pg::Db;
use seqlog::{Insert, LogTable};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

/// The table of the log.
#[derive(Clone, Copy, Debug, Default)]
pub struct ItemsTable;

// `unnest` in the select list streams; in FROM it would first store every column (5 µs a row against 2).
const INSERT: &str = "
INSERT INTO {s}.items (partition, seq, epoch, decided_at, minute, day, origin_seq, order_id, kind, streamer_id,
    agency_id, contract_version, paid_coins, promo_coins, gross_paid, gross_promo, streamer, agency, platform, tax)
SELECT unnest($1::smallint[]), unnest($2::bigint[]), unnest($3::bigint[]), unnest($4::timestamptz[]),
    unnest($5::integer[]), unnest($6::date[]), unnest($7::bigint[]), unnest($8::uuid[]),
    unnest($9::smallint[]), unnest($10::uuid[]), unnest($11::uuid[]), unnest($12::integer[]),
    unnest($13::bigint[]), unnest($14::bigint[]), unnest($15::bigint[]), unnest($16::bigint[]),
    unnest($17::bigint[]), unnest($18::bigint[]), unnest($19::bigint[]), unnest($20::bigint[])";

const READ_AFTER: &str = "
SELECT * FROM {s}.items WHERE partition = $1 AND seq > $2 ORDER BY seq LIMIT $3";

// Two halves, so that each uses its own partial index.
const OF_ORDERS: &str = "
SELECT * FROM {s}.items WHERE kind = 1 AND order_id = ANY($1)
UNION ALL
SELECT * FROM {s}.items WHERE kind = 2 AND order_id = ANY($1)";

impl LogTable for ItemsTable {
    type Row = Item;

    fn insert(&self, db: &Db, rows: &[Item]) -> Result<Insert, sqlx::Error> {
        fn column<T>(rows: &[Item], of: impl Fn(&Item) -> T) -> Vec<T> {
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
            .bind(column(rows, |row| row.order_id.uuid()))
            .bind(column(rows, |row| row.kind.code()))
            .bind(column(rows, |row| row.streamer_id.uuid()))
            .bind(column(rows, |row| row.agency_id.map(AgencyId::uuid)))
            .bind(column(rows, |row| row.contract_version))
            .bind(column(rows, |row| row.paid_coins.get()))
            .bind(column(rows, |row| row.promo_coins.get()))
            .bind(column(rows, |row| row.gross_paid.get()))
            .bind(column(rows, |row| row.gross_promo.get()))
            .bind(column(rows, |row| row.streamer.get()))
            .bind(column(rows, |row| row.agency.get()))
            .bind(column(rows, |row| row.platform.get()))
            .bind(column(rows, |row| row.tax.get()));
        Ok(query)
    }

    async fn read_after(
        &self,
        db: &Db,
        partition: Partition,
        after: Seq,
        limit: i64,
    ) -> Result<Vec<Item>, sqlx::Error> {
        let rows = sqlx::query(db.sql(READ_AFTER))
            .bind(partition.number())
            .bind(after)
            .bind(limit)
            .fetch_all(db.pool())
            .await?;
        rows.iter().map(item_of_row).collect()
    }
}

/// Every item of some orders.
pub(crate) async fn list_of_orders_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    orders: &[Uuid],
) -> Result<Vec<Item>, sqlx::Error> {
    let rows = sqlx::query(db.sql(OF_ORDERS)).bind(orders).fetch_all(tx).await?;
    rows.iter().map(item_of_row).collect()
}

/// Every item of some orders, outside a transaction.
pub(crate) async fn list_of_orders(db: &Db, orders: &[Uuid]) -> Result<Vec<Item>, sqlx::Error> {
    let rows = sqlx::query(db.sql(OF_ORDERS)).bind(orders).fetch_all(db.pool()).await?;
    rows.iter().map(item_of_row).collect()
}

fn item_of_row(row: &PgRow) -> Result<Item, sqlx::Error> {
    let kind: i16 = row.try_get("kind")?;
    let coins = |column: &'static str| {
        let coins: i64 = row.try_get(column)?;
        Coins::try_new(coins).map_err(|_| unknown_code(column, coins))
    };
    let micros = |column: &str| row.try_get(column).map(Micros::new);
    Ok(Item {
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
        order_id: OrderId::from_uuid(row.try_get("order_id")?),
        kind: ItemKind::of_code(kind).ok_or_else(|| unknown_code("kind", kind))?,
        streamer_id: StreamerId::from_uuid(row.try_get("streamer_id")?),
        agency_id: row.try_get::<Option<Uuid>, _>("agency_id")?.map(AgencyId::from_uuid),
        contract_version: row.try_get("contract_version")?,
        paid_coins: coins("paid_coins")?,
        promo_coins: coins("promo_coins")?,
        gross_paid: micros("gross_paid")?,
        gross_promo: micros("gross_promo")?,
        streamer: micros("streamer")?,
        agency: micros("agency")?,
        platform: micros("platform")?,
        tax: micros("tax")?,
    })
}
