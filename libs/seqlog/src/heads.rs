//! Heads: who writes a partition, and how far it is. The only SQL that writes `log_head_groups` and `log_epochs`.
//!
//! A row holds a group's eight heads, and one writer's appends, marks and fences follow each other, so two writers
//! meet at a row only while one of them is being deposed. A head that does not advance means that the writer was
//! deposed. Taking over raises the epoch, commits, and only then reads.

use crate::appender::AppendError;
use crate::source::Insert;
use chrono::{DateTime, Utc};
use contracts::log::{Epoch, EpochStart, HeadMark, LogName, Seq};
use ids::{Partition, Uuid};
use pg::Db;
use sqlx::postgres::{PgDatabaseError, PgRow};
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
    /// The partition's group is another node's, or nobody's, or goes on in another database; or the epoch this
    /// writer held is no longer the newest.
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
    INSERT INTO {s}.log_head_groups AS h
        (log, part_group, epochs, owners, closed_until, relayed_seqs, last_seqs, last_decided_at)
    SELECT $1, $4, ARRAY(SELECT CASE slot WHEN $7 THEN 1 ELSE 0 END::bigint FROM generate_series(1, 8) slot),
        ARRAY(SELECT CASE slot WHEN $7 THEN $3 ELSE '' END FROM generate_series(1, 8) slot),
        array_fill(to_timestamp(0), '{8}'), array_fill(0::bigint, '{8}'), array_fill(0::bigint, '{8}'),
        to_timestamp(0)
    WHERE $5::uuid IS NULL OR EXISTS (SELECT FROM claim)
    ON CONFLICT (log, part_group) DO UPDATE SET epochs[$7] = h.epochs[$7] + 1, owners[$7] = $3
    WHERE h.moved_to IS NULL AND ($6::bigint IS NULL OR h.epochs[$7] = $6)
    RETURNING epochs[$7] AS epoch, last_seqs[$7] AS last_seq, last_decided_at, closed_until[$7] AS closed_until,
        relayed_seqs[$7] AS relayed_seq
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
        .bind(partition.slot())
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

/// The SQLSTATE of `log_advance` and `log_all_advanced`.
const DEPOSED: &str = "LG001";

/// Which of some heads, in partition order, are whose group's: from and to, counted from 1.
#[derive(Debug, Default)]
struct Groups {
    groups: Vec<i16>,
    firsts: Vec<i32>,
    lasts: Vec<i32>,
}

impl Groups {
    fn of(partitions: impl Iterator<Item = Partition>) -> Groups {
        let mut found = Groups::default();
        for (place, partition) in (1..).zip(partitions) {
            if found.groups.last() != Some(&partition.group().number()) {
                found.groups.push(partition.group().number());
                found.firsts.push(place);
                found.lasts.push(place);
            }
            if let Some(last) = found.lasts.last_mut() {
                *last = place;
            }
        }
        found
    }
}

/// Advances heads and runs `insert`, in one statement: one round trip, and alone it is a whole transaction. An error
/// of the server means that nothing of it happened. `advances` are in partition order.
///
/// # Errors
/// [`AppendError::Deposed`] with partitions whose head did not advance, of one group at least; [`AppendError::Db`].
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
    let Groups { groups, firsts, lasts } = Groups::of(advances.iter().map(|advance| advance.partition));
    // Run to the end, not to the first row: it is durable when the server is ready for the next.
    let appended = sqlx::query_with(AssertSqlSafe(sql), arguments)
        .bind(log.as_str())
        .bind(partitions)
        .bind(column(|a| a.epoch))
        .bind(column(|a| a.expected_seq))
        .bind(column(|a| a.last_seq))
        .bind(advances.iter().map(|a| a.last_decided_at).max())
        .bind(groups)
        .bind(firsts)
        .bind(lasts)
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

// The select is what runs first, and what it selects from is the update: heads are locked before a row goes in. Two
// writers of one group exist only while one of them is being deposed; if they should cross, the server ends one.
fn append_sql(db: &Db, insert: &str, bound: usize) -> String {
    let [log, partition, epoch, expected_seq, last_seq, decided_at, group, first, last] =
        [1, 2, 3, 4, 5, 6, 7, 8, 9].map(|n| bound + n);
    let schema = db.schema();
    format!(
        "WITH advanced AS (
            UPDATE {schema}.log_head_groups g SET
                last_seqs = {schema}.log_advance(g.epochs, g.last_seqs, ${partition}::smallint[],
                    ${epoch}::bigint[], ${expected_seq}::bigint[], ${last_seq}::bigint[], w.first, w.last),
                last_decided_at = greatest(g.last_decided_at, ${decided_at}::timestamptz)
            FROM (SELECT unnest(${group}::smallint[]) AS part_group, unnest(${first}::integer[]) AS first,
                    unnest(${last}::integer[]) AS last) w
            WHERE g.log = ${log} AND g.part_group = w.part_group
            RETURNING g.part_group
        ), inserted AS ({insert})
        SELECT {schema}.log_all_advanced(${partition}, ${group}, array_agg(part_group)) FROM advanced"
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
UPDATE {s}.log_head_groups g SET (closed_until, relayed_seqs) = (
    SELECT m.closed, m.relayed FROM {s}.log_mark(g.epochs, g.last_seqs, g.closed_until, g.relayed_seqs,
        $2::smallint[], $3::bigint[], $4::timestamptz[], $5::bigint[], w.first, w.last) m)
FROM (SELECT unnest($6::smallint[]) AS part_group, unnest($7::integer[]) AS first, unnest($8::integer[]) AS last) w
WHERE g.log = $1 AND g.part_group = w.part_group
RETURNING g.part_group, g.epochs";

/// Saves closed times and relayed seqs of some heads, in partition order, in one statement; returns the lost ones.
pub(crate) async fn save_marks(db: &Db, log: LogName, heads: &[Head]) -> Result<Vec<Partition>, sqlx::Error> {
    let Groups { groups, firsts, lasts } = Groups::of(heads.iter().map(|head| head.partition));
    let rows = sqlx::query(db.sql(SAVE_MARKS))
        .bind(log.as_str())
        .bind(heads.iter().map(|head| head.partition.number()).collect::<Vec<_>>())
        .bind(heads.iter().map(|head| head.epoch).collect::<Vec<_>>())
        .bind(heads.iter().map(|head| head.closed_until).collect::<Vec<_>>())
        .bind(heads.iter().map(|head| head.relayed_seq).collect::<Vec<_>>())
        .bind(groups)
        .bind(firsts)
        .bind(lasts)
        .fetch_all(db.pool())
        .await?;
    lost_among(heads.iter().map(|head| (head.partition, head.epoch)), &rows)
}

/// The partitions whose epoch in `rows` of groups is not the writer's.
fn lost_among(
    held: impl Iterator<Item = (Partition, Epoch)>,
    rows: &[PgRow],
) -> Result<Vec<Partition>, sqlx::Error> {
    let epochs_of = |row: &PgRow| Ok((row.try_get("part_group")?, row.try_get("epochs")?));
    let found = rows.iter().map(epochs_of).collect::<Result<Vec<(i16, Vec<Epoch>)>, sqlx::Error>>()?;
    let is_lost = |(partition, epoch): &(Partition, Epoch)| {
        let of_group = found.iter().find(|(group, _)| *group == partition.group().number());
        let place = usize::try_from(partition.slot() - 1).unwrap_or_default();
        of_group.and_then(|(_, epochs)| epochs.get(place)) != Some(epoch)
    };
    Ok(held.filter(is_lost).map(|(partition, _)| partition).collect())
}

const FENCE: &str = "
SELECT part_group, epochs FROM {s}.log_head_groups WHERE log = $1 AND part_group = ANY($2)
ORDER BY part_group FOR SHARE";

/// Holds heads still for this transaction where nothing is appended, so that a deposed writer cannot add or change
/// what its successor has already read. Returns the partitions this writer no longer holds.
///
/// # Errors
/// Whatever the database says; the transaction must be rolled back.
pub async fn fence_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    log: LogName,
    held: &[(Partition, Epoch)],
) -> Result<Vec<Partition>, sqlx::Error> {
    if held.is_empty() {
        return Ok(Vec::new());
    }
    let groups = Groups::of(held.iter().map(|(partition, _)| *partition)).groups;
    let rows = sqlx::query(db.sql(FENCE)).bind(log.as_str()).bind(groups).fetch_all(tx).await?;
    lost_among(held.iter().copied(), &rows)
}

const FIND_HEAD: &str = "
SELECT moved_to, epochs[$3] AS epoch, last_seqs[$3] AS last_seq, closed_until[$3] AS closed_until
FROM {s}.log_head_groups WHERE log = $1 AND part_group = $2";

/// The head as saved, for a pull; nothing written yet is seq 0 of epoch 0. The place it goes on at, where that is
/// another database.
pub(crate) async fn find_mark(
    db: &Db,
    log: LogName,
    partition: Partition,
) -> Result<Result<HeadMark, String>, sqlx::Error> {
    let row = sqlx::query(db.sql(FIND_HEAD))
        .bind(log.as_str())
        .bind(partition.group().number())
        .bind(partition.slot())
        .fetch_optional(db.pool())
        .await?;
    let mut mark = HeadMark { partition, epoch: 0, last_seq: 0, closed_until: DateTime::UNIX_EPOCH };
    let Some(row) = row else { return Ok(Ok(mark)) };
    if let Some(place) = row.try_get("moved_to")? {
        return Ok(Err(place));
    }
    mark.epoch = row.try_get("epoch")?;
    mark.last_seq = row.try_get("last_seq")?;
    mark.closed_until = row.try_get("closed_until")?;
    Ok(Ok(mark))
}

/// Whether a partition's log lies in this database, as far as it was ever written.
///
/// # Errors
/// Whatever the database says.
pub async fn is_here(db: &Db, log: LogName, partition: Partition) -> Result<bool, sqlx::Error> {
    Ok(find_mark(db, log, partition).await?.is_ok())
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
