//! Entries applied whose order is not decided yet. Rows come and go in the keeper's transactions.

use chrono::{DateTime, Utc};
use contracts::entry::Entry;
use contracts::log::Seq;
use ids::{OrderId, Partition, Uuid};
use pg::Db;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgConnection, Row};
use std::sync::Arc;

/// What waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitKind {
    /// A debit without a report.
    Debit,
    /// A refund behind its undecided debit.
    Refund,
}

impl WaitKind {
    const fn code(self) -> i16 {
        match self {
            WaitKind::Debit => 1,
            WaitKind::Refund => 2,
        }
    }
}

/// A new row.
#[derive(Clone, Debug)]
pub struct NewPending {
    pub order_id: OrderId,
    pub kind: WaitKind,
    pub node: Arc<str>,
    pub deadline_at: DateTime<Utc>,
    pub entry: Entry,
}

/// What the keeper holds in memory of an undecided debit.
#[derive(Clone, Debug)]
pub struct PendingDebit {
    pub partition: Partition,
    pub order_id: OrderId,
    pub node: Arc<str>,
    pub decided_at: DateTime<Utc>,
    pub deadline_at: DateTime<Utc>,
    pub late: bool,
}

const INSERT: &str = "
INSERT INTO {s}.pending_orders (partition, entry_seq, order_id, kind, node, decided_at, deadline_at, entry)
SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::uuid[], $4::smallint[], $5::text[], $6::timestamptz[],
    $7::timestamptz[], $8::jsonb[])";

/// Adds rows.
pub async fn insert_in_tx(tx: &mut PgConnection, db: &Db, rows: &[NewPending]) -> Result<(), sqlx::Error> {
    sqlx::query(db.sql(INSERT))
        .bind(rows.iter().map(|row| row.entry.stamp.partition.number()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.entry.stamp.seq).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.order_id.uuid()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.kind.code()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.node.to_string()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.entry.stamp.decided_at).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.deadline_at).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| Json(&row.entry)).collect::<Vec<_>>())
        .execute(tx)
        .await?;
    Ok(())
}

const TAKE: &str = "
DELETE FROM {s}.pending_orders WHERE order_id = ANY($1) RETURNING order_id, kind, entry";

/// Takes everything that waits for these orders: debits first, each refund behind its debit.
pub async fn take_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    order_ids: &[OrderId],
) -> Result<Vec<(OrderId, WaitKind, Entry)>, sqlx::Error> {
    let ids: Vec<Uuid> = order_ids.iter().map(|id| id.uuid()).collect();
    let rows = sqlx::query(db.sql(TAKE)).bind(ids).fetch_all(tx).await?;
    let mut taken = rows.iter().map(taken_of).collect::<Result<Vec<_>, _>>()?;
    taken.sort_by_key(|(_, _, entry)| (entry.stamp.partition, entry.stamp.seq));
    Ok(taken)
}

fn taken_of(row: &PgRow) -> Result<(OrderId, WaitKind, Entry), sqlx::Error> {
    let kind = if row.try_get::<i16, _>("kind")? == 1 { WaitKind::Debit } else { WaitKind::Refund };
    let Json(entry) = row.try_get::<Json<Entry>, _>("entry")?;
    Ok((OrderId::from_uuid(row.try_get("order_id")?), kind, entry))
}

const DECIDE_LATE: &str = "
UPDATE {s}.pending_orders SET late = true WHERE order_id = ANY($1) AND kind = 1 RETURNING entry";

/// Records that these orders will be shown late, by the keeper itself; returns their entries.
pub async fn decide_late_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    order_ids: &[OrderId],
) -> Result<Vec<Entry>, sqlx::Error> {
    let ids: Vec<Uuid> = order_ids.iter().map(|id| id.uuid()).collect();
    let rows = sqlx::query(db.sql(DECIDE_LATE)).bind(ids).fetch_all(tx).await?;
    rows.iter().map(|row| Ok(row.try_get::<Json<Entry>, _>("entry")?.0)).collect()
}

const LIST: &str = "
SELECT partition, entry_seq, order_id, kind, node, decided_at, deadline_at, late FROM {s}.pending_orders
WHERE partition = ANY($1) AND (partition, entry_seq) > ($2, $3) ORDER BY partition, entry_seq LIMIT $4";

/// Rows one statement of [`list_debits`] reads.
const LIST_ROWS_MAX: i64 = 5_000;

/// The undecided debits of some partitions.
pub async fn list_debits(db: &Db, partitions: &[Partition]) -> Result<Vec<PendingDebit>, sqlx::Error> {
    let numbers: Vec<i16> = partitions.iter().map(|partition| partition.number()).collect();
    let mut after: (i16, Seq) = (-1, 0);
    let mut debits = Vec::new();
    loop {
        let rows = sqlx::query(db.sql(LIST))
            .bind(&numbers)
            .bind(after.0)
            .bind(after.1)
            .bind(LIST_ROWS_MAX)
            .fetch_all(db.pool())
            .await?;
        let Some(last) = rows.last() else { return Ok(debits) };
        after = (last.try_get("partition")?, last.try_get("entry_seq")?);
        for row in &rows {
            if row.try_get::<i16, _>("kind")? == WaitKind::Debit.code() {
                debits.push(debit_of(row)?);
            }
        }
    }
}

fn debit_of(row: &PgRow) -> Result<PendingDebit, sqlx::Error> {
    let partition: i16 = row.try_get("partition")?;
    Ok(PendingDebit {
        partition: Partition::try_from(partition).map_err(|error| sqlx::Error::Decode(error.into()))?,
        order_id: OrderId::from_uuid(row.try_get("order_id")?),
        node: row.try_get::<&str, _>("node")?.into(),
        decided_at: row.try_get("decided_at")?,
        deadline_at: row.try_get("deadline_at")?,
        late: row.try_get("late")?,
    })
}

const FIND: &str = "SELECT entry FROM {s}.pending_orders WHERE order_id = $1 AND kind = 1";

/// The debit of an undecided order.
pub async fn find_debit(db: &Db, order_id: OrderId) -> Result<Option<Entry>, sqlx::Error> {
    let found = sqlx::query_scalar::<_, Json<Entry>>(db.sql(FIND)).bind(order_id.uuid());
    Ok(found.fetch_optional(db.pool()).await?.map(|Json(entry)| entry))
}
