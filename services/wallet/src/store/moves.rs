//! What is copied of a partition that moves to another database, each piece compared before it stays.

use super::Days;
use chrono::NaiveDate;
use contracts::log::Seq;
use ids::Partition;
use pg::Db;
use sqlx::{PgConnection, PgPool};

/// The day tables of this database's log.
pub(crate) async fn list_days(db: &Db) -> Result<Vec<NaiveDate>, sqlx::Error> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = to_regclass($1 || '.entries') ORDER BY 1",
    )
    .bind(db.schema())
    .fetch_all(db.pool())
    .await?;
    Ok(tables.iter().filter_map(|table| Days::day_of(table)).collect())
}

/// The last seq of a partition in this table, whatever a head says.
pub(crate) async fn find_last_seq(db: &Db, partition: Partition) -> Result<Seq, sqlx::Error> {
    let last = "SELECT coalesce(max(seq), 0) FROM {s}.entries WHERE partition = $1";
    sqlx::query_scalar(db.sql(last)).bind(partition.number()).fetch_one(db.pool()).await
}

/// How many rows there are of a range, what their available coins changed by, and a sum over their whole text.
type Digest = (i64, i64, i64);

async fn digest(
    connection: &mut PgConnection,
    db: &Db,
    partition: Partition,
    (after, upto): (Seq, Seq),
) -> Result<Digest, sqlx::Error> {
    sqlx::query_as(db.sql(
        "SELECT count(*), coalesce(sum(e.paid_delta_coins + e.promo_delta_coins), 0)::bigint,
            coalesce(bit_xor(hashtextextended(e::text, 0)), 0)
         FROM {s}.entries e WHERE e.partition = $1 AND e.seq > $2 AND e.seq <= $3",
    ))
    .bind(partition.number())
    .bind(after)
    .bind(upto)
    .fetch_one(connection)
    .await
}

/// Copies entries with a seq above the first and up to the second, and keeps them if both databases then say the same
/// of them. `false` where they differ; nothing stays then.
pub(crate) async fn copy_entries(
    from: &Db,
    to: &Db,
    partition: Partition,
    range: (Seq, Seq),
) -> Result<bool, sqlx::Error> {
    let mut source = from.pool().acquire().await?;
    let mut tx = to.begin().await?;
    let (after, upto) = range;
    let select = format!(
        "SELECT * FROM {}.entries WHERE partition = {partition} AND seq > {after} AND seq <= {upto}",
        from.schema()
    );
    pg::copy_rows(&mut source, &select, &mut tx, &format!("{}.entries", to.schema())).await?;
    let copied = digest(&mut tx, to, partition, range).await?;
    let is_whole = copied == digest(&mut source, from, partition, range).await?;
    if is_whole {
        tx.commit().await?;
    } else {
        tx.rollback().await?;
    }
    Ok(is_whole)
}

/// Copies a partition's snapshot as of one instant, in place of what is there; returns how many accounts.
pub(crate) async fn copy_accounts(from: &Db, to: &Db, partition: Partition) -> Result<u64, sqlx::Error> {
    let mut source = repeatable(&from.pool()).await?;
    let mut tx = to.begin().await?;
    let mut copied = 0;
    for table in ["accounts", "account_changes", "snapshot_heads"] {
        let (here, there) = (format!("{}.{table}", from.schema()), format!("{}.{table}", to.schema()));
        let forget = format!("DELETE FROM {there} WHERE partition = {partition}");
        sqlx::query(sqlx::AssertSqlSafe(forget)).execute(&mut *tx).await?;
        let select = format!("SELECT * FROM {here} WHERE partition = {partition}");
        let rows = pg::copy_rows(&mut source, &select, &mut tx, &there).await?;
        copied = copied.max(rows);
    }
    tx.commit().await?;
    source.rollback().await?;
    Ok(copied)
}

/// A transaction whose statements all see one instant.
async fn repeatable(pool: &PgPool) -> Result<sqlx::Transaction<'static, sqlx::Postgres>, sqlx::Error> {
    pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await
}
