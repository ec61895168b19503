//! Figures on a real PostgreSQL that waits for the disk: the wallet in process, beside the naive transaction and
//! beside the server's own ceiling for the same rows.

use super::figure::{Figure, Report, Sample};
use super::lanes::calls;
use super::naive::{self, World};
use super::{prove, wanted};
use crate::cli::BenchArgs;
use crate::config::Config;
use crate::failure::Failure;
use contracts::lane::Lane;
use pg::{Db, PoolSettings};
use sqlx::{AssertSqlSafe, PgPool};

const SPREAD: World = World { accounts: 100_000, streamers: 1_000, hot_percent: 0 };
const HOT: World = World { accounts: 100_000, streamers: 1_000, hot_percent: 80 };

/// Connections among which the naive transaction finds its best.
const NAIVE_CONNECTIONS: [usize; 4] = [8, 16, 32, 64];

/// Runs of what nothing is asked of, at most: with the relay on, and bare. The time is others'.
pub const OTHER_RUNS_MAX: u16 = 3;

/// Beside as many bare calls: where a target is, or was, missed.
const BARE_IN_FLIGHT: [usize; 2] = [256, 2_048];

/// Rows of one bulk insert of the ceiling.
const CEILING_ROWS: usize = 500;

/// Debits in flight beside the ceiling, and the share of it that is asked for.
const IN_FLIGHT: [(usize, Option<u64>); 5] =
    [(1, None), (16, None), (256, None), (2_048, Some(700)), (8_192, Some(700))];

/// Every figure asked for.
pub async fn measure(args: &BenchArgs, bed: &Bed, report: &mut Report) -> Result<(), Failure> {
    for (world, name, target) in [(SPREAD, "spread", 20_000), (HOT, "80 % to one streamer", 50_000)] {
        let what = format!("wallet debits/s, 256 in flight, {name}");
        if wanted(args, &what) {
            report.add(beside_naive(args, bed, world, &what).await?.with_target(target))?;
        }
    }
    let row = |(in_flight, target)| Row::new(in_flight, target);
    let rows = IN_FLIGHT.into_iter().map(row).filter(|row| wanted(args, &row.what)).collect();
    for figure in beside_ceiling(args, bed, rows).await? {
        report.add(figure)?;
    }
    Ok(())
}

/// What so many debits in flight measured: without the relay, which is what is asked for, and with it; and as many calls
/// that wait for the same row and for nothing else.
struct Row {
    what: String,
    in_flight: usize,
    target: Option<u64>,
    off: Vec<Sample>,
    on: Vec<Sample>,
    bare: Vec<Sample>,
}

impl Row {
    fn new(in_flight: usize, target: Option<u64>) -> Row {
        let what = format!("wallet debits/s, {in_flight} in flight");
        Row { what, in_flight, target, off: Vec::new(), on: Vec::new(), bare: Vec::new() }
    }
}

async fn must_be_durable(admin: &PgPool) -> Result<(), Failure> {
    for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
        let value: String =
            sqlx::query_scalar("SELECT current_setting($1)").bind(setting).fetch_one(admin).await?;
        if value != "on" {
            let reason = format!("figures need {setting} = on, and this server has {value}");
            return Err(Failure::Config(reason));
        }
    }
    Ok(())
}

/// Fills the files of the write-ahead log that the server keeps, so that runs find them and make none: as where a
/// server has run for a day. A file is one switch.
const MAKE_LOG_FILES: &str = "
SELECT count(pg_switch_wal()) FROM (
    SELECT pg_logical_emit_message(false, 'largesse bench', '')
    FROM generate_series(1, (SELECT sum(CASE name WHEN 'min_wal_size' THEN setting::bigint * 1048576 END)
        / sum(CASE name WHEN 'wal_segment_size' THEN setting::bigint END) FROM pg_settings)::integer)
) said";

/// A server on which every run gets a database of its own.
pub struct Bed {
    url: String,
    admin: PgPool,
}

const DATABASE: &str = "largesse_bench";

impl Bed {
    /// A server whose answers wait for the disk.
    ///
    /// # Errors
    /// [`Failure::Config`] where it does not wait; [`Failure::Database`].
    pub async fn open(url: &str) -> Result<Bed, Failure> {
        // Dropping a long database, and the checkpoint behind it, take longer than a service's statement may.
        let admin = pg::connect(url, crate::check::proofs()).await?;
        must_be_durable(&admin).await?;
        if let Err(error) = sqlx::query(MAKE_LOG_FILES).execute(&admin).await {
            println!("the first runs make files of the write-ahead log, and pay for it: {error}");
        }
        Ok(Bed { url: url.to_owned(), admin })
    }

    /// A fresh, empty database; its URL.
    pub async fn fresh_url(&self) -> Result<String, Failure> {
        self.named_url(DATABASE).await
    }

    /// The same under another name, for what lives beside runs.
    pub async fn named_url(&self, name: &str) -> Result<String, Failure> {
        self.drop_named(name).await?;
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&self.admin).await?;
        let mut url: url::Url =
            self.url.parse().map_err(|error: url::ParseError| Failure::Config(error.to_string()))?;
        url.set_path(name);
        Ok(url.into())
    }

    /// A fresh, empty database with so many connections.
    async fn fresh(&self, connections: usize) -> Result<PgPool, Failure> {
        let connections_max = u32::try_from(connections).unwrap_or(u32::MAX);
        let settings = PoolSettings { connections_max, ..PoolSettings::default() };
        Ok(pg::connect(&self.fresh_url().await?, settings).await?)
    }

    /// Forgets a database.
    pub async fn drop_named(&self, name: &str) -> Result<(), Failure> {
        let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        sqlx::query(AssertSqlSafe(drop)).execute(&self.admin).await?;
        // What the last run left to be written must not be paid for by the next.
        sqlx::query("CHECKPOINT").execute(&self.admin).await?;
        Ok(())
    }
}

async fn beside_naive(args: &BenchArgs, bed: &Bed, world: World, what: &str) -> Result<Figure, Failure> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut connections = None;
    for _ in 0..args.runs {
        ours.push(debits(args, bed, (world, 256, false)).await?);
        let connections = match connections {
            Some(connections) => connections,
            None => *connections.insert(best_connections(bed, world).await?),
        };
        let pool = bed.fresh(connections).await?;
        theirs.push(naive::run(&pool, world, connections, u64::from(args.seconds)).await?);
        pool.close().await;
    }
    let yardstick = format!("a naive gift transaction each, {} connections", connections.unwrap_or_default());
    Ok(Figure::new(what, &yardstick, &ours, &theirs))
}

async fn best_connections(bed: &Bed, world: World) -> Result<usize, Failure> {
    let mut best = (0, 8);
    for connections in NAIVE_CONNECTIONS {
        let pool = bed.fresh(connections).await?;
        let sample = naive::run(&pool, world, connections, 2).await?;
        best = best.max((sample.per_second, connections));
        pool.close().await;
    }
    Ok(best.1)
}

/// Every row once and the ceiling once, in turn: the ceiling is the same for all of them.
async fn beside_ceiling(args: &BenchArgs, bed: &Bed, mut rows: Vec<Row>) -> Result<Vec<Figure>, Failure> {
    let mut ceiling = Vec::new();
    let lanes = Config::load(None)?.wallet.lane_count;
    for run in 0..if rows.is_empty() { 0 } else { args.runs } {
        for row in &mut rows {
            row.off.push(debits(args, bed, (SPREAD, row.in_flight, false)).await?);
            if run < OTHER_RUNS_MAX {
                row.on.push(debits(args, bed, (SPREAD, row.in_flight, true)).await?);
            }
            if run < OTHER_RUNS_MAX && BARE_IN_FLIGHT.contains(&row.in_flight) {
                let pool = bed.fresh(lanes + 2).await?;
                wallet::bench::open_days(&migrated(&pool).await?).await?;
                row.bare.push(calls(&pool, lanes, (row.in_flight, u64::from(args.seconds))).await?);
                pool.close().await;
            }
        }
        let pool = bed.fresh(lanes + 2).await?;
        let db = migrated(&pool).await?;
        let per_second = wallet::bench::ceiling(db, lanes, CEILING_ROWS, u64::from(args.seconds)).await?;
        ceiling.push(Sample { per_second, ..Sample::default() });
        pool.close().await;
    }
    let yardstick = format!("the same rows in bulk, {CEILING_ROWS} each, {lanes} connections");
    let figures = |row: &Row| {
        let off = Figure::new(&row.what, &yardstick, &row.off, &ceiling);
        let on = Figure::new(&format!("{}, relay on", row.what), &yardstick, &row.on, &ceiling);
        let what = format!("{}, beside as many bare calls", row.what);
        let bare = (!row.bare.is_empty()).then(|| {
            Figure::new(&what, "calls that wait for the same row and for nothing else", &row.off, &row.bare)
        });
        [Some(Figure { target_milli: row.target, ..off }), Some(on), bare].into_iter().flatten()
    };
    Ok(rows.iter().flat_map(figures).collect())
}

pub async fn migrated(pool: &PgPool) -> Result<Db, Failure> {
    let db = Db::new(pool.clone(), "wallet", &Lane::Live);
    pg::migrate(&db, &[&seqlog::MIGRATOR, &wallet::MIGRATOR]).await?;
    Ok(db)
}

async fn debits(
    args: &BenchArgs,
    bed: &Bed,
    (world, in_flight, relay): (World, usize, bool),
) -> Result<Sample, Failure> {
    let mut config = Config::load(None)?.wallet;
    config.relay = relay;
    let pool = bed.fresh(config.lane_count * 2 + 2).await?;
    let db = migrated(&pool).await?;
    let measured = wallet::bench::run(db, config, world.load(in_flight, u64::from(args.seconds)))
        .await
        .map_err(|error| Failure::Bench(Box::new(error)))?;
    prove(&pool).await?;
    pool.close().await;
    Ok(Sample::new(measured.per_second, measured.p50, measured.p99))
}
