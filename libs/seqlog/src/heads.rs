//! Heads: who writes a partition, and how far it is. The only SQL on `log_heads` and `log_epochs`.
//!
//! Lock order: heads lock in partition order, always. A head that does not advance means that the writer was
//! deposed. Taking over raises the epoch, commits, and only then reads.

use crate::appender::AppendError;
use crate::source::Insert;
use chrono::{DateTime, Utc};
use contracts::log::{Epoch, EpochStart, HeadMark, LogName, Seq};
use ids::{Partition, Uuid};
use pg::Db;
use sqlx::postgres::PgDatabaseError;
use sqlx::{Arguments, AssertSqlSafe, Execute, PgConnection, Row};

/// One partition as its writer knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub partition: Partition,
    pub epoch: Epoch,
    /// Where this epoch began.
    pub epoch_start: EpochStart,
    pub last_seq: Seq,
    pub last_decided_at: DateTime<Utc>,
    pub closed_until: DateTime<Utc>,
    pub relayed_seq: Seq,
}

impl Head {
    /// The partition's own time: it never runs back, not at a takeover and not with a wrong clock.
    pub fn now(&self, clock: DateTime<Utc>) -> DateTime<Utc> {
        clock.max(self.last_decided_at).max(self.closed_until)
    }

    /// What is published about this head.
    pub fn mark(&self) -> HeadMark {
        HeadMark {
            partition: self.partition,
            epoch: self.epoch,
            last_seq: self.last_seq,
            closed_until: self.closed_until,
        }
    }
}

/// How a takeover ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakeOver {
    Taken(Head),
    /// The partition's group is another node's, or nobody's; or the epoch this writer held is no longer the newest.
    NotOurs,
}

/// When a takeover may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// As long as this instance's claim on the group stands; nobody competes where there is none.
    Claimed(Option<Uuid>),
    /// Only if this writer still holds this epoch: the way back from an unknown COMMIT.
    StillMine(Epoch),
}

// One statement, so one round trip: the claim is locked first, so that it cannot become another's before this
// commits; then the head, which waits for the deposed writer.
const TAKE_OVER: &str = "
WITH claim AS MATERIALIZED (
    SELECT g.part_group FROM {s}.log_groups g
    WHERE g.log = $1 AND g.part_group = $4 AND g.instance = $5 FOR SHARE
), head AS (
    INSERT INTO {s}.log_heads AS h
        (log, partition, epoch, last_seq, last_decided_at, closed_until, relayed_seq, owner)
    SELECT $1, $2, 1, 0, to_timestamp(0), to_timestamp(0), 0, $3
    WHERE $5::uuid IS NULL OR EXISTS (SELECT FROM claim)
    ON CONFLICT (log, partition) DO UPDATE SET epoch = h.epoch + 1, owner = $3
    WHERE $6::bigint IS NULL OR h.epoch = $6
    RETURNING epoch, last_seq, last_decided_at, closed_until, relayed_seq
), began AS (
    INSERT INTO {s}.log_epochs (log, partition, epoch, first_seq, owner)
    SELECT $1, $2, epoch, last_seq + 1, $3 FROM head
)
SELECT epoch, last_seq, last_decided_at, closed_until, relayed_seq FROM head";

/// Raises one partition's epoch, and commits. Waits for any transaction of the deposed writer, so that what
/// is read afterwards includes it or will never include it.
pub(crate) async fn take_over(
    db: &Db,
    log: LogName,
    partition: Partition,
    owner: &str,
    when: When,
) -> Result<TakeOver, sqlx::Error> {
    let (instance, still_mine) = match when {
        When::Claimed(instance) => (instance, None),
        When::StillMine(epoch) => (None, Some(epoch)),
    };
    let row = sqlx::query(db.sql(TAKE_OVER))
        .bind(log.as_str())
        .bind(partition.number())
        .bind(owner)
        .bind(partition.group().number())
        .bind(instance)
        .bind(still_mine)
        .fetch_optional(db.pool())
        .await?;
    let Some(row) = row else { return Ok(TakeOver::NotOurs) };
    let (epoch, last_seq): (Epoch, Seq) = (row.try_get("epoch")?, row.try_get("last_seq")?);
    Ok(TakeOver::Taken(Head {
        partition,
        epoch,
        epoch_start: EpochStart { epoch, first_seq: last_seq + 1 },
        last_seq,
        last_decided_at: row.try_get("last_decided_at")?,
        closed_until: row.try_get("closed_until")?,
        relayed_seq: row.try_get("relayed_seq")?,
    }))
}

/// One head's step forward in an append.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Advance {
    pub partition: Partition,
    pub epoch: Epoch,
    pub expected_seq: Seq,
    pub last_seq: Seq,
    pub last_decided_at: DateTime<Utc>,
}

/// The SQLSTATE of `log_all_advanced`.
const DEPOSED: &str = "LG001";

/// Advances heads in partition order and runs `insert`, in one statement: one round trip, and alone it is a whole
/// transaction. An error of the server means that nothing of it happened.
///
/// # Errors
/// [`AppendError::Deposed`] with the partitions whose head did not advance; [`AppendError::Db`].
pub(crate) async fn append(
    connection: &mut PgConnection,
    db: &Db,
    log: LogName,
    mut insert: Insert,
    advances: &[Advance],
) -> Result<(), AppendError> {
    let arguments = insert.take_arguments().map_err(sqlx::Error::Encode)?.unwrap_or_default();
    let sql = append_sql(db, insert.sql().as_str(), arguments.len());
    let column = |of: fn(&Advance) -> i64| advances.iter().map(of).collect::<Vec<_>>();
    let partitions = advances.iter().map(|advance| advance.partition.number()).collect::<Vec<_>>();
    // Run to the end, not to the first row: it is durable when the server is ready for the next.
    let appended = sqlx::query_with(AssertSqlSafe(sql), arguments)
        .bind(log.as_str())
        .bind(partitions)
        .bind(column(|a| a.epoch))
        .bind(column(|a| a.expected_seq))
        .bind(column(|a| a.last_seq))
        .bind(advances.iter().map(|a| a.last_decided_at).collect::<Vec<_>>())
        .execute(connection)
        .await;
    match appended {
        Ok(_) => Ok(()),
        Err(error) => match deposed_in(&error, advances) {
            Some(lost) => Err(AppendError::Deposed(lost)),
            None => Err(AppendError::Db(error)),
        },
    }
}

// The select is what runs first, and what it selects from is the update: heads are locked before a row goes in, and
// in partition order, because they are looked up one by one as the arrays name them. Two writers of one partition
// exist only while one of them is being deposed; if they should still cross, the server ends one.
fn append_sql(db: &Db, insert: &str, bound: usize) -> String {
    let [log, partition, epoch, expected_seq, last_seq, decided_at] = [1, 2, 3, 4, 5, 6].map(|n| bound + n);
    let schema = db.schema();
    format!(
        "WITH advanced AS (
            UPDATE {schema}.log_heads h SET last_seq = w.last_seq, last_decided_at = w.last_decided_at
            FROM (SELECT unnest(${partition}::smallint[]) AS partition, unnest(${epoch}::bigint[]) AS epoch,
                    unnest(${expected_seq}::bigint[]) AS expected_seq, unnest(${last_seq}::bigint[]) AS last_seq,
                    unnest(${decided_at}::timestamptz[]) AS last_decided_at) w
            WHERE h.log = ${log} AND h.partition = w.partition AND h.epoch = w.epoch
                AND h.last_seq = w.expected_seq
            RETURNING h.partition
        ), inserted AS ({insert})
        SELECT {schema}.log_all_advanced(${partition}, array_agg(partition)) FROM advanced"
    )
}

/// The partitions that the statement found held by another writer.
fn deposed_in(error: &sqlx::Error, advances: &[Advance]) -> Option<Vec<Partition>> {
    let error = error.as_database_error()?.try_downcast_ref::<PgDatabaseError>()?;
    if error.code() != DEPOSED {
        return None;
    }
    let named: Vec<&str> = error.detail().unwrap_or_default().split(',').collect();
    let all = advances.iter().map(|advance| advance.partition);
    Some(all.filter(|partition| named.contains(&partition.number().to_string().as_str())).collect())
}

const SAVE_MARKS: &str = "
WITH wanted AS (
    SELECT * FROM unnest($2::smallint[], $3::bigint[], $4::timestamptz[], $5::bigint[])
        AS w (partition, epoch, closed_until, relayed_seq)
), mine AS (
    SELECT h.partition, w.closed_until, w.relayed_seq
    FROM {s}.log_heads h JOIN wanted w ON w.partition = h.partition
    WHERE h.log = $1 AND h.epoch = w.epoch
    ORDER BY h.partition FOR UPDATE OF h
)
UPDATE {s}.log_heads h SET
    closed_until = greatest(h.closed_until, m.closed_until),
    relayed_seq = greatest(h.relayed_seq, least(m.relayed_seq, h.last_seq))
FROM mine m WHERE h.log = $1 AND h.partition = m.partition
RETURNING h.partition";

/// Saves closed times and relayed seqs of some heads in one statement; returns the lost ones.
pub(crate) async fn save_marks(db: &Db, log: LogName, heads: &[Head]) -> Result<Vec<Partition>, sqlx::Error> {
    let saved = sqlx::query_scalar::<_, i16>(db.sql(SAVE_MARKS))
        .bind(log.as_str())
        .bind(heads.iter().map(|head| head.partition.number()).collect::<Vec<_>>())
        .bind(heads.iter().map(|head| head.epoch).collect::<Vec<_>>())
        .bind(heads.iter().map(|head| head.closed_until).collect::<Vec<_>>())
        .bind(heads.iter().map(|head| head.relayed_seq).collect::<Vec<_>>())
        .fetch_all(db.pool())
        .await?;
    Ok(heads.iter().map(|head| head.partition).filter(|p| !saved.contains(&p.number())).collect())
}

const FIND_HEAD: &str = "
SELECT epoch, last_seq, closed_until FROM {s}.log_heads WHERE log = $1 AND partition = $2";

/// The head as saved, for a pull; nothing written yet is seq 0 of epoch 0.
pub(crate) async fn find_mark(db: &Db, log: LogName, partition: Partition) -> Result<HeadMark, sqlx::Error> {
    let row = sqlx::query(db.sql(FIND_HEAD))
        .bind(log.as_str())
        .bind(partition.number())
        .fetch_optional(db.pool())
        .await?;
    let mut mark = HeadMark { partition, epoch: 0, last_seq: 0, closed_until: DateTime::UNIX_EPOCH };
    if let Some(row) = row {
        mark.epoch = row.try_get("epoch")?;
        mark.last_seq = row.try_get("last_seq")?;
        mark.closed_until = row.try_get("closed_until")?;
    }
    Ok(mark)
}

const LIST_EPOCHS: &str = "
SELECT epoch, first_seq FROM {s}.log_epochs WHERE log = $1 AND partition = $2
    AND first_seq >= (SELECT coalesce(max(first_seq), 0) FROM {s}.log_epochs
                      WHERE log = $1 AND partition = $2 AND first_seq <= $3)
ORDER BY epoch";

/// The epoch in force at `after`, and every later one.
pub(crate) async fn list_epochs(
    db: &Db,
    log: LogName,
    partition: Partition,
    after: Seq,
) -> Result<Vec<EpochStart>, sqlx::Error> {
    let rows = sqlx::query(db.sql(LIST_EPOCHS))
        .bind(log.as_str())
        .bind(partition.number())
        .bind(after)
        .fetch_all(db.pool())
        .await?;
    rows.iter()
        .map(|row| Ok(EpochStart { epoch: row.try_get("epoch")?, first_seq: row.try_get("first_seq")? }))
        .collect()
}
