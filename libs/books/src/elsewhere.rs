//! The wallet's groups may lie in several databases, and its oldest days in the schema of retired ones: the proof sees
//! them as one.
//!
//! What lies in other databases is copied into temporary tables of this session, and views put it beside what lies
//! here. An old copy of a group that has moved on is no part of the books; of a retired day, which no longer says whose
//! copy it is, each row counts once.

use crate::snapshot::{Schema, Snapshot};
use crate::{Invariant, OFFENDERS_MAX};
use contracts::log::LogName;
use sqlx::{AssertSqlSafe, PgConnection, PgPool};

/// The wallet's tables that proofs read.
const TABLES: [&str; 6] =
    ["entries", "accounts", "account_changes", "log_heads", "read_offsets", "reader_stops"];

/// What one database says of one group.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    place: String,
    group: i16,
    is_here: bool,
    rows: i64,
}

/// Where every group is said to lie.
pub(crate) type Placement = Vec<Placed>;

async fn placement_at(
    connection: &mut PgConnection,
    wallet: &str,
    place: &str,
) -> Result<Placement, sqlx::Error> {
    let list = format!(
        "SELECT part_group, moved_to IS NULL, (SELECT coalesce(sum(s), 0)::bigint FROM unnest(last_seqs) s)
         FROM {wallet}.log_head_groups WHERE log = '{}' ORDER BY part_group",
        LogName::Entries
    );
    let rows: Vec<(i16, bool, i64)> = sqlx::query_as(AssertSqlSafe(list)).fetch_all(connection).await?;
    let placed = |(group, is_here, rows)| Placed { place: place.to_owned(), group, is_here, rows };
    Ok(rows.into_iter().map(placed).collect())
}

fn groups_here(placement: &[Placed]) -> String {
    let here = placement.iter().filter(|placed| placed.is_here);
    let numbers: Vec<String> = here.map(|placed| placed.group.to_string()).collect();
    format!("'{{{}}}'::integer[]", numbers.join(","))
}

/// Makes this session's views of the wallet's tables where groups lie in other databases, or are said to. Returns
/// where each lies, and whether there are such views.
pub(crate) async fn gather(
    tx: &mut PgConnection,
    wallet: &str,
    elsewhere: &[PgPool],
) -> Result<(Placement, bool), sqlx::Error> {
    let mut placement = placement_at(tx, wallet, "here").await?;
    let mut retired = entries_of_retired_days(tx, wallet).await?;
    if elsewhere.is_empty() && retired.is_empty() && placement.iter().all(|placed| placed.is_here) {
        return Ok((placement, false));
    }
    let mut views = TABLES.map(|table| {
        format!("SELECT * FROM {wallet}.{table} WHERE partition / 8 = ANY({})", groups_here(&placement))
    });
    for (number, pool) in elsewhere.iter().enumerate() {
        let mut there = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        sqlx::raw_sql("SET LOCAL statement_timeout = 0").execute(&mut *there).await?;
        let placed = placement_at(&mut there, wallet, &pg::place_of(pool)).await?;
        for (table, view) in TABLES.iter().zip(&mut views) {
            let copy = format!("pg_temp.{table}_{number}");
            run(tx, format!("CREATE TEMP TABLE {table}_{number} AS SELECT * FROM {wallet}.{table} LIMIT 0"))
                .await?;
            let rows =
                format!("SELECT * FROM {wallet}.{table} WHERE partition / 8 = ANY({})", groups_here(&placed));
            pg::copy_rows(&mut there, &rows, tx, &copy).await?;
            view.push_str(&format!(" UNION ALL SELECT * FROM {copy}"));
        }
        for (day, select) in entries_of_retired_days(&mut there, wallet).await?.iter().enumerate() {
            let copy = format!("retired_{number}_{day}");
            run(tx, format!("CREATE TEMP TABLE {copy} AS SELECT * FROM {wallet}.entries LIMIT 0")).await?;
            pg::copy_rows(&mut there, select, tx, &format!("pg_temp.{copy}")).await?;
            retired.push(format!("SELECT * FROM pg_temp.{copy}"));
        }
        run(tx, format!("CREATE INDEX ON pg_temp.entries_{number} (partition, seq)")).await?;
        there.rollback().await?;
        placement.extend(placed);
    }
    if !retired.is_empty() {
        let entries = std::mem::take(&mut views[0]);
        let all = [vec![entries], retired].concat().join(" UNION ALL ");
        views[0] = format!("SELECT DISTINCT ON (partition, seq) * FROM ({all}) a ORDER BY partition, seq");
    }
    for (table, view) in TABLES.iter().zip(views) {
        run(tx, format!("CREATE TEMP VIEW {table} AS {view}")).await?;
    }
    Ok((placement, true))
}

/// A select for each day that was detached from the log and not dropped.
async fn entries_of_retired_days(
    connection: &mut PgConnection,
    wallet: &str,
) -> Result<Vec<String>, sqlx::Error> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = $1 || '_retired' AND c.relkind = 'r' AND c.relname LIKE 'entries!_y%' ESCAPE '!' ORDER BY 1",
    )
    .bind(wallet)
    .fetch_all(connection)
    .await?;
    Ok(tables.iter().map(|table| format!("SELECT * FROM {wallet}_retired.{table}")).collect())
}

async fn run(tx: &mut PgConnection, statement: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(tx).await.map(drop)
}

/// Each group of the wallet that anybody has written lies in exactly one of the databases that were named.
pub(crate) fn prove(snapshot: &Snapshot) -> Vec<Invariant> {
    if !snapshot.has(&[Schema::Wallet]) {
        return Vec::new();
    }
    let placement = snapshot.placement();
    let mut detail = Vec::new();
    let mut homes = 0;
    for group in 0..8 {
        let said: Vec<&Placed> = placement.iter().filter(|placed| placed.group == group).collect();
        let at: Vec<&str> =
            said.iter().filter(|placed| placed.is_here).map(|placed| placed.place.as_str()).collect();
        homes += at.len();
        match at.as_slice() {
            [] if said.iter().any(|placed| placed.rows > 0) => detail.push(format!(
                "group {group} lies in none of these databases: name the one it moved to (--wallet-database)"
            )),
            [] | [_] => {}
            [..] => detail.push(format!("group {group} lies in {}", at.join(" and "))),
        }
    }
    detail.truncate(usize::try_from(OFFENDERS_MAX).unwrap_or(usize::MAX));
    let mut places: Vec<&str> = placement.iter().map(|placed| placed.place.as_str()).collect();
    places.dedup();
    let figure = format!("{homes} groups in {} databases", places.len());
    vec![Invariant::without_offenders("each-wallet-group-in-one-database", figure, detail)]
}
