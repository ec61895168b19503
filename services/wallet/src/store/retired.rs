//! Day tables that are detached from the log. Each statement here stands alone: detaching without holding anybody up
//! is not allowed inside a transaction.

use super::Days;
use chrono::NaiveDate;
use contracts::log::{LogName, Seq};
use ids::Partition;
use pg::Db;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row};

/// What one partition has in a day table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayPart {
    pub partition: Partition,
    pub rows: i64,
    pub last_seq: Seq,
    /// The accounting days of its rows.
    pub first_day: NaiveDate,
    pub last_day: NaiveDate,
}

/// Reads a whole day table.
pub(crate) async fn list_parts(db: &Db, day: NaiveDate) -> Result<Vec<DayPart>, sqlx::Error> {
    let select = format!(
        "SELECT partition, count(*) AS rows, max(seq) AS last_seq, min(day) AS first_day, max(day) AS last_day
         FROM {}.{} GROUP BY partition ORDER BY partition",
        db.schema(),
        Days::table_of(day),
    );
    let rows = sqlx::query(AssertSqlSafe(select)).fetch_all(db.pool()).await?;
    let part = |row: &sqlx::postgres::PgRow| {
        let number: i16 = row.try_get("partition")?;
        Ok(DayPart {
            partition: Partition::try_from(number).map_err(|error| sqlx::Error::Decode(error.into()))?,
            rows: row.try_get("rows")?,
            last_seq: row.try_get("last_seq")?,
            first_day: row.try_get("first_day")?,
            last_day: row.try_get("last_day")?,
        })
    };
    rows.iter().map(part).collect()
}

const UNCOVERED: &str = "
SELECT count(*) FROM unnest($1::smallint[], $2::bigint[]) AS d (partition, last_seq)
LEFT JOIN {s}.snapshot_heads s ON s.partition = d.partition
LEFT JOIN {s}.log_head_groups g ON g.log = $3 AND g.part_group = d.partition / 8
WHERE coalesce(s.as_of_seq, 0) < d.last_seq AND g.moved_to IS NULL";

/// How many partitions a takeover would still need rows of.
pub(crate) async fn count_uncovered(db: &Db, parts: &[DayPart]) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(db.sql(UNCOVERED))
        .bind(parts.iter().map(|part| part.partition.number()).collect::<Vec<_>>())
        .bind(parts.iter().map(|part| part.last_seq).collect::<Vec<_>>())
        .bind(LogName::Entries.as_str())
        .fetch_one(db.pool())
        .await
}

const IS_PENDING: &str = "
SELECT i.inhdetachpending FROM pg_inherits i WHERE i.inhrelid = to_regclass($1)";

/// Held by the connection that detaches: a second one that finishes its half would wait for the first, and the first
/// for it.
const TAKE: &str = "SELECT pg_try_advisory_lock(hashtext('{s}.retired'))";

/// The turn of those who make and take out day tables, until the connection ends.
const TAKE_TURN: &str = "SELECT pg_advisory_lock(hashtext('{s}.entries'))";

/// Takes a day table out of the log and puts it into the schema of retired ones, however far that was before. Waits
/// for statements that read the log, and holds nobody up. False, with nothing done, while another does this.
pub(crate) async fn detach(db: &Db, day: NaiveDate) -> Result<bool, sqlx::Error> {
    // A connection of its own: where the caller gives up, the lock lasts as long as the statement.
    let mut own = db.pool().acquire().await?.detach();
    if !sqlx::query_scalar(db.sql(TAKE)).fetch_one(&mut own).await? {
        return Ok(false);
    }
    sqlx::query(db.sql(TAKE_TURN)).execute(&mut own).await?;
    detach_alone(&mut own, db, day).await?;
    own.close().await?;
    Ok(true)
}

async fn detach_alone(own: &mut PgConnection, db: &Db, day: NaiveDate) -> Result<(), sqlx::Error> {
    let (schema, table) = (db.schema(), Days::table_of(day));
    let pending: Option<bool> =
        sqlx::query_scalar(IS_PENDING).bind(format!("{schema}.{table}")).fetch_optional(&mut *own).await?;
    let how = match pending {
        Some(false) => Some("CONCURRENTLY"),
        Some(true) => Some("FINALIZE"), // It was cut off half way.
        None => None,
    };
    if let Some(how) = how {
        run(own, format!("ALTER TABLE {schema}.entries DETACH PARTITION {schema}.{table} {how}")).await?;
    }
    run(own, format!("CREATE SCHEMA IF NOT EXISTS {schema}_retired")).await?;
    run(own, format!("ALTER TABLE {schema}.{table} SET SCHEMA {schema}_retired")).await
}

async fn run(own: &mut PgConnection, statement: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(own).await.map(drop)
}
