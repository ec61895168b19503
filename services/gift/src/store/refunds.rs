//! Refunds owed for orders that were never shown. A row is gone once the coins are back.

use contracts::entry::{Entry, Outcome};
use ids::{OrderId, Partition, Uuid, ViewerId};
use pg::Db;
use sqlx::types::Json;
use sqlx::{PgConnection, Row};

/// One refund to ask the wallet for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefundDue {
    pub order_id: OrderId,
    pub partition: Partition,
    pub viewer_id: ViewerId,
}

const INSERT: &str = "
INSERT INTO {s}.refunds_due (order_id, partition, viewer_id)
SELECT * FROM unnest($1::uuid[], $2::smallint[], $3::uuid[])";

/// Notes refunds as owed, with the rows that say so.
pub async fn insert_in_tx(tx: &mut PgConnection, db: &Db, due: &[RefundDue]) -> Result<(), sqlx::Error> {
    if due.is_empty() {
        return Ok(());
    }
    sqlx::query(db.sql(INSERT))
        .bind(due.iter().map(|due| due.order_id.uuid()).collect::<Vec<_>>())
        .bind(due.iter().map(|due| due.partition.number()).collect::<Vec<_>>())
        .bind(due.iter().map(|due| due.viewer_id.uuid()).collect::<Vec<_>>())
        .execute(tx)
        .await?;
    Ok(())
}

/// Removes what has come back.
pub async fn delete_in_tx(tx: &mut PgConnection, db: &Db, order_ids: &[OrderId]) -> Result<(), sqlx::Error> {
    if order_ids.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = order_ids.iter().map(|id| id.uuid()).collect();
    sqlx::query(db.sql("DELETE FROM {s}.refunds_due WHERE order_id = ANY($1)")).bind(ids).execute(tx).await?;
    Ok(())
}

const PUT_ASIDE: &str = "
INSERT INTO {s}.strange_refunds (partition, entry_seq, order_id, entry)
SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::uuid[], $4::jsonb[])";

/// Keeps refunds of orders that gift knows nothing of.
pub async fn put_aside_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    strange: &[(OrderId, Entry)],
) -> Result<(), sqlx::Error> {
    if strange.is_empty() {
        return Ok(());
    }
    sqlx::query(db.sql(PUT_ASIDE))
        .bind(strange.iter().map(|(_, entry)| entry.stamp.partition.number()).collect::<Vec<_>>())
        .bind(strange.iter().map(|(_, entry)| entry.stamp.seq).collect::<Vec<_>>())
        .bind(strange.iter().map(|(order_id, _)| order_id.uuid()).collect::<Vec<_>>())
        .bind(strange.iter().map(|(_, entry)| Json(entry)).collect::<Vec<_>>())
        .execute(tx)
        .await?;
    Ok(())
}

const LIST: &str = "
SELECT order_id, partition, viewer_id FROM {s}.refunds_due WHERE outcome IS NULL ORDER BY order_id LIMIT $1";

/// Refunds the wallet has not answered yet, oldest first.
pub async fn list_unanswered(db: &Db, limit: i64) -> Result<Vec<RefundDue>, sqlx::Error> {
    let rows = sqlx::query(db.sql(LIST)).bind(limit).fetch_all(db.pool()).await?;
    rows.iter()
        .map(|row| {
            let partition: i16 = row.try_get("partition")?;
            Ok(RefundDue {
                order_id: OrderId::from_uuid(row.try_get("order_id")?),
                partition: Partition::try_from(partition)
                    .map_err(|error| sqlx::Error::Decode(error.into()))?,
                viewer_id: ViewerId::from_uuid(row.try_get("viewer_id")?),
            })
        })
        .collect()
}

const ANSWERED: &str = "
UPDATE {s}.refunds_due d SET outcome = a.outcome
FROM unnest($1::uuid[], $2::smallint[]) AS a (order_id, outcome) WHERE d.order_id = a.order_id";

/// Keeps the wallet's answers, so that nothing is asked again. A row may be gone already: its entry was faster.
pub async fn save_answers(db: &Db, answers: &[(OrderId, Outcome)]) -> Result<(), sqlx::Error> {
    sqlx::query(db.sql(ANSWERED))
        .bind(answers.iter().map(|(order_id, _)| order_id.uuid()).collect::<Vec<_>>())
        .bind(answers.iter().map(|(_, outcome)| outcome.code()).collect::<Vec<_>>())
        .execute(db.pool())
        .await?;
    Ok(())
}
