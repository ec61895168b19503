//! `largesse shards`: which of the wallet's databases has which groups of partitions, and moves from one to another.

use crate::cli::{GroupList, ShardsCommand};
use crate::failure::Failure;
use contracts::lane::Lane;
use contracts::log::LogName;
use ids::PartitionGroup;
use pg::{Db, Plans, PoolSettings};
use sqlx::Row;
use std::process::ExitCode;
use std::time::Duration;
use wallet::MoveStep;

pub async fn run(command: ShardsCommand) -> Result<ExitCode, Failure> {
    match command {
        ShardsCommand::List { database } => list(&database).await,
        ShardsCommand::Move { from, to, groups } => carry(&from, &to, &groups).await,
    }
}

/// The wallet's tables in one of its databases. A move copies whole tables, and takes as long as they are long.
async fn open(url: &str) -> Result<Db, Failure> {
    let settings = PoolSettings {
        statement_timeout: Duration::from_secs(600),
        plans: Plans::Any,
        connections_max: 4,
        ..PoolSettings::default()
    };
    let db = Db::new(pg::connect(url, settings).await?, "wallet", &Lane::Live);
    pg::check_migrated(&db, &[&seqlog::MIGRATOR, &wallet::MIGRATOR]).await?;
    Ok(db)
}

const LIST: &str = "
SELECT g.part_group, coalesce(g.moved_to, '') AS moved_to, coalesce(c.node, '') AS node,
    (SELECT coalesce(sum(s), 0)::bigint FROM unnest(g.last_seqs) s) AS entries
FROM {s}.log_head_groups g LEFT JOIN {s}.log_groups c USING (log, part_group)
WHERE g.log = $1 ORDER BY g.part_group";

async fn list(urls: &[String]) -> Result<ExitCode, Failure> {
    println!("{:<32} {:>5}  {:>14}  {:<20} lies at", "database", "group", "entries", "written by");
    for url in urls {
        let db = open(url).await?;
        let place = pg::place_of(&db.pool());
        let rows = sqlx::query(db.sql(LIST)).bind(LogName::Entries.as_str()).fetch_all(db.pool()).await?;
        if rows.is_empty() {
            println!("{place:<32} nobody has written here yet");
        }
        for row in rows {
            let (group, entries): (i16, i64) = (row.try_get("part_group")?, row.try_get("entries")?);
            let (moved_to, node): (String, String) = (row.try_get("moved_to")?, row.try_get("node")?);
            let lies_at = if moved_to.is_empty() { "here" } else { moved_to.as_str() };
            println!("{place:<32} {group:>5}  {entries:>14}  {node:<20} {lies_at}");
        }
        db.pool().close().await;
    }
    Ok(ExitCode::SUCCESS)
}

async fn carry(from: &str, to: &str, groups: &GroupList) -> Result<ExitCode, Failure> {
    let (from, to) = (open(from).await?, open(to).await?);
    for group in &groups.0 {
        let moved = wallet::move_group(&from, &to, *group, &|step| tell(*group, step)).await;
        let moved = moved.map_err(|error| Failure::Start { service: "the move", source: Box::new(error) })?;
        println!(
            "group {group}: {} entries and {} accounts copied; nobody held it for {} ms",
            moved.entries,
            moved.accounts,
            moved.shut_for.as_millis()
        );
    }
    from.pool().close().await;
    to.pool().close().await;
    Ok(ExitCode::SUCCESS)
}

fn tell(group: PartitionGroup, step: MoveStep) {
    match step {
        MoveStep::Copying { round, left } => {
            println!("group {group}: copying, round {round}, {left} entries left")
        }
        MoveStep::Accounts(accounts) => println!("group {group}: {accounts} accounts copied"),
        MoveStep::Leaving => println!("group {group}: its owner lets go of it"),
        MoveStep::Shut { left } => println!("group {group}: shut, {left} entries left"),
        MoveStep::Opened => println!("group {group}: open in its new database"),
        MoveStep::TakenBack => {
            println!("group {group}: an unfinished move was taken back; it is written where it was")
        }
    }
}
