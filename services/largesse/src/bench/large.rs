//! What grows with the log: the wallet's load on a long log and on an empty one, in turns; then finance's pages.

use super::figure::{Figure, Report, Sample};
use super::pages::PageBench;
use super::server::{Bed, migrated};
use super::{is_wanted, prove};
use crate::cli::BenchArgs;
use crate::config::Config;
use crate::failure::Failure;
use contracts::lane::Lane;
use pg::{Db, PoolSettings};
use sqlx::PgPool;
use std::time::Instant;
use wallet::bench::{Accounts, Load, Past};

const DATABASE: &str = "largesse_bench_large";
const ENTRIES_PER_ACCOUNT: usize = 5;
/// Accounts that are loaded, of however many there are.
const LOADED_ACCOUNTS: usize = 100_000;
const STREAMERS: usize = 1_000;
const IN_FLIGHT: [usize; 2] = [256, 2_048];
/// What a long log may cost, in thousandths of the throughput on an empty one.
const TARGET_MILLI: u64 = 850;

/// Seeds, measures what was asked for, and proves the books of the long log where the wallet was.
pub async fn measure(bench: &PageBench<'_>, report: &mut Report) -> Result<(), Failure> {
    let PageBench { args, bed, .. } = *bench;
    let loads: Vec<usize> =
        IN_FLIGHT.into_iter().filter(|in_flight| is_wanted(args, &what(args, *in_flight))).collect();
    if loads.is_empty() && !bench.is_any_wanted() {
        return Ok(());
    }
    let past =
        Past { accounts: args.large_entries / ENTRIES_PER_ACCOUNT, entries_per_account: ENTRIES_PER_ACCOUNT };
    let url = bed.named_url(DATABASE).await?;
    let slow = pg::connect(&url, crate::check::proofs()).await?;
    seed(&slow, past).await?;
    for in_flight in &loads {
        report.add(beside_empty(args, (bed, &url), past, *in_flight).await?)?;
    }
    if !loads.is_empty() {
        if let Some(kib) = memory_peak_kib() {
            println!("this process, with the wallet's node in it, used at most {} MB", kib / 1_000);
        }
        let began = Instant::now();
        prove(&slow).await?;
        println!("the books of the long log were proven in {} s", began.elapsed().as_secs());
    }
    if bench.is_any_wanted() {
        bench.measure((&slow, &url), past, report).await?;
    }
    slow.close().await;
    bed.drop_named(DATABASE).await?;
    Ok(())
}

fn what(args: &BenchArgs, in_flight: usize) -> String {
    format!("wallet debits/s, {in_flight} in flight, {} entries there", args.large_entries)
}

pub async fn seed(pool: &PgPool, past: Past) -> Result<(), Failure> {
    let began = Instant::now();
    wallet::bench::seed(&migrated(pool).await?, past).await?;
    let bytes: i64 =
        sqlx::query_scalar("SELECT pg_database_size(current_database())").fetch_one(pool).await?;
    println!(
        "{} entries of {} accounts: {} MB, seeded in {} s",
        past.accounts * past.entries_per_account,
        past.accounts,
        bytes / 1_000_000,
        began.elapsed().as_secs()
    );
    Ok(())
}

async fn beside_empty(
    args: &BenchArgs,
    (bed, url): (&Bed, &str),
    past: Past,
    in_flight: usize,
) -> Result<Figure, Failure> {
    let (mut long, mut empty) = (Vec::new(), Vec::new());
    for _ in 0..args.runs {
        let (fresh, new) = (bed.fresh_url().await?, Accounts::New(LOADED_ACCOUNTS));
        empty.push(debits(args, &fresh, (in_flight, new)).await?);
        let written = pg::connect(&fresh, crate::check::proofs()).await?;
        prove(&written).await?; // The long one takes minutes, and is proven at the end of all runs.
        written.close().await;
        let seeded = Accounts::Seeded(past, LOADED_ACCOUNTS);
        long.push(debits(args, url, (in_flight, seeded)).await?);
    }
    let what = what(args, in_flight);
    Ok(Figure::new(&what, "the same on empty tables", &long, &empty).with_target(TARGET_MILLI))
}

async fn debits(
    args: &BenchArgs,
    url: &str,
    (in_flight, accounts): (usize, Accounts),
) -> Result<Sample, Failure> {
    let mut config = Config::load(None)?.wallet;
    config.relay = false;
    let connections_max = u32::try_from(config.lane_count * 2 + 2).unwrap_or(u32::MAX);
    let pool = pg::connect(url, PoolSettings { connections_max, ..PoolSettings::default() }).await?;
    let db = Db::new(pool.clone(), "wallet", &Lane::Live);
    pg::migrate(&db, &[&seqlog::MIGRATOR, &wallet::MIGRATOR]).await?;
    let load =
        Load { in_flight, accounts, streamers: STREAMERS, hot_percent: 0, seconds: u64::from(args.seconds) };
    let measured =
        wallet::bench::run(db, config, load).await.map_err(|error| Failure::Bench(Box::new(error)))?;
    pool.close().await;
    Ok(Sample::new(measured.per_second, measured.p50, measured.p99))
}

/// The most memory this process ever had.
fn memory_peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
