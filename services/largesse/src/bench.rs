//! `largesse bench`: every figure beside its yardstick, measured in the same run; medians over several runs.
//!
//! On the embedded database: figures of the default installation, not durable ones. With a server's URL also on
//! fresh databases of that server, which must wait for the disk. The books are proven after every run. Nothing
//! here fails because something was slow: machines differ, ratios say more.

mod bare;
mod bare_two;
mod children;
mod echo;
mod embedded;
mod figure;
mod http;
mod lanes;
mod large;
mod load;
mod naive;
mod pages;
mod peak;
mod server;
mod writes;

use crate::cli::{BenchArgs, BenchPart};
use crate::compose::telemetry_of;
use crate::config::Config;
use crate::directory::Directory;
use crate::failure::Failure;
use contracts::lane::Lane;
use figure::Report;
use std::path::Path;
use std::process::ExitCode;

/// Measures, writes JSON, prints a table.
pub async fn run(args: BenchArgs) -> Result<ExitCode, Failure> {
    if let Some(BenchPart::BareWallet(args)) = &args.part {
        return bare_two::serve(args).await;
    }
    let folder = args.out.parent().unwrap_or(Path::new(".")).to_owned();
    let failed = |source| Failure::File { path: folder.clone(), source };
    let _held = Directory::open(&folder)?; // Another bench would sweep away what this one works on.
    let data = folder.join("data");
    if data.exists() {
        std::fs::remove_dir_all(&data).map_err(failed)?;
    }
    std::fs::create_dir_all(&data).map_err(failed)?;
    let mut config = Config::load(None)?;
    config.telemetry.log = "warn".to_owned();
    let telemetry = telemetry_of(&config)?;
    let mut report = Report::new(&args.out);
    let bed = match &args.database {
        Some(url) => Some(server::Bed::open(url).await?),
        None => None,
    };
    match &bed {
        Some(bed) if args.large => {
            let pages = pages::PageBench { args: &args, bed, folder: &data, metrics: &telemetry.metrics() };
            large::measure(&pages, &mut report).await?;
        }
        None if args.large => {
            let needed = "a long log needs a real PostgreSQL: name one with --database";
            return Err(Failure::Config(needed.to_owned()));
        }
        _ => embedded::measure(&args, &data, &telemetry.metrics(), &mut report).await?,
    }
    let mut pipeline = None;
    if let Some(bed) = bed.as_ref().filter(|_| !args.large) {
        server::measure(&args, bed, &mut report).await?;
        let http = http::HttpBench { args: &args, bed, folder: &data, metrics: &telemetry.metrics() };
        pipeline = http.measure(&mut report).await?;
    }
    report.save(pipeline.as_ref())?;
    report.print_table();
    if let Some(told) = &pipeline {
        writes::print_cost(&told.writes);
        if let Some(lag_ms) = told.recon_lag_p99_ms {
            println!("a minute was compared {lag_ms} ms after its end, of 99 in a hundred");
        }
        let path = folder.join("load-test.json");
        figure::write(&path, &told.peak.load_test())?;
        println!("for `largesse capacity --load-test`: {}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether a figure was asked for.
fn is_wanted(args: &BenchArgs, what: &str) -> bool {
    args.only.as_deref().is_none_or(|part| what.contains(part))
}

/// The same; who waits for it is told.
fn wanted(args: &BenchArgs, what: &str) -> bool {
    let is_wanted = is_wanted(args, what);
    if is_wanted {
        println!("measuring {what}");
    }
    is_wanted
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
