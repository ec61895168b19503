//! `largesse bench`: every figure beside its yardstick, measured in the same run; medians over several runs.
//!
//! On the embedded database: figures of the default installation, not durable ones. With a server's URL also on
//! fresh databases of that server, which must wait for the disk. The books are proven after every run. Nothing
//! here fails because something was slow: machines differ, ratios say more.

mod children;
mod echo;
mod embedded;
mod figure;
mod http;
mod large;
mod load;
mod naive;
mod peak;
mod server;
mod writes;

use crate::cli::BenchArgs;
use crate::compose::telemetry_of;
use crate::config::Config;
use crate::failure::Failure;
use contracts::lane::Lane;
use figure::print_table;
use std::path::Path;
use std::process::ExitCode;

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
    let (mut figures, mut pipeline) = (Vec::new(), None);
    if args.large {
        let url = args.database.as_ref().ok_or_else(|| {
            Failure::Config("a long log needs a real PostgreSQL: name one with --database".to_owned())
        })?;
        figures = large::measure(&args, &server::Bed::open(url).await?).await?;
    } else {
        figures.extend(embedded::measure(&args, &data, &telemetry.metrics()).await?);
    }
    if let Some(url) = args.database.as_ref().filter(|_| !args.large) {
        let bed = server::Bed::open(url).await?;
        figures.extend(server::measure(&args, &bed).await?);
        let http = http::HttpBench { args: &args, bed: &bed, folder: &data, metrics: &telemetry.metrics() };
        let (over_http, told) = http.measure().await?;
        figures.extend(over_http);
        pipeline = told;
    }
    write(&args.out, &serde_json::json!({ "figures": figures, "pipeline": pipeline }))?;
    print_table(&figures);
    if let Some(told) = &pipeline {
        writes::print_cost(&told.writes);
        if let Some(lag_ms) = told.recon_lag_p99_ms {
            println!("a minute was compared {lag_ms} ms after its end, of 99 in a hundred");
        }
        let path = folder.join("load-test.json");
        write(&path, &told.peak.load_test())?;
        println!("for `largesse capacity --load-test`: {}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, what: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(what).map_err(|error| Failure::Report(Box::new(error)))?;
    std::fs::write(path, text).map_err(|source| Failure::File { path: path.to_owned(), source })
}

/// Whether a figure was asked for.
fn wanted(args: &BenchArgs, what: &str) -> bool {
    args.only.as_deref().is_none_or(|part| what.contains(part))
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
