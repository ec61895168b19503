//! `largesse bench`.

use clap::{Args, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BenchArgs {
    #[command(subcommand)]
    pub part: Option<BenchPart>,
    /// A real PostgreSQL on which databases may be made: adds its figures to those of the embedded one
    #[arg(long, value_name = "URL", env = "LARGESSE_BENCH_DATABASE_URL")]
    pub database: Option<String>,
    /// A RabbitMQ, for the figures with gift and wallet in two processes
    #[arg(long, value_name = "URL", env = "LARGESSE_BENCH_AMQP_URL")]
    pub amqp: Option<String>,
    /// Only figures whose names contain this
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// Where the figures go
    #[arg(long, default_value = "target/bench/report.json", value_name = "FILE")]
    pub out: PathBuf,
    /// Runs of each figure; the median counts
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub runs: u16,
    /// How long each wallet figure is measured, in seconds
    #[arg(long, default_value_t = 3, value_name = "SECONDS")]
    pub seconds: u16,
    /// Only what grows with the log, the wallet and finance's pages: needs --database, and 40 GB of its disk
    #[arg(long)]
    pub large: bool,
    /// Entries of the long log, five an account
    #[arg(long, default_value_t = 50_000_000, value_name = "N", requires = "large")]
    pub large_entries: usize,
    /// How long the whole pipeline is loaded, in seconds
    #[arg(long, default_value_t = 20, value_name = "SECONDS")]
    pub pipeline_seconds: u16,
}

/// What figures start beside themselves.
#[derive(Debug, Clone, Subcommand)]
pub enum BenchPart {
    /// Answer when an entry is durable, and do nothing else: the far side of a ceiling
    #[command(hide = true)]
    BareWallet(BareWalletArgs),
}

#[derive(Debug, Clone, Args)]
pub struct BareWalletArgs {
    /// A database with the wallet's tables, to be thrown away after
    #[arg(long, value_name = "URL")]
    pub database: String,
    #[arg(long, value_name = "ADDRESS")]
    pub listen: SocketAddr,
}
