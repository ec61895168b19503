//! Recon: compares the logs all the time.
//!
//! Promises: each closed minute of each partition is compared once between entries and orders, and between
//! orders and items; each range of vouchers with the rows it covers. What differs becomes a typed break, once.
//! Minutes that agree cost no reading of rows. Changes nothing in any other service's tables.

mod app;
mod config;
mod domain;
mod http;
mod readers;
mod store;

pub use app::read_lag::{Lag, PairLag, ReaderLag};
pub use app::sources::Sources;
pub use config::{Config, ConfigError, DEFAULTS};
pub use domain::break_kind::BreakKind;
pub use domain::break_state::{BreakState, BreakStep, WrongStep};
pub use domain::effect::{BadVoucherRule, VoucherRule};
pub use http::openapi;
pub use store::breaks::BreakView;

use app::compare_minutes::{CompareError, Progress, compare_minutes};
use app::compare_vouchers::{Covered, VoucherCheck};
use app::read_lag::{lag_of_pairs, lag_of_readers};
use app::seen::Seen;
use bus::Bus;
use chrono::{TimeDelta, Utc};
use contracts::log::minute_of;
use domain::effect::VoucherRules;
use ids::Partition;
use pg::Db;
use readers::on_log::OnLog;
use readers::on_vouchers::OnVouchers;
use seqlog::{Handler, LogSource, Reader, ReaderSettings, ReaderStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::{digests, marks, voucher_ranges};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

/// The tables of this service, migrated after seqlog's own.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations/recon");

/// How often old digests are deleted.
const PRUNE_EVERY: Duration = Duration::from_secs(600);

/// What recon needs from whoever composes it. One instance works; a second one harms nothing and gains nothing.
pub struct Deps {
    /// The schema `recon`, migrated.
    pub db: Db,
    pub bus: Bus,
    pub sources: Sources,
    pub config: Config,
}

/// Why recon did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("recon's database failed")]
    Db(#[from] sqlx::Error),
}

type Statuses = Vec<(&'static str, watch::Receiver<ReaderStatus>)>;

/// Recon at work.
pub struct Running {
    db: Db,
    statuses: Arc<Statuses>,
    progress: Arc<Mutex<Progress>>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// Starts the four readers and the comparison.
///
/// # Errors
/// [`StartError`], before anything is read.
pub async fn start(deps: Deps) -> Result<Running, StartError> {
    let Deps { db, bus, sources, config } = deps;
    let rules = config.checked_rules()?;
    let seen = Seen::of_closed(marks::list_closed(&db).await?);
    let progress = marks::list_progress(&db).await?;
    let covered = voucher_ranges::list_covered(&db).await?;
    let settings = ReaderSettings {
        gather: Duration::from_millis(config.gather_ms),
        batch_rows_max: config.batch_rows_max,
        ..ReaderSettings::default()
    };
    let (stop, shutdown) = watch::channel(false);
    let mut readers = Readers { db: db.clone(), bus, settings, stop: stop.subscribe(), running: Vec::new() };
    readers.start(sources.entries.clone(), OnLog::new(db.clone(), seen.clone())).await?;
    readers.start(sources.orders.clone(), OnLog::new(db.clone(), seen.clone())).await?;
    readers.start(sources.items.clone(), OnLog::new(db.clone(), seen.clone())).await?;
    readers.start(sources.vouchers.clone(), OnVouchers::new(db.clone(), seen.clone())).await?;
    let (statuses, mut tasks): (Vec<_>, Vec<_>) =
        readers.running.into_iter().map(|(name, status, task)| ((name, status), task)).unzip();
    let shown = Arc::new(Mutex::new(progress.clone()));
    let comparison = Comparison {
        db: db.clone(),
        seen,
        sources,
        rules,
        config,
        progress,
        covered,
        shown: Arc::clone(&shown),
    };
    tasks.push(tokio::spawn(comparison.run(shutdown)));
    Ok(Running { db, statuses: Arc::new(statuses), progress: shown, stop, tasks })
}

struct Readers {
    db: Db,
    bus: Bus,
    settings: ReaderSettings,
    stop: watch::Receiver<bool>,
    running: Vec<(&'static str, watch::Receiver<ReaderStatus>, JoinHandle<()>)>,
}

impl Readers {
    async fn start<H: Handler + Sync + 'static>(
        &mut self,
        source: Arc<dyn LogSource<H::Row>>,
        handler: H,
    ) -> Result<(), sqlx::Error> {
        let name = handler.name();
        let reader =
            Reader::try_new(self.db.clone(), source, handler, self.settings, Partition::all()).await?;
        let status = reader.status();
        let (bus, stop) = (self.bus.clone(), self.stop.clone());
        let task = tokio::spawn(async move {
            reader.run(bus, stop).await;
        });
        self.running.push((name, status, task));
        Ok(())
    }
}

/// The comparing loop and what it has compared.
struct Comparison {
    db: Db,
    seen: Seen,
    sources: Sources,
    rules: VoucherRules,
    config: Config,
    progress: Progress,
    covered: Covered,
    shown: Arc<Mutex<Progress>>,
}

impl Comparison {
    async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        let mut turns = tokio::time::interval(Duration::from_millis(self.config.compare_every_ms));
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut next_prune = Instant::now() + PRUNE_EVERY;
        while !*shutdown.borrow() {
            tokio::select! {
                biased;
                _ = shutdown.changed() => break,
                _ = turns.tick() => {}
            }
            if let Err(error) = self.turn().await {
                tracing::warn!(%error, "a comparison failed and will be repeated");
            }
            if next_prune <= Instant::now() {
                next_prune = Instant::now() + PRUNE_EVERY;
                let oldest = minute_of(Utc::now() - TimeDelta::days(i64::from(self.config.keep_days)));
                if let Err(error) = digests::prune(&self.db, oldest).await {
                    tracing::warn!(%error, "old digests were not deleted; tried again later");
                }
            }
        }
    }

    async fn turn(&mut self) -> Result<(), CompareError> {
        let minutes = compare_minutes(&self.db, &self.seen, &self.sources, &mut self.progress).await;
        let check =
            VoucherCheck { db: &self.db, seen: &self.seen, sources: &self.sources, rules: &self.rules };
        let vouchers = check.run(&mut self.covered).await;
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&self.progress);
        for lag in lag_of_pairs(&self.progress, Utc::now()) {
            let lag_s = u32::try_from(lag.lag_s).unwrap_or(u32::MAX);
            metrics::gauge!("largesse_recon_lag_seconds", "pair" => lag.pair).set(f64::from(lag_s));
        }
        let unsaved = self.seen.take_unsaved();
        if let Err(error) = marks::save_closed(&self.db, &unsaved).await {
            // Lost marks cost nothing: logs publish newer ones every second.
            tracing::warn!(%error, "closed times were not saved");
        }
        minutes.and(vouchers)
    }
}

impl Running {
    /// The routes of this service.
    pub fn router(&self) -> axum::Router {
        let (statuses, progress) = (Arc::clone(&self.statuses), Arc::clone(&self.progress));
        let lag = Arc::new(move || lag_now(&statuses, &progress));
        http::router(http::Api { db: self.db.clone(), lag })
    }

    /// Lag and stops of the readers, by name.
    pub fn status(&self) -> Vec<(&'static str, ReaderStatus)> {
        status_now(&self.statuses)
    }

    /// How far behind the comparison is.
    pub fn lag(&self) -> Lag {
        lag_now(&self.statuses, &self.progress)
    }

    /// The newest breaks, at most `limit`.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn list_breaks(&self, limit: i64) -> Result<Vec<BreakView>, sqlx::Error> {
        store::breaks::list(&self.db, None, None, limit).await
    }

    /// How many breaks are not closed.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn count_breaks(&self) -> Result<i64, sqlx::Error> {
        store::breaks::count_not_closed(&self.db).await
    }

    /// Finishes the turns in progress.
    pub async fn shutdown(self) {
        let _ = self.stop.send(true); // No receiver: every task has ended already.
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task of recon ended badly");
            }
        }
    }
}

fn status_now(statuses: &Statuses) -> Vec<(&'static str, ReaderStatus)> {
    statuses.iter().map(|(name, status)| (*name, status.borrow().clone())).collect()
}

fn lag_now(statuses: &Statuses, progress: &Mutex<Progress>) -> Lag {
    let progress = progress.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Lag { pairs: lag_of_pairs(&progress, Utc::now()), readers: lag_of_readers(&status_now(statuses)) }
}
