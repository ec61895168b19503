//! `largesse serve` and `largesse migrate`: parts of the whole, for real servers.

use crate::check::Opened;
use crate::cli::{MigrateArgs, ServeArgs};
use crate::compose::{self, Plan, Schemas};
use crate::failure::Failure;
use crate::up;
use contracts::lane::Lane;
use std::process::ExitCode;

/// Runs the named services until told to stop.
pub async fn run(args: ServeArgs) -> Result<ExitCode, Failure> {
    let plan = Plan { services: &args.services, schemas: Schemas::Awaited };
    up::serve(args.up, &plan).await
}

/// Brings every schema up to date.
pub async fn migrate(args: MigrateArgs) -> Result<ExitCode, Failure> {
    let opened = Opened::open(&args.place).await?;
    let migrated = compose::migrate_all(&opened.pool, &Lane::Live).await;
    opened.close().await;
    for schema in migrated? {
        println!("{schema}: up to date");
    }
    Ok(ExitCode::SUCCESS)
}
