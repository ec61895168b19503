//! Figures of the default installation: one process, the embedded database.

use super::echo::Echo;
use super::figure::{Figure, Report, Sample};
use super::load::{CONNECTIONS, Pace, Target};
use super::naive::{self, World};
use super::{prove, wanted};
use crate::catch_up::Who;
use crate::cli::BenchArgs;
use crate::compose::{Plan, Stack};
use crate::config::Config;
use crate::demo;
use crate::directory::Directory;
use crate::failure::Failure;
use crate::replay::{CATCH_UP_MAX, Sending};
use crate::secrets::Secrets;
use contracts::lane::Lane;
use loadtest::Replay;
use pg::{Db, Embedded};
use std::path::Path;

/// Debits in flight of each wallet figure.
const IN_FLIGHT: [usize; 4] = [1, 16, 256, 1_024];

/// Runs of a figure at most: durable figures come from a real server, and the time is theirs. Nothing is asked of these.
const RUNS_MAX: u16 = 1;

/// The world: as many as the demo has.
const WORLD: World = World { accounts: 20_000, streamers: 80, hot_percent: 0 };

/// Every figure asked for.
pub async fn measure(
    args: &BenchArgs,
    data: &Path,
    metrics: &telemetry::Metrics,
    report: &mut Report,
) -> Result<(), Failure> {
    let what = "sends/s of the demo over HTTP, embedded database, every service on";
    if wanted(args, what) {
        report.add(demo_figure(args, data, metrics, what).await?)?;
    }
    for in_flight in IN_FLIGHT {
        let what = format!("wallet debits/s in process, embedded database, {in_flight} in flight");
        if wanted(args, &what) {
            report.add(wallet_figure(args, data, in_flight, &what).await?)?;
        }
    }
    Ok(())
}

/// The demo's gifts through HTTP, beside a handler that parses and echoes the same request.
async fn demo_figure(
    args: &BenchArgs,
    data: &Path,
    metrics: &telemetry::Metrics,
    what: &str,
) -> Result<Figure, Failure> {
    let (mut gifts, mut echoes) = (Vec::new(), Vec::new());
    let sample = demo::ship_sample(data)?;
    let echo = Echo::start().await?;
    let nobody = reqwest::header::HeaderValue::from_static("Bearer of.the.echo");
    let rooms = [ids::RoomId::now()].into();
    let target = Target { url: "".into(), viewers: [nobody].into(), rooms, gift_id: 1 };
    for run in 0..args.runs.min(RUNS_MAX) {
        let place = data.join(format!("demo-{run}"));
        let directory = Directory::open(&place)?;
        let secrets = Secrets::open(directory.path())?;
        let mut config = Config::load(None)?;
        config.http.listen = ([127, 0, 0, 1], 0).into();
        let stack = Stack::start(&config, &Plan::whole(), &directory, &secrets, metrics).await?;
        let replay = Replay::open(&sample).map_err(|error| Failure::Replay(Box::new(error)))?;
        let sending = Sending::to(&stack, place.join("run.json"), CONNECTIONS);
        let summary = sending.send(replay, stack.lag_source()).await?;
        stack.catch_up(Who::Everybody, CATCH_UP_MAX).await?;
        prove(stack.pool()).await?;
        stack.shutdown().await;
        let sent = summary.accepted.saturating_add(summary.free).saturating_add(summary.refused);
        let elapsed_ms = u64::try_from(summary.elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
        gifts.push(Sample { per_second: sent.saturating_mul(1_000) / elapsed_ms, ..Sample::default() });
        echoes.push(echo.load(&target, Pace::Closed, u64::from(args.seconds)).await?);
    }
    echo.stop().await;
    Ok(Figure::new(what, "an echo of the same request", &gifts, &echoes))
}

/// Debits in process, beside the naive gift transaction on the same embedded database.
async fn wallet_figure(
    args: &BenchArgs,
    data: &Path,
    in_flight: usize,
    what: &str,
) -> Result<Figure, Failure> {
    let (mut debits, mut naives) = (Vec::new(), Vec::new());
    for run in 0..args.runs.min(RUNS_MAX) {
        let embedded = Embedded::open(&data.join(format!("wallet-{in_flight}-{run}"))).await?;
        let db = Db::new(embedded.pool(), "wallet", &Lane::Live);
        pg::migrate(&db, &[&seqlog::MIGRATOR, &wallet::MIGRATOR]).await?;
        let seconds = u64::from(args.seconds);
        let mut config = Config::load(None)?.wallet;
        config.lane_count = 1;
        let measured = wallet::bench::run(db, config, WORLD.load(in_flight, seconds))
            .await
            .map_err(|error| Failure::Bench(Box::new(error)))?;
        prove(&embedded.pool()).await?;
        debits.push(Sample::new(measured.per_second, measured.p50, measured.p99));
        naives.push(naive::run(&embedded.pool(), WORLD, in_flight, seconds).await?);
        embedded.close().await;
    }
    Ok(Figure::new(what, "a naive gift transaction each", &debits, &naives))
}
