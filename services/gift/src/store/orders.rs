//! The table of `gift.orders`: inserted in bulk, never changed.

use chrono::NaiveDate;
use contracts::log::{Seq, Stamp};
use contracts::order::{Order, OrderKind};
use ids::{OrderId, Partition, RoomId, StreamerId, Uuid, ViewerId};
use money::Coins;
use pg::Db;
use seqlog::{Insert, LogTable};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use std::collections::HashMap;

/// `gift.orders` as a log.
#[derive(Clone, Copy, Debug, Default)]
pub struct OrdersTable;

// `unnest` in the select list streams; in FROM it would first store every column (5 µs a row against 2).
const INSERT: &str = "
INSERT INTO {s}.orders (partition, seq, epoch, decided_at, minute, day, origin_seq, order_id, kind, viewer_id,
    room_id, streamer_id, gift_id, quantity, paid_coins, promo_coins)
SELECT unnest($1::smallint[]), unnest($2::bigint[]), unnest($3::bigint[]), unnest($4::timestamptz[]),
    unnest($5::integer[]), unnest($6::date[]), unnest($7::bigint[]), unnest($8::uuid[]),
    unnest($9::smallint[]), unnest($10::uuid[]), unnest($11::uuid[]), unnest($12::uuid[]),
    unnest($13::bigint[]), unnest($14::bigint[]), unnest($15::bigint[]), unnest($16::bigint[])";

const READ_AFTER: &str = "
SELECT * FROM {s}.orders WHERE partition = $1 AND seq > $2 ORDER BY seq LIMIT $3";

impl LogTable for OrdersTable {
    type Row = Order;

    fn insert(&self, db: &Db, rows: &[Order]) -> Result<Insert, sqlx::Error> {
        let uuids = |of: fn(&Order) -> Uuid| rows.iter().map(of).collect::<Vec<_>>();
        let numbers = |of: fn(&Order) -> i64| rows.iter().map(of).collect::<Vec<_>>();
        let query = sqlx::query(db.sql(INSERT))
            .bind(rows.iter().map(|row| row.stamp.partition.number()).collect::<Vec<_>>())
            .bind(numbers(|row| row.stamp.seq))
            .bind(numbers(|row| row.stamp.epoch))
            .bind(rows.iter().map(|row| row.stamp.decided_at).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.stamp.minute).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.stamp.day).collect::<Vec<_>>())
            .bind(numbers(|row| row.stamp.origin_seq))
            .bind(uuids(|row| row.order_id.uuid()))
            .bind(rows.iter().map(|row| row.kind.code()).collect::<Vec<_>>())
            .bind(uuids(|row| row.viewer_id.uuid()))
            .bind(uuids(|row| row.room_id.uuid()))
            .bind(uuids(|row| row.streamer_id.uuid()))
            .bind(numbers(|row| i64::from(row.gift_id)))
            .bind(numbers(|row| i64::from(row.quantity)))
            .bind(numbers(|row| row.paid_coins.get()))
            .bind(numbers(|row| row.promo_coins.get()));
        Ok(query)
    }

    async fn read_after(
        &self,
        db: &Db,
        partition: Partition,
        after: Seq,
        limit: i64,
    ) -> Result<Vec<Order>, sqlx::Error> {
        let rows = sqlx::query(db.sql(READ_AFTER))
            .bind(partition.number())
            .bind(after)
            .bind(limit)
            .fetch_all(db.pool())
            .await?;
        rows.iter().map(order_of).collect()
    }
}

fn order_of(row: &PgRow) -> Result<Order, sqlx::Error> {
    let partition: i16 = row.try_get("partition")?;
    let kind: i16 = row.try_get("kind")?;
    let coins = |column: &str| Coins::try_new(row.try_get(column)?).map_err(decode);
    let number = |column: &str| u32::try_from(row.try_get::<i64, _>(column)?).map_err(decode);
    Ok(Order {
        stamp: Stamp {
            partition: Partition::try_from(partition).map_err(decode)?,
            seq: row.try_get("seq")?,
            epoch: row.try_get("epoch")?,
            decided_at: row.try_get("decided_at")?,
            minute: row.try_get("minute")?,
            day: row.try_get("day")?,
            origin_seq: row.try_get("origin_seq")?,
        },
        order_id: OrderId::from_uuid(row.try_get("order_id")?),
        kind: OrderKind::of_code(kind).ok_or_else(|| decode(format!("no order kind has code {kind}")))?,
        viewer_id: ViewerId::from_uuid(row.try_get("viewer_id")?),
        room_id: RoomId::from_uuid(row.try_get("room_id")?),
        streamer_id: StreamerId::from_uuid(row.try_get("streamer_id")?),
        gift_id: number("gift_id")?,
        quantity: number("quantity")?,
        paid_coins: coins("paid_coins")?,
        promo_coins: coins("promo_coins")?,
    })
}

fn decode(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}

const FIND: &str = "SELECT * FROM {s}.orders WHERE order_id = $1 AND kind IN (1, 2)
UNION ALL SELECT * FROM {s}.orders WHERE order_id = $1 AND kind IN (3, 4) ORDER BY kind, seq";

/// Every row of one order: how it ended, then what came back, oldest first.
pub async fn list_of_order(db: &Db, order_id: OrderId) -> Result<Vec<Order>, sqlx::Error> {
    let rows = sqlx::query(db.sql(FIND)).bind(order_id.uuid()).fetch_all(db.pool()).await?;
    rows.iter().map(order_of).collect()
}

const FIND_ALL: &str = "SELECT * FROM {s}.orders WHERE order_id = ANY($1) AND kind IN (1, 2)
UNION ALL SELECT * FROM {s}.orders WHERE order_id = ANY($1) AND kind IN (3, 4) ORDER BY kind, seq";

/// Every row of some orders: how they ended, then what came back, oldest first.
pub async fn list_of_orders(db: &Db, order_ids: &[OrderId]) -> Result<Vec<Order>, sqlx::Error> {
    let ids: Vec<Uuid> = order_ids.iter().map(|id| id.uuid()).collect();
    let rows = sqlx::query(db.sql(FIND_ALL)).bind(ids).fetch_all(db.pool()).await?;
    rows.iter().map(order_of).collect()
}

const ENDED: &str = "SELECT * FROM {s}.orders WHERE order_id = ANY($1) AND kind IN (1, 2)";

const DAYS: &str = "SELECT order_id, day FROM {s}.orders WHERE order_id = ANY($1) AND kind IN (1, 2)";

/// The accounting days on which orders were given.
pub async fn list_days(db: &Db, order_ids: &[OrderId]) -> Result<HashMap<OrderId, NaiveDate>, sqlx::Error> {
    let ids: Vec<Uuid> = order_ids.iter().map(|id| id.uuid()).collect();
    let rows: Vec<(Uuid, NaiveDate)> = sqlx::query_as(db.sql(DAYS)).bind(ids).fetch_all(db.pool()).await?;
    Ok(rows.into_iter().map(|(order_id, day)| (OrderId::from_uuid(order_id), day)).collect())
}

/// How orders ended, those that have.
pub async fn list_ended(
    connection: &mut PgConnection,
    db: &Db,
    order_ids: &[OrderId],
) -> Result<Vec<Order>, sqlx::Error> {
    let ids: Vec<Uuid> = order_ids.iter().map(|id| id.uuid()).collect();
    let rows = sqlx::query(db.sql(ENDED)).bind(ids).fetch_all(connection).await?;
    rows.iter().map(order_of).collect()
}

/// What one viewer has sent in one room on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RankRow {
    pub room_id: RoomId,
    pub viewer_id: ViewerId,
    /// Less what was refunded.
    pub coins: i64,
    /// Gifts that were delivered, refunded later or not.
    pub gifts: i64,
}

// What came back counts on the day of the gift, whenever it came: refunds are few, so each looks up its own order.
const RANKS: &str = "
SELECT room_id, viewer_id, sum(coins)::bigint AS coins, sum(gifts)::bigint AS gifts FROM (
    SELECT room_id, viewer_id, paid_coins + promo_coins AS coins, quantity AS gifts
    FROM {s}.orders WHERE day = $1 AND kind = 1
    UNION ALL
    SELECT back.room_id, back.viewer_id, -back.paid_coins - back.promo_coins, 0
    FROM {s}.orders back JOIN {s}.orders given
        ON given.order_id = back.order_id AND given.kind IN (1, 2) AND given.day = $1
    WHERE back.day >= $1 AND back.kind = 4) all_of_day
GROUP BY room_id, viewer_id ORDER BY room_id, coins DESC, viewer_id LIMIT $2";

/// The ranks of a day, from the rows alone; at most `limit` of them.
pub async fn list_ranks(db: &Db, day: NaiveDate, limit: i64) -> Result<Vec<RankRow>, sqlx::Error> {
    let rows = sqlx::query(db.sql(RANKS)).bind(day).bind(limit).fetch_all(db.pool()).await?;
    rows.iter()
        .map(|row| {
            Ok(RankRow {
                room_id: RoomId::from_uuid(row.try_get("room_id")?),
                viewer_id: ViewerId::from_uuid(row.try_get("viewer_id")?),
                coins: row.try_get("coins")?,
                gifts: row.try_get("gifts")?,
            })
        })
        .collect()
}
