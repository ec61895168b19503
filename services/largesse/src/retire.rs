//! `largesse retire`: which days of the wallet's log may go, what keeps the others, and letting them go.

use crate::cli::RetireArgs;
use crate::config::Config;
use crate::failure::Failure;
use chrono::Utc;
use contracts::lane::Lane;
use contracts::log::LogName;
use pg::{Db, Plans, PoolSettings};
use sqlx::{AssertSqlSafe, PgPool};
use std::process::ExitCode;
use std::time::Duration;
use wallet::{DayPart, OldDay};

/// Who reads the wallet's log, and under which name.
const READERS: [(&str, &str); 3] =
    [("gift", "gift.orders"), ("clearing", "clearing.entries"), ("recon", "recon.entries")];

pub async fn run(args: RetireArgs) -> Result<ExitCode, Failure> {
    let config = Config::load(args.config.as_deref())?;
    // Detaching waits for whoever reads the log, and looking reads a whole day.
    let settings = PoolSettings {
        statement_timeout: Duration::from_secs(600),
        plans: Plans::Any,
        connections_max: 2,
        ..PoolSettings::default()
    };
    let pool = pg::connect(&args.database, settings).await?;
    let db = Db::new(pool.clone(), "wallet", &Lane::Live);
    let age_max_days = config.wallet.id_age_max_days;
    let old = wallet::list_old_days(&db, Utc::now(), age_max_days).await?;
    if old.is_empty() {
        println!("no day is older than wallet.id_age_max_days = {age_max_days}");
    }
    for day in &old {
        let rows: i64 = day.parts.iter().map(|part| part.rows).sum();
        let kept_by = kept_by(&pool, day).await?;
        if !kept_by.is_empty() {
            println!("{}  {rows:>12} entries  stays: {}", day.day, kept_by.join("; "));
        } else if args.look {
            println!("{}  {rows:>12} entries  may go", day.day);
        } else {
            wallet::retire_day(&db, day.day).await?;
            println!("{}  {rows:>12} entries  retired", day.day);
        }
    }
    pool.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Everything that still needs a day.
async fn kept_by(pool: &PgPool, day: &OldDay) -> Result<Vec<String>, Failure> {
    let mut reasons = Vec::new();
    if day.uncovered_partitions > 0 {
        reasons.push(format!("no snapshot covers {} of its partitions", day.uncovered_partitions));
    }
    for (service, reader) in READERS {
        let behind = behind(pool, service, reader, &day.parts).await?;
        if behind > 0 {
            reasons.push(format!("{reader} is not past it in {behind} partitions"));
        }
    }
    let open = open_periods(pool, &day.parts).await?;
    if open > 0 {
        reasons.push(format!("{open} of its accounting days are not closed"));
    }
    Ok(reasons)
}

/// Partitions of a day in which a reader has rows left.
async fn behind(pool: &PgPool, service: &str, reader: &str, parts: &[DayPart]) -> Result<i64, Failure> {
    let db = Db::new(pool.clone(), service, &Lane::Live);
    let behind = format!(
        "SELECT count(*) FROM unnest($1::smallint[], $2::bigint[]) AS d (partition, last_seq)
         LEFT JOIN {}.read_offsets o ON o.partition = d.partition AND o.reader = $3 AND o.log = $4
         WHERE coalesce(o.seq, 0) < d.last_seq",
        db.schema()
    );
    Ok(sqlx::query_scalar(AssertSqlSafe(behind))
        .bind(parts.iter().map(|part| part.partition.number()).collect::<Vec<_>>())
        .bind(parts.iter().map(|part| part.last_seq).collect::<Vec<_>>())
        .bind(reader)
        .bind(LogName::Entries.as_str())
        .fetch_one(pool)
        .await?)
}

/// Accounting days of a day's entries that are not closed, or whose late vouchers stand in a day that is not.
async fn open_periods(pool: &PgPool, parts: &[DayPart]) -> Result<i64, Failure> {
    let db = Db::new(pool.clone(), "clearing", &Lane::Live);
    let (first, last) =
        (parts.iter().map(|part| part.first_day).min(), parts.iter().map(|p| p.last_day).max());
    let (Some(first), Some(last)) = (first, last) else { return Ok(0) };
    Ok(clearing::count_not_closed(&db, (first, last)).await?)
}
