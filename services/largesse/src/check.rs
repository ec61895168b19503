//! `largesse check`: the books, proven from the tables alone.

use crate::cli::{CheckArgs, PlaceArgs};
use crate::directory::Directory;
use crate::failure::Failure;
use books::BooksDb;
use contracts::lane::Lane;
use pg::{Embedded, Plans, PoolSettings};
use sqlx::PgPool;
use std::process::ExitCode;

/// Proofs read whole tables: no statement limit that would cut them short, and nothing slow worth telling.
pub fn proofs() -> PoolSettings {
    PoolSettings {
        statement_timeout: std::time::Duration::from_secs(4 * 3_600),
        slow_statement: std::time::Duration::from_secs(4 * 3_600),
        plans: Plans::Any,
        ..PoolSettings::default()
    }
}

/// A database opened for one command, with nothing else running in this process.
pub struct Opened {
    pub pool: PgPool,
    embedded: Option<(Embedded, Directory)>,
}

impl Opened {
    /// The database a place names: the URL, or the data directory's embedded one.
    pub async fn open(place: &PlaceArgs) -> Result<Opened, Failure> {
        if let Some(url) = &place.database {
            return Ok(Opened { pool: pg::connect(url, proofs()).await?, embedded: None });
        }
        let directory = Directory::open(&place.data_dir)?;
        let embedded = Embedded::open(&directory.database()).await?;
        Ok(Opened { pool: embedded.pool(), embedded: Some((embedded, directory)) })
    }

    pub async fn close(self) {
        match self.embedded {
            Some((embedded, _directory)) => embedded.close().await,
            None => self.pool.close().await,
        }
    }
}

/// Prints a line and a figure per invariant; the code is 0 only if all hold.
pub async fn run(args: CheckArgs) -> Result<ExitCode, Failure> {
    let opened = Opened::open(&args.place).await?;
    let mut elsewhere = Vec::new();
    for url in &args.wallet_database {
        elsewhere.push(pg::connect(url, proofs()).await?);
    }
    let source = BooksDb::new(opened.pool.clone(), &Lane::Live).with_wallet_elsewhere(elsewhere);
    let report = books::check(&source).await;
    opened.close().await;
    let report = report.map_err(|error| Failure::Start { service: "check", source: Box::new(error) })?;
    if args.json {
        let text = serde_json::to_string_pretty(&report).map_err(|error| Failure::Report(Box::new(error)))?;
        println!("{text}");
    } else {
        print!("{}", table(&report));
    }
    Ok(if report.passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The report as lines for people.
pub fn table(report: &books::Report) -> String {
    let mut text = String::new();
    for invariant in &report.invariants {
        let mark = if invariant.passed { "ok  " } else { "FAIL" };
        text.push_str(&format!("{mark}  {:<52} {}\n", invariant.name, invariant.figure));
        for detail in &invariant.detail {
            text.push_str(&format!("        {detail}\n"));
        }
    }
    let verdict = if report.passed { "The books close." } else { "The books do NOT close." };
    text.push_str(verdict);
    text.push('\n');
    text
}
