//! Items to be made anew, and refunds that wait for one.

use contracts::log::Seq;
use contracts::order::Order;
use contracts::owner::{Resettle, Resettled};
use ids::{OrderId, Partition, RequestId};
use pg::Db;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgConnection, Row};

/// How far one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resettlement {
    Due(Resettle),
    Done(Resettled),
    Refused(Resettle, String),
}

/// One to be done.
#[derive(Clone, Debug)]
pub(crate) struct Due {
    pub request_id: RequestId,
    pub order: Order,
}

/// How one ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Done(Seq),
    Refused(String),
}

const INSERT: &str = "
INSERT INTO {s}.resettlements (request_id, order_id, partition, order_seq, order_row) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (request_id) DO NOTHING";

/// Keeps what is to be done, unless it is known.
pub(crate) async fn insert_if_new(db: &Db, request_id: RequestId, order: &Order) -> Result<(), sqlx::Error> {
    sqlx::query(db.sql(INSERT))
        .bind(request_id.uuid())
        .bind(order.order_id.uuid())
        .bind(order.stamp.partition.number())
        .bind(order.stamp.seq)
        .bind(Json(order))
        .execute(db.pool())
        .await?;
    Ok(())
}

/// How far one is.
pub(crate) async fn find(db: &Db, request_id: RequestId) -> Result<Option<Resettlement>, sqlx::Error> {
    let find = "SELECT * FROM {s}.resettlements WHERE request_id = $1";
    let row = sqlx::query(db.sql(find)).bind(request_id.uuid()).fetch_optional(db.pool()).await?;
    let Some(row) = row else { return Ok(None) };
    let (order_id, order_seq) = (OrderId::from_uuid(row.try_get("order_id")?), row.try_get("order_seq")?);
    let ask = Resettle { request_id, order_id, order_seq };
    let (item_seq, refusal) = (row.try_get::<Option<Seq>, _>("item_seq")?, row.try_get("refusal")?);
    Ok(Some(match (item_seq, refusal) {
        (Some(item_seq), _) => {
            Resettlement::Done(Resettled { request_id, order_id, partition: partition_of(&row)?, item_seq })
        }
        (None, Some(why)) => Resettlement::Refused(ask, why),
        (None, None) => Resettlement::Due(ask),
    }))
}

const ANY_DUE: &str = "SELECT EXISTS (SELECT FROM {s}.resettlements WHERE state = 1 AND partition = ANY($1))";

/// Whether anything is to be done in some partitions.
pub(crate) async fn is_any_due(db: &Db, partitions: &[Partition]) -> Result<bool, sqlx::Error> {
    let numbers: Vec<i16> = partitions.iter().map(|partition| partition.number()).collect();
    sqlx::query_scalar(db.sql(ANY_DUE)).bind(numbers).fetch_one(db.pool()).await
}

// Only what the reader is past: before that, the order is settled in its turn.
const LIST_DUE: &str = "
SELECT r.request_id, r.order_row FROM {s}.resettlements r
JOIN {s}.read_offsets o ON o.reader = $2 AND o.log = 'gift.orders' AND o.partition = r.partition
WHERE r.state = 1 AND r.partition = ANY($1) AND r.order_seq <= o.seq
ORDER BY r.partition, r.order_seq, r.request_id LIMIT $3";

/// What is to be done in some partitions, in the order of their rows.
pub(crate) async fn list_due_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    partitions: &[Partition],
    (reader, limit): (&str, i64),
) -> Result<Vec<Due>, sqlx::Error> {
    let numbers: Vec<i16> = partitions.iter().map(|partition| partition.number()).collect();
    let rows = sqlx::query(db.sql(LIST_DUE)).bind(numbers).bind(reader).bind(limit).fetch_all(tx).await?;
    let due = |row: &PgRow| {
        let Json(order) = row.try_get::<Json<Order>, _>("order_row")?;
        Ok(Due { request_id: RequestId::from_uuid(row.try_get("request_id")?), order })
    };
    rows.iter().map(due).collect()
}

const END: &str = "
UPDATE {s}.resettlements r SET state = e.state, item_seq = e.item_seq, refusal = e.refusal, ended_at = now()
FROM unnest($1::uuid[], $2::smallint[], $3::bigint[], $4::text[]) AS e (request_id, state, item_seq, refusal)
WHERE r.request_id = e.request_id AND r.state = 1";

/// Ends some, in the transaction of their items.
pub(crate) async fn end_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    ended: &[(RequestId, Ended)],
) -> Result<(), sqlx::Error> {
    let state = |ended: &Ended| match ended {
        Ended::Done(_) => 2_i16,
        Ended::Refused(_) => 3,
    };
    let item_seq = |ended: &Ended| match ended {
        Ended::Done(seq) => Some(*seq),
        Ended::Refused(_) => None,
    };
    let refusal = |ended: &Ended| match ended {
        Ended::Done(_) => None,
        Ended::Refused(why) => Some(why.clone()),
    };
    sqlx::query(db.sql(END))
        .bind(ended.iter().map(|(id, _)| id.uuid()).collect::<Vec<_>>())
        .bind(ended.iter().map(|(_, ended)| state(ended)).collect::<Vec<_>>())
        .bind(ended.iter().map(|(_, ended)| item_seq(ended)).collect::<Vec<_>>())
        .bind(ended.iter().map(|(_, ended)| refusal(ended)).collect::<Vec<_>>())
        .execute(tx)
        .await?;
    Ok(())
}

const PUT_ASIDE: &str = "
INSERT INTO {s}.reversals_waiting (partition, order_seq, order_id, order_row)
SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::uuid[], $4::jsonb[])";

/// Puts refunds aside that have no item to reverse.
pub(crate) async fn put_aside_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    refunds: &[Order],
) -> Result<(), sqlx::Error> {
    if refunds.is_empty() {
        return Ok(());
    }
    sqlx::query(db.sql(PUT_ASIDE))
        .bind(refunds.iter().map(|row| row.stamp.partition.number()).collect::<Vec<_>>())
        .bind(refunds.iter().map(|row| row.stamp.seq).collect::<Vec<_>>())
        .bind(refunds.iter().map(|row| row.order_id.uuid()).collect::<Vec<_>>())
        .bind(refunds.iter().map(Json).collect::<Vec<_>>())
        .execute(tx)
        .await?;
    Ok(())
}

const WAITING: &str = "
SELECT order_row FROM {s}.reversals_waiting WHERE order_id = $1 ORDER BY partition, order_seq";

/// The refunds that wait for an order, oldest first.
pub(crate) async fn list_waiting_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    order_id: OrderId,
) -> Result<Vec<Order>, sqlx::Error> {
    let rows = sqlx::query(db.sql(WAITING)).bind(order_id.uuid()).fetch_all(tx).await?;
    rows.iter().map(|row| Ok(row.try_get::<Json<Order>, _>("order_row")?.0)).collect()
}

const END_WAITING: &str = "
DELETE FROM {s}.reversals_waiting w USING unnest($1::smallint[], $2::bigint[]) AS d (partition, order_seq)
WHERE w.partition = d.partition AND w.order_seq = d.order_seq";

/// Forgets refunds that wait no more: their items are made in this transaction.
pub(crate) async fn end_waiting_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    rows: &[(Partition, Seq)],
) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(db.sql(END_WAITING))
        .bind(rows.iter().map(|(partition, _)| partition.number()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, seq)| *seq).collect::<Vec<_>>())
        .execute(tx)
        .await?;
    Ok(())
}

const COUNT_ITEMS: &str = "SELECT count(*) FROM {s}.items WHERE partition = $1";

/// Rows of one partition: as many as its head says, unless somebody took rows away.
pub(crate) async fn count_items_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    partition: Partition,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(db.sql(COUNT_ITEMS)).bind(partition.number()).fetch_one(tx).await
}

fn partition_of(row: &PgRow) -> Result<Partition, sqlx::Error> {
    Partition::try_from(row.try_get::<i16, _>("partition")?).map_err(|e| sqlx::Error::Decode(e.into()))
}
