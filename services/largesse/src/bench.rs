//! `largesse bench`: every figure beside its yardstick, measured in the same run; medians over several runs.
//!
//! On the embedded database these are figures of the default installation, not durable ones. Nothing here fails
//! because something was slow: machines differ, ratios say more.

use crate::cli::{BenchArgs, ServiceName};
use crate::compose::{Stack, telemetry_of};
use crate::config::Config;
use crate::demo;
use crate::directory::Directory;
use crate::failure::Failure;
use crate::naive::{self, World};
use crate::replay::{CATCH_UP_MAX, Sending};
use crate::secrets::Secrets;
use crate::yardstick;
use clap::ValueEnum;
use contracts::lane::Lane;
use loadtest::Replay;
use pg::{Db, Embedded};
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;

/// Debits in flight of each wallet figure.
const IN_FLIGHT: [usize; 4] = [1, 16, 256, 1_024];

/// The wallet's world: as many as the demo has.
const ACCOUNTS: usize = 20_000;
const STREAMERS: usize = 80;

/// One figure and what it is measured against.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    pub what: String,
    pub per_second: u64,
    /// Absent where only the rate was measured.
    pub p50_us: Option<u64>,
    pub p99_us: Option<u64>,
    pub yardstick: String,
    pub yardstick_per_second: u64,
    pub yardstick_p99_us: u64,
    /// How many times the yardstick, in thousandths.
    pub ratio_milli: u64,
    pub runs: u16,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Sample {
    per_second: u64,
    p50_us: u64,
    p99_us: u64,
}

/// Measures, writes JSON, prints a table.
pub async fn run(args: BenchArgs) -> Result<ExitCode, Failure> {
    let folder = args.out.parent().unwrap_or(Path::new(".")).to_owned();
    let failed = |source| Failure::File { path: folder.clone(), source };
    let data = folder.join("data");
    if data.exists() {
        std::fs::remove_dir_all(&data).map_err(failed)?;
    }
    std::fs::create_dir_all(&data).map_err(failed)?;
    let mut config = Config::load(None)?;
    config.telemetry.log = "warn".to_owned();
    let telemetry = telemetry_of(&config)?;
    let mut figures = vec![demo_figure(&args, &data, &telemetry.metrics()).await?];
    for in_flight in IN_FLIGHT {
        figures.push(wallet_figure(&args, &data, in_flight).await?);
    }
    let text = serde_json::to_string_pretty(&serde_json::json!({ "figures": figures }))
        .map_err(|error| Failure::Report(Box::new(error)))?;
    std::fs::write(&args.out, text).map_err(|source| Failure::File { path: args.out.clone(), source })?;
    print_table(&figures);
    Ok(ExitCode::SUCCESS)
}

/// The demo's gifts through HTTP, beside a handler that parses and echoes the same request.
async fn demo_figure(args: &BenchArgs, data: &Path, metrics: &telemetry::Metrics) -> Result<Figure, Failure> {
    let (mut gifts, mut echoes) = (Vec::new(), Vec::new());
    let sample = demo::ship_sample(data)?;
    for run in 0..args.runs {
        let place = data.join(format!("demo-{run}"));
        let directory = Directory::open(&place)?;
        let secrets = Secrets::open(directory.path())?;
        let mut config = Config::load(None)?;
        config.http.listen = ([127, 0, 0, 1], 0).into();
        let stack =
            Stack::start(&config, ServiceName::value_variants(), &directory, &secrets, metrics).await?;
        let replay = Replay::open(&sample).map_err(|error| Failure::Replay(Box::new(error)))?;
        let sending = Sending::to(&stack, place.join("run.json"), yardstick::CONNECTIONS);
        let summary = sending.send(replay, stack.lag_source()).await?;
        stack.catch_up(CATCH_UP_MAX).await?;
        prove(stack.pool()).await?;
        stack.shutdown().await;
        let sent = summary.accepted.saturating_add(summary.free).saturating_add(summary.refused);
        let elapsed_ms = u64::try_from(summary.elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
        gifts.push(Sample { per_second: sent.saturating_mul(1_000) / elapsed_ms, ..Sample::default() });
        let echo = yardstick::echo(u64::from(args.seconds)).await?;
        echoes.push(Sample { per_second: echo.per_second, p50_us: echo.p50_us, p99_us: echo.p99_us });
    }
    let what = "sends/s of the demo over HTTP, embedded database, every service on".to_owned();
    Ok(figure(what, "an echo of the same request".to_owned(), gifts, echoes))
}

/// Debits in process, beside the naive gift transaction on the same embedded database.
async fn wallet_figure(args: &BenchArgs, data: &Path, in_flight: usize) -> Result<Figure, Failure> {
    let (mut debits, mut naives) = (Vec::new(), Vec::new());
    for run in 0..args.runs {
        let embedded = Embedded::open(&data.join(format!("wallet-{in_flight}-{run}"))).await?;
        let db = Db::new(embedded.pool(), "wallet", &Lane::Live);
        pg::migrate(&db, &[&seqlog::MIGRATOR, &wallet::MIGRATOR]).await?;
        let seconds = u64::from(args.seconds);
        let mut config = Config::load(None)?.wallet;
        config.lane_count = 1;
        let load = wallet::bench::Load { in_flight, accounts: ACCOUNTS, streamers: STREAMERS, seconds };
        let measured = wallet::bench::run_with(db, config, load)
            .await
            .map_err(|error| Failure::Bench(Box::new(error)))?;
        prove(&embedded.pool()).await?;
        debits.push(Sample {
            per_second: measured.per_second,
            p50_us: micros(measured.p50),
            p99_us: micros(measured.p99),
        });
        let world = World { accounts: 20_000, streamers: 80 };
        let naive = naive::run(&embedded.pool(), world, in_flight, seconds).await?;
        naives.push(Sample {
            per_second: naive.per_second,
            p50_us: micros(naive.p50),
            p99_us: micros(naive.p99),
        });
        embedded.close().await;
    }
    let what = format!("wallet debits/s in process, {in_flight} in flight");
    Ok(figure(what, "a naive gift transaction each".to_owned(), debits, naives))
}

/// The books after a run: a fast figure over wrong books is worth nothing.
async fn prove(pool: &sqlx::PgPool) -> Result<(), Failure> {
    let report = books::check(&books::BooksDb::new(pool.clone(), &Lane::Live))
        .await
        .map_err(|error| Failure::Start { service: "check", source: Box::new(error) })?;
    if report.passed {
        return Ok(());
    }
    Err(Failure::Bench(crate::check::table(&report).into()))
}

fn micros(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn figure(what: String, yardstick: String, ours: Vec<Sample>, theirs: Vec<Sample>) -> Figure {
    let runs = u16::try_from(ours.len()).unwrap_or(u16::MAX);
    let (ours, theirs) = (median(ours), median(theirs));
    Figure {
        what,
        per_second: ours.per_second,
        p50_us: Some(ours.p50_us).filter(|us| *us > 0),
        p99_us: Some(ours.p99_us).filter(|us| *us > 0),
        yardstick,
        yardstick_per_second: theirs.per_second,
        yardstick_p99_us: theirs.p99_us,
        ratio_milli: ours.per_second.saturating_mul(1_000) / theirs.per_second.max(1),
        runs,
    }
}

fn median(mut samples: Vec<Sample>) -> Sample {
    samples.sort_unstable();
    samples.get(samples.len() / 2).copied().unwrap_or_default()
}

fn shown(us: Option<u64>) -> String {
    us.map_or_else(|| "–".to_owned(), |us| us.to_string())
}

fn print_table(figures: &[Figure]) {
    println!("{:<68} {:>9} {:>9} {:>9}   yardstick", "figure", "per s", "p50 µs", "p99 µs");
    for f in figures {
        println!(
            "{:<68} {:>9} {:>9} {:>9}   {}.{:03}× of {} ({}/s, p99 {} µs)",
            f.what,
            f.per_second,
            shown(f.p50_us),
            shown(f.p99_us),
            f.ratio_milli / 1_000,
            f.ratio_milli % 1_000,
            f.yardstick,
            f.yardstick_per_second,
            f.yardstick_p99_us
        );
    }
}
