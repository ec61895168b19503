//! All of the one binary: composes services by configuration, and the command line. A library, so that cargo may compile
//! it while the services it is made of are still turned into machine code (ADR 1).
//!
//! Owns processes: configuration, data directories, secrets, start and stop order. Knows every service and no
//! business rule.

mod ask;
mod audit;
mod bench;
mod breaks;
mod capacity;
mod catch_up;
mod check;
mod cli;
mod compose;
mod config;
mod contract;
mod daily;
mod demo;
mod deps;
mod directory;
mod doctor;
mod drain;
mod facts;
mod failure;
mod finance;
mod fleet;
mod health;
mod hotkeys;
mod journal;
mod late;
mod logs;
mod opening;
mod owners;
mod parts;
mod payout;
mod peers;
mod period;
mod refund;
mod replay;
mod retire;
mod secrets;
mod serve;
mod servers;
mod sets;
mod shards;
mod statement;
mod token;
mod up;
mod waiting;
mod withholding;

use clap::Parser;
use cli::{Cli, Command};
use failure::Failure;
use std::num::NonZero;
use std::process::ExitCode;

/// Gifts are many short-lived pieces that one thread makes and another frees; the system's allocator spent a sixth of
/// a node's time on them (ADR 13).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Threads that run tasks, at least. On a small machine a service shares its cores with the database, and a thread that the
/// kernel puts aside keeps everybody whose answer it was about to write waiting (ADR 19).
const WORKERS_MIN: usize = 4;

/// `TOKIO_WORKER_THREADS` decides where it is set, as everywhere.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if std::env::var_os("TOKIO_WORKER_THREADS").is_none() {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        runtime.worker_threads(cores.max(WORKERS_MIN));
    }
    runtime.enable_all().build()
}

/// What the binary does: reads the command line, runs it, and gives the code that the process ends with.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return failure::report(&Failure::Runtime(error)),
    };
    let outcome = runtime.block_on(run(cli));
    // Tasks that still run at this point have nothing left to say to anybody.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    match outcome {
        Ok(code) => code,
        Err(failure) => failure::report(&failure),
    }
}

async fn run(cli: Cli) -> Result<ExitCode, Failure> {
    match cli.command {
        Command::Up(args) => up::run(args).await,
        Command::Serve(args) => serve::run(args).await,
        Command::Migrate(args) => serve::migrate(args).await,
        Command::Token(args) => token::run(args),
        Command::Replay(args) => replay::run(args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Check(args) => check::run(args).await,
        Command::Bench(args) => bench::run(args).await,
        Command::Doctor(args) => doctor::run(args).await,
        Command::Retire(args) => retire::run(args).await,
        Command::Shards(command) => shards::run(command).await,
        Command::Deps(args) => deps::run(args).await,
        Command::Hotkeys(args) => hotkeys::run(args).await,
        Command::Refresh(command) => sets::run(command).await,
        Command::Contract(command) => contract::run(command).await,
        Command::Statement(command) => statement::run(command).await,
        Command::Payout(command) => payout::run(command).await,
        Command::Bill(command) => daily::bill(command).await,
        Command::Recon(command) => daily::recon(command).await,
        Command::Journal(command) => journal::run(command).await,
        Command::Period(command) => period::run(command).await,
        Command::Refund(command) => refund::run(command).await,
        Command::Break(command) => breaks::run(command).await,
        Command::Audit(command) => audit::run(command).await,
        Command::Capacity(args) => capacity::run(args),
    }
}
