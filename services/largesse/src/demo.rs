//! `largesse demo`: the main job from nothing, with a report at the end. Not zero unless the books close.

use crate::catch_up::Who;
use crate::check;
use crate::cli::DemoArgs;
use crate::compose::{Plan, Stack, telemetry_of};
use crate::config::Config;
use crate::directory::Directory;
use crate::failure::Failure;
use crate::replay::{CATCH_UP_MAX, Sending};
use crate::secrets::Secrets;
use books::BooksDb;
use contracts::lane::Lane;
use loadtest::report::{Check, Flow, Invariant};
use loadtest::{Replay, Report};
use sqlx::{AssertSqlSafe, PgPool};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The sample that ships with the product; its sources are named in `loadtest/samples/README.md`.
const SAMPLE: &[u8] = include_bytes!("../../../loadtest/samples/final-night.jsonl.gz");

/// Replays, proves, reports.
pub async fn run(args: DemoArgs) -> Result<ExitCode, Failure> {
    let directory = Directory::open(&args.data_dir)?;
    let secrets = Secrets::open(directory.path())?;
    let mut config = Config::load(args.config.as_deref())?;
    config.http.listen = ([127, 0, 0, 1], 0).into();
    let sample = sample_file(&args, &directory)?;
    let replay = Replay::open(&sample).map_err(|error| Failure::Replay(Box::new(error)))?;
    let telemetry = telemetry_of(&config)?;
    let stack = Stack::start(&config, &Plan::whole(), &directory, &secrets, &telemetry.metrics()).await?;
    let report = tokio::select! {
        report = replay_and_prove(&stack, replay, &args, &directory) => report?,
        reason = stack.failed() => return Err(Failure::Storage(reason)),
    };
    stack.shutdown().await;
    let failed = |error: loadtest::report::ReportError| Failure::Report(Box::new(error));
    report.write_json(&args.json).map_err(failed)?;
    let page = args.json.with_extension("html");
    report.write_html(&page).map_err(failed)?;
    report.print(&mut std::io::stdout()).map_err(failed)?;
    println!("\n{}\n{}", args.json.display(), page.display());
    let closes = report.check.passed && report.breaks == 0 && report.trial_balance == 0;
    Ok(if closes { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The file to replay: the one asked for, or the shipped one, put beside the data.
fn sample_file(args: &DemoArgs, directory: &Directory) -> Result<PathBuf, Failure> {
    if let Some(sample) = &args.sample {
        return Ok(sample.clone());
    }
    let path = directory.path().join("final-night.jsonl.gz");
    crate::directory::write_durably(&path, SAMPLE)?;
    Ok(path)
}

async fn replay_and_prove(
    stack: &Stack,
    replay: Replay,
    args: &DemoArgs,
    directory: &Directory,
) -> Result<Report, Failure> {
    let source = replay.header().source.clone();
    let run_file = directory.path().join("run.json");
    let sending = Sending::to(stack, run_file, args.connections);
    let summary = sending.send(replay, stack.lag_source()).await?;
    stack.catch_up(Who::Everybody, CATCH_UP_MAX).await?;
    let proof = books::check(&BooksDb::new(stack.pool().clone(), &Lane::Live))
        .await
        .map_err(|error| Failure::Start { service: "check", source: Box::new(error) })?;
    if !proof.passed {
        eprint!("{}", check::table(&proof));
    }
    let mut report = Report::of_replay(&source, &summary);
    add_books(stack.pool(), &mut report).await?;
    report.check = Check {
        passed: proof.passed,
        invariants: proof
            .invariants
            .into_iter()
            .map(|i| Invariant { name: i.name.to_string(), passed: i.passed, figure: i.figure.to_string() })
            .collect(),
    };
    Ok(report)
}

/// Adds the figures that only the tables know.
async fn add_books(pool: &PgPool, report: &mut Report) -> Result<(), Failure> {
    report.orders = count(pool, "SELECT count(*) FROM gift.orders WHERE kind IN (1, 2)").await?;
    report.items = count(pool, "SELECT count(*) FROM settlement.items WHERE kind = 1").await?;
    report.vouchers = count(pool, "SELECT count(*) FROM clearing.vouchers").await?;
    report.breaks = count(pool, "SELECT count(*) FROM recon.breaks WHERE state <> 7").await?;
    report.trial_balance = figure(
        pool,
        "SELECT coalesce(sum(d - c), 0)::bigint FROM clearing.vouchers v,
         unnest(v.debits, v.credits) AS p (d, c)",
    )
    .await?;
    report.flow = Flow {
        recharged_micros: figure(
            pool,
            "SELECT coalesce(sum(amount_minor), 0)::bigint * 1000000 FROM cashier.payments WHERE kind = 1",
        )
        .await?,
        spent_micros: figure(
            pool,
            "SELECT coalesce(sum(gross_paid + gross_promo) FILTER (WHERE kind = 1), 0)::bigint
             FROM settlement.items",
        )
        .await?,
        refunded_micros: figure(
            pool,
            "SELECT coalesce(sum(paid_coins + promo_coins) FILTER (WHERE kind IN (3, 4)), 0)::bigint * 100000
             FROM gift.orders",
        )
        .await?,
        streamer_payable_micros: items(pool, "streamer").await?,
        agency_payable_micros: items(pool, "agency").await?,
        tax_payable_micros: items(pool, "tax").await?,
        platform_revenue_micros: items(pool, "platform").await?,
    };
    Ok(())
}

async fn items(pool: &PgPool, column: &'static str) -> Result<i64, Failure> {
    let sql = format!("SELECT coalesce(sum({column}), 0)::bigint FROM settlement.items");
    Ok(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(pool).await?)
}

async fn figure(pool: &PgPool, sql: &'static str) -> Result<i64, Failure> {
    Ok(sqlx::query_scalar(sql).fetch_one(pool).await?)
}

async fn count(pool: &PgPool, sql: &'static str) -> Result<u64, Failure> {
    Ok(u64::try_from(figure(pool, sql).await?).unwrap_or_default())
}

/// The shipped sample beside `folder`, for the benchmark.
///
/// # Errors
/// [`Failure::File`].
pub fn ship_sample(folder: &Path) -> Result<PathBuf, Failure> {
    let path = folder.join("final-night.jsonl.gz");
    crate::directory::write_durably(&path, SAMPLE)?;
    Ok(path)
}
