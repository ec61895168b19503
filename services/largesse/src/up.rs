//! `largesse up`: every service in one process, with the pages.

use crate::cli::{ServiceName, UpArgs};
use crate::compose::{Plan, Stack, telemetry_of};
use crate::config::{Config, Profile};
use crate::directory::Directory;
use crate::failure::Failure;
use crate::opening;
use crate::secrets::Secrets;
use std::process::ExitCode;

/// Runs until SIGINT or SIGTERM, then drains.
pub async fn run(args: UpArgs) -> Result<ExitCode, Failure> {
    serve(args, &Plan::whole()).await
}

/// Runs some services until told to stop.
pub async fn serve(args: UpArgs, plan: &Plan<'_>) -> Result<ExitCode, Failure> {
    let config = Config::load(args.config.as_deref())?.with_args(&args);
    let services = plan.services;
    let wants = |name| services.contains(&name);
    if wants(ServiceName::Gift) && !wants(ServiceName::Wallet) && config.peers.wallet.is_empty() {
        return Err(Failure::NeedsWallet);
    }
    if wants(ServiceName::Console) && !wants(ServiceName::Gift) {
        return Err(Failure::NeedsGift);
    }
    let telemetry = telemetry_of(&config)?;
    let secrets = Secrets::open(&args.place.data_dir)?;
    let directory = Directory::open(&args.place.data_dir)?;
    let stack = Stack::start(&config, plan, &directory, &secrets, &telemetry.metrics()).await?;
    if config.profile == Profile::Development && wants(ServiceName::Gift) {
        opening::open_first_rooms(&stack).await?;
    }
    stack.wait_for_peers().await?;
    stack.open();
    println!("largesse is up: http://{}  (data in {})", stack.address(), directory.path().display());
    tokio::select! {
        () = signalled() => {}
        reason = stack.failed() => {
            return Err(Failure::Storage(reason)); // Nothing can be drained without a database.
        }
    }
    tracing::info!("stopping: taking no new requests, finishing what is under way");
    stack.shutdown().await;
    Ok(ExitCode::SUCCESS)
}

async fn signalled() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        std::future::pending::<()>().await;
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
