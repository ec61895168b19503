//! A group's heads move to another database of the same service. The only SQL on `moved_to`.
//!
//! At every instant at most one database lets a writer take a group over: it is closed in the old one, by its own
//! row and a raised epoch, before the new one opens it. In between nobody writes it. What else a service keeps of
//! the group's partitions is the service's to copy.

use chrono::{DateTime, Utc};
use contracts::log::{Epoch, LogName, Seq};
use ids::PartitionGroup;
use pg::Db;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, FromRow, PgConnection, Row};

/// What stands in `moved_to` of groups that were never here.
const NEVER_HERE: &str = "elsewhere";

/// Partitions of a group.
const LEN: usize = 8;

/// A group's heads as one row, an element a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupHead {
    pub epochs: Vec<Epoch>,
    pub owners: Vec<String>,
    pub closed_until: Vec<DateTime<Utc>>,
    pub relayed_seqs: Vec<Seq>,
    pub last_seqs: Vec<Seq>,
    pub last_decided_at: DateTime<Utc>,
    /// Where the group's log goes on, if not here.
    pub moved_to: Option<String>,
}

impl FromRow<'_, PgRow> for GroupHead {
    fn from_row(row: &PgRow) -> Result<GroupHead, sqlx::Error> {
        Ok(GroupHead {
            epochs: row.try_get("epochs")?,
            owners: row.try_get("owners")?,
            closed_until: row.try_get("closed_until")?,
            relayed_seqs: row.try_get("relayed_seqs")?,
            last_seqs: row.try_get("last_seqs")?,
            last_decided_at: row.try_get("last_decided_at")?,
            moved_to: row.try_get("moved_to")?,
        })
    }
}

impl GroupHead {
    /// The heads of a group that nobody has written yet.
    pub fn unwritten() -> GroupHead {
        GroupHead {
            epochs: vec![0; LEN],
            owners: vec![String::new(); LEN],
            closed_until: vec![DateTime::UNIX_EPOCH; LEN],
            relayed_seqs: vec![0; LEN],
            last_seqs: vec![0; LEN],
            last_decided_at: DateTime::UNIX_EPOCH,
            moved_to: None,
        }
    }

    /// Whether nothing of `other` is newer than this.
    pub fn covers(&self, other: &GroupHead) -> bool {
        let at_least = |mine: &[i64], theirs: &[i64]| mine.iter().zip(theirs).all(|(m, t)| m >= t);
        at_least(&self.epochs, &other.epochs) && at_least(&self.last_seqs, &other.last_seqs)
    }
}

const PUT: &str = "
INSERT INTO {s}.log_head_groups AS h
    (log, part_group, epochs, owners, closed_until, relayed_seqs, last_seqs, last_decided_at, moved_to)
SELECT $1, part_group, array_fill(0::bigint, '{8}'), array_fill(''::text, '{8}'),
    array_fill(to_timestamp(0), '{8}'), array_fill(0::bigint, '{8}'), array_fill(0::bigint, '{8}'),
    to_timestamp(0), $3
FROM unnest($2::smallint[]) AS part_group
ON CONFLICT (log, part_group)";

/// Says that what nobody has written here lies elsewhere: this database takes only groups that are moved to it.
/// Changes nothing where it was said before.
///
/// # Errors
/// Whatever the database says.
pub async fn stand_by(db: &Db, log: LogName) -> Result<(), sqlx::Error> {
    let groups: Vec<i16> = PartitionGroup::all().map(PartitionGroup::number).collect();
    let put = format!("{PUT} DO NOTHING").replace("{s}", db.schema());
    let put = sqlx::query(AssertSqlSafe(put)).bind(log.as_str()).bind(groups).bind(NEVER_HERE);
    put.execute(db.pool()).await.map(drop)
}

const FIND: &str = "
SELECT epochs, owners, closed_until, relayed_seqs, last_seqs, last_decided_at, moved_to
FROM {s}.log_head_groups WHERE log = $1 AND part_group = $2";

/// A group's heads, if anybody has written it or said that it lies elsewhere.
///
/// # Errors
/// Whatever the database says.
pub async fn find_group_head(
    db: &Db,
    log: LogName,
    group: PartitionGroup,
) -> Result<Option<GroupHead>, sqlx::Error> {
    sqlx::query_as(db.sql(FIND)).bind(log.as_str()).bind(group.number()).fetch_optional(db.pool()).await
}

/// Says that a group is about to move to `place`: its owner lets go of it as soon as that is clean, and nobody
/// takes it over. Changes nothing where it lies elsewhere already.
///
/// # Errors
/// Whatever the database says.
pub async fn begin_leaving(
    db: &Db,
    log: LogName,
    group: PartitionGroup,
    place: &str,
) -> Result<(), sqlx::Error> {
    let put = format!("{PUT} DO UPDATE SET moved_to = $3 WHERE h.moved_to IS NULL");
    let put = sqlx::query(AssertSqlSafe(put.replace("{s}", db.schema())));
    put.bind(log.as_str()).bind([group.number()]).bind(place).execute(db.pool()).await.map(drop)
}

/// Takes [`begin_leaving`] back, and [`fence_out`] too: the group is written here again. Only for who knows that it
/// was opened nowhere else.
///
/// # Errors
/// Whatever the database says.
pub async fn stay(db: &Db, log: LogName, group: PartitionGroup) -> Result<(), sqlx::Error> {
    let stays = "UPDATE {s}.log_head_groups SET moved_to = NULL WHERE log = $1 AND part_group = $2";
    sqlx::query(db.sql(stays)).bind(log.as_str()).bind(group.number()).execute(db.pool()).await.map(drop)
}

const IS_CLAIMED: &str = "SELECT EXISTS (SELECT FROM {s}.log_groups WHERE log = $1 AND part_group = $2)";

/// Whether a node has not let go of a group yet.
///
/// # Errors
/// Whatever the database says.
pub async fn is_claimed(db: &Db, log: LogName, group: PartitionGroup) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(db.sql(IS_CLAIMED)).bind(log.as_str()).bind(group.number()).fetch_one(db.pool()).await
}

// The claim first, then the head, as a takeover locks them.
const END_CLAIM: &str = "DELETE FROM {s}.log_groups WHERE log = $1 AND part_group = $2";

const FENCE_OUT: &str = "
UPDATE {s}.log_head_groups h SET epochs = ARRAY(
    SELECT CASE WHEN e.epoch > 0 THEN e.epoch + 1 ELSE 0 END
    FROM unnest(h.epochs) WITH ORDINALITY AS e (epoch, slot) ORDER BY e.slot)
WHERE log = $1 AND part_group = $2 AND moved_to IS NOT NULL
RETURNING epochs, owners, closed_until, relayed_seqs, last_seqs, last_decided_at, moved_to";

/// Shuts a group that is leaving, whoever still holds it: after this nobody adds a row here. Returns its last heads;
/// `None` where it is not leaving.
///
/// # Errors
/// Whatever the database says.
pub async fn fence_out(
    db: &Db,
    log: LogName,
    group: PartitionGroup,
) -> Result<Option<GroupHead>, sqlx::Error> {
    let mut tx = db.begin().await?;
    sqlx::query(db.sql(END_CLAIM)).bind(log.as_str()).bind(group.number()).execute(&mut *tx).await?;
    let head = sqlx::query_as(db.sql(FENCE_OUT)).bind(log.as_str()).bind(group.number());
    let head = head.fetch_optional(&mut *tx).await?;
    tx.commit().await?;
    Ok(head)
}

/// This crate's other tables, with what is to be copied of a group of partitions.
const COPIED: [(&str, &str); 3] = [
    ("log_epochs", "log = $log AND partition / 8 = $group"),
    ("read_offsets", "partition / 8 = $group"),
    ("reader_stops", "partition / 8 = $group"),
];

// The epochs rise again, so that by them alone a group that was opened here is newer than what it left behind.
const ARRIVE: &str = "
UPDATE {s}.log_head_groups SET epochs = ARRAY(
        SELECT e.epoch + 1 FROM unnest($3::bigint[]) WITH ORDINALITY AS e (epoch, slot) ORDER BY e.slot), owners = $4, closed_until = $5, relayed_seqs = $6, last_seqs = $7,
    last_decided_at = $8, moved_to = NULL
WHERE log = $1 AND part_group = $2 AND moved_to IS NOT NULL";

/// Opens a group here, with the heads it left `from` with, its epochs, and how far this service's readers are.
/// `false` where it was open already; nothing is changed then.
///
/// # Errors
/// Whatever the databases say; the transaction is to be rolled back.
pub async fn arrive_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    from: &Db,
    (log, group): (LogName, PartitionGroup),
    head: &GroupHead,
) -> Result<bool, sqlx::Error> {
    let arrived = sqlx::query(db.sql(ARRIVE))
        .bind(log.as_str())
        .bind(group.number())
        .bind(&head.epochs)
        .bind(&head.owners)
        .bind(&head.closed_until)
        .bind(&head.relayed_seqs)
        .bind(&head.last_seqs)
        .bind(head.last_decided_at)
        .execute(&mut *tx)
        .await?;
    if arrived.rows_affected() == 0 {
        return Ok(false);
    }
    let mut source = from.pool().acquire().await?;
    for (table, which) in COPIED {
        let log = format!("'{log}'");
        let which = which.replace("$log", &log).replace("$group", &group.to_string());
        let schema = db.schema();
        let forget = format!("DELETE FROM {schema}.{table} WHERE {which}");
        sqlx::query(AssertSqlSafe(forget)).execute(&mut *tx).await?;
        let select = format!("SELECT * FROM {}.{table} WHERE {which}", from.schema());
        pg::copy_rows(&mut source, &select, tx, &format!("{schema}.{table}")).await?;
    }
    Ok(true)
}
