//! How far a reader has applied. An offset moves by compare-and-set, in the transaction of the effect.

use contracts::log::{Epoch, LogName, Seq};
use ids::Partition;
use pg::Db;
use sqlx::{PgConnection, Row};
use std::collections::HashMap;

/// One partition's move from a known place to a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetMove {
    pub partition: Partition,
    pub from_seq: Seq,
    pub to_seq: Seq,
    pub to_epoch: Epoch,
}

const READ: &str = "
SELECT partition, epoch, seq FROM {s}.read_offsets WHERE reader = $1 AND log = $2";

/// Every offset of one reader of one log: (epoch, seq) by partition. A partition never read is absent.
///
/// # Errors
/// Whatever the database says.
pub async fn read_offsets(
    db: &Db,
    reader: &str,
    log: LogName,
) -> Result<HashMap<Partition, (Epoch, Seq)>, sqlx::Error> {
    let rows = sqlx::query(db.sql(READ)).bind(reader).bind(log.as_str()).fetch_all(db.pool()).await?;
    rows.iter()
        .map(|row| {
            let number: i16 = row.try_get("partition")?;
            let partition = Partition::try_from(number).map_err(|e| sqlx::Error::Decode(e.into()))?;
            Ok((partition, (row.try_get("epoch")?, row.try_get("seq")?)))
        })
        .collect()
}

const MOVE: &str = "
INSERT INTO {s}.read_offsets AS o (reader, log, partition, epoch, seq)
SELECT $1, $2, m.partition, m.to_epoch, m.to_seq
FROM unnest($3::smallint[], $4::bigint[], $5::bigint[], $6::bigint[]) AS m (partition, from_seq, to_seq, to_epoch)
ORDER BY m.partition
ON CONFLICT (reader, log, partition) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq
WHERE o.seq = (SELECT m.from_seq FROM unnest($3::smallint[], $4::bigint[]) AS m (partition, from_seq)
               WHERE m.partition = o.partition)
RETURNING partition";

/// Moves offsets, all or (by rolling back) none; returns the partitions that were not where this reader
/// thought: another instance moved them, and the transaction must be rolled back.
///
/// # Errors
/// Whatever the database says.
pub async fn move_offsets_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    reader: &str,
    log: LogName,
    moves: &[OffsetMove],
) -> Result<Vec<Partition>, sqlx::Error> {
    let column = |of: fn(&OffsetMove) -> i64| moves.iter().map(of).collect::<Vec<_>>();
    let moved = sqlx::query_scalar::<_, i16>(db.sql(MOVE))
        .bind(reader)
        .bind(log.as_str())
        .bind(moves.iter().map(|m| m.partition.number()).collect::<Vec<_>>())
        .bind(column(|m| m.from_seq))
        .bind(column(|m| m.to_seq))
        .bind(column(|m| m.to_epoch))
        .fetch_all(tx)
        .await?;
    Ok(moves.iter().map(|m| m.partition).filter(|p| !moved.contains(&p.number())).collect())
}
