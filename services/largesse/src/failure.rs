//! Why a command ended badly: one line that says what happened and what to change.

use std::path::PathBuf;
use std::process::ExitCode;

/// Everything that can end a command.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("the runtime could not start")]
    Runtime(#[source] std::io::Error),
    #[error("the configuration is wrong: {0}")]
    Config(String),
    #[error("{path} could not be used")]
    File { path: PathBuf, source: std::io::Error },
    #[error("the data directory {0} is in use by another process; stop that one first")]
    DirectoryInUse(PathBuf),
    #[error(
        "the data directory {path} was written by a newer version (format {found}, this one knows {known}); \
         use that version"
    )]
    DirectoryTooNew { path: PathBuf, found: u32, known: u32 },
    #[error("{0} must be readable by its owner only (mode 0600)")]
    SecretsReadable(PathBuf),
    #[error("the secrets in {path} are wrong: {reason}")]
    BadSecrets { path: PathBuf, reason: String },
    #[error("the token cannot be made")]
    Token(#[source] edge::TokenError),
    #[error("the listener could not be opened")]
    Listen { source: Box<dyn std::error::Error + Send + Sync> },
    #[error("gift needs a wallet: serve wallet with it, or set peers.wallet to the wallet's URLs")]
    NeedsWallet,
    #[error("console needs gift in the same process: serve them together")]
    NeedsGift,
    #[error("gave up waiting for {what} after {seconds} s; {change}")]
    Waited {
        what: &'static str,
        change: &'static str,
        seconds: u64,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{what} cannot be used; {change}")]
    Refused { what: &'static str, change: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the process refuses: {detail} [{slug}]")]
    Answered { slug: String, detail: String },
    #[error("the database cannot be used")]
    Database(#[from] pg::PgError),
    #[error(transparent)]
    TooFewConnections(#[from] pg::TooFewConnections),
    #[error("the database failed")]
    Sql(#[from] sqlx::Error),
    #[error("no further day was retired")]
    Retire(#[from] wallet::RetireError),
    #[error("{service} could not start")]
    Start { service: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the disk or the database failed while running ({0}); restart once there is room")]
    Storage(String),
    #[error("the replay failed")]
    Replay(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the services did not catch up within {seconds} s: {behind}")]
    NotCaughtUp { seconds: u64, behind: String },
    #[error("the report could not be written")]
    Report(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the measurement failed")]
    Bench(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Prints a failure with its causes on one line, and the code a shell sees.
pub fn report(failure: &Failure) -> ExitCode {
    let mut line = format!("largesse: {failure}");
    let mut cause = std::error::Error::source(failure);
    while let Some(error) = cause {
        line.push_str(&format!(": {error}"));
        cause = error.source();
    }
    eprintln!("{line}");
    ExitCode::FAILURE
}
