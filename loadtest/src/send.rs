//! The replayer: sends a validated file through the product's HTTP interface, every line once.
//!
//! Three phases: gifts and rooms are created, then viewers recharge and pay in the sandbox, then gifts are sent
//! by as many workers as there are connections. The lines of one viewer stay in order. Every request's key is
//! derived from the run and its line, so a run that was killed and started again sends the same keys, and the
//! server takes each once. A request whose outcome is unknown is asked again with the same key.

mod client;
mod gifts;
mod keys;
mod pump;
mod setup;
mod summary;

pub use client::{SendError, Subject, TokenMinter};
pub use keys::Run;
pub use summary::{RoomTotal, Summary, TimeBucket};

use crate::catalogue::Catalogue;
use crate::progress::Progress;
use crate::replay::ValidReplay;
use client::Client;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How to replay.
#[derive(Clone, Debug)]
pub struct ReplaySettings {
    /// Where the product listens (`http://127.0.0.1:8080`).
    pub url: String,
    /// Further nodes of the same product: gifts are sent through all of them in turn.
    pub more_urls: Vec<String>,
    /// The small file that remembers the run; a rerun finds its keys in it.
    pub run_file: PathBuf,
    /// Requests in flight, each on a connection of its own.
    pub connections: usize,
    /// How many times faster than recorded; without it as fast as the answers come.
    pub pace: Option<NonZeroU32>,
    /// How long one request is tried again when the server is away, busy or unsure.
    pub retry_for: Duration,
    /// How long paid recharges may take to show in the wallets, after the last one that did.
    pub credit_wait: Duration,
}

impl ReplaySettings {
    pub fn new(url: impl Into<String>, run_file: impl Into<PathBuf>) -> ReplaySettings {
        ReplaySettings {
            url: url.into(),
            more_urls: Vec::new(),
            run_file: run_file.into(),
            connections: 128,
            pace: None,
            retry_for: Duration::from_secs(60),
            credit_wait: Duration::from_secs(60),
        }
    }
}

/// Sends files to one server.
#[derive(Clone)]
pub struct Replayer {
    client: Client,
    settings: ReplaySettings,
}

impl Replayer {
    /// Prepares to send; sends nothing.
    ///
    /// # Errors
    /// [`SendError::Url`] where an address is not one of plain HTTP.
    pub fn try_new(settings: ReplaySettings, tokens: Arc<dyn TokenMinter>) -> Result<Replayer, SendError> {
        Ok(Replayer { client: Client::try_new(&settings, tokens)?, settings })
    }

    /// The server's catalogue: what a file is validated against.
    ///
    /// # Errors
    /// [`SendError`] where the server does not give it.
    pub async fn catalogue(&self) -> Result<Catalogue, SendError> {
        setup::catalogue(&self.client).await
    }

    /// Sends the whole file. On a rerun with the same run file the server replays what it already took.
    ///
    /// # Errors
    /// [`SendError`] naming the line that failed. What was sent stays sent; run again to go on.
    pub async fn run(&self, replay: &Arc<ValidReplay>, progress: &Progress) -> Result<Summary, SendError> {
        let mut run = Run::open(&self.settings.run_file, replay.sum())?;
        setup::create_gifts(&self.client, replay, &run).await?;
        setup::create_rooms(&self.client, replay, &run).await?;
        if !run.is_recharged() {
            setup::recharge(&self.client, &self.settings, replay, (&run, progress)).await?;
            run = run.recharged(&self.settings.run_file)?;
        }
        let started = Instant::now();
        let mut summary = gifts::send(&self.client, &self.settings, replay, (&run, progress)).await?;
        summary.elapsed = started.elapsed();
        summary.run_id = run.run_id();
        Ok(summary)
    }
}
