//! Clearing: double-entry vouchers from payments, entries and items, by a table of rules.
//!
//! Promises: each row of the three source logs is posted exactly once, by the rule of its kind; a voucher that
//! does not sum to zero cannot be stored; reversals have rules of their own and are never netted with what they
//! reverse; nothing is posted into a hard-locked day. Does not judge the logs it reads: recon does.

mod app;
mod config;
mod domain;
mod http;
mod readers;
mod store;

pub use app::keep_partitions::Sources;
pub use app::read_trial_balance::{AccountBalance, TrialBalance, TrialBalanceError};
pub use config::{Config, ConfigError, DEFAULTS};
pub use domain::chart::{Account, Side};
pub use domain::face_value::{FaceValue, FaceValues};
pub use domain::movement::{Accountable, BadRow, Component, Movement, RowKind, Terms};
pub use domain::period::PeriodState;
pub use domain::policy::{BadPolicy, Policy};
pub use domain::rules::{Rule, RuleLine};
pub use http::openapi;
pub use store::vouchers::VouchersTable;

use app::keep_partitions::{Keeping, Statuses, keep_partitions, writer_of};
use app::post_vouchers::Terminology;
use bus::Bus;
use chrono::NaiveDate;
use pg::Db;
use seqlog::{Appender, AppenderSettings, ReaderSettings, ReaderStatus, Relaying, TableSource};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The tables of this service, migrated after seqlog's own.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations/clearing");

/// What clearing needs from whoever composes it.
pub struct Deps {
    /// The schema `clearing`, migrated.
    pub db: Db,
    pub bus: Bus,
    pub sources: Sources,
    pub config: Config,
    /// Unique among live nodes, the same after a restart.
    pub node: String,
}

/// Why clearing did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the chart lacks accounts that have moved: {0:?}")]
    AccountsMissing(Vec<String>),
    #[error("clearing's database failed")]
    Db(#[from] sqlx::Error),
}

/// Clearing at work.
pub struct Running {
    /// The log `clearing.vouchers`, for readers' pulls.
    pub source: TableSource<VouchersTable>,
    db: Db,
    statuses: Statuses,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Checks and stores the policy, takes partitions over, and starts posting.
///
/// # Errors
/// [`StartError`], before anything is posted.
pub async fn start(deps: Deps) -> Result<Running, StartError> {
    let Deps { db, bus, sources, config, node } = deps;
    let policy = config.policy()?;
    let codes: Vec<&str> = policy.accounts.iter().map(|account| account.code.as_str()).collect();
    let missing = store::account_days::list_outside(&db, &codes).await?;
    if !missing.is_empty() {
        return Err(StartError::AccountsMissing(missing));
    }
    store::policies::save(&db, &policy).await?;
    let terms = config.terms(&policy);
    let lease = Duration::from_millis(config.lease_ms);
    let appender = Appender::new(
        db.clone(),
        VouchersTable,
        bus.clone(),
        AppenderSettings { owner: node, lease, relaying: Relaying::On },
    );
    let (writer, source) = writer_of(&db, appender);
    let settings = ReaderSettings {
        gather: Duration::from_millis(config.gather_ms),
        batch_rows_max: config.batch_rows_max,
        ..ReaderSettings::default()
    };
    let terminology = Arc::new(Terminology { policy, terms });
    let keeping = Keeping { db: db.clone(), bus, sources, settings, lease, terminology };
    let statuses = Statuses::default();
    let (stop, shutdown) = watch::channel(false);
    let task = tokio::spawn(keep_partitions(keeping, writer, statuses.clone(), shutdown));
    Ok(Running { source, db, statuses, stop, task })
}

impl Running {
    /// The routes of this service.
    pub fn router(&self) -> axum::Router {
        http::router(self.db.clone())
    }

    /// Lag and stops of the readers, by name.
    pub fn status(&self) -> Vec<(&'static str, ReaderStatus)> {
        self.statuses.now()
    }

    /// The books up to and including a day; none: everything posted.
    ///
    /// # Errors
    /// [`TrialBalanceError`].
    pub async fn trial_balance(&self, day: Option<NaiveDate>) -> Result<TrialBalance, TrialBalanceError> {
        app::read_trial_balance::read_trial_balance(&self.db, day).await
    }

    /// Opens or locks an accounting day; waits for postings that hold it.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn set_period(&self, day: NaiveDate, state: PeriodState) -> Result<(), sqlx::Error> {
        store::periods::set_state(&self.db, day, state).await
    }

    /// Finishes the turns in progress and ends the leases.
    pub async fn shutdown(self) {
        let _ = self.stop.send(true); // No receiver: the task has ended already.
        if let Err(error) = self.task.await {
            tracing::error!(%error, "clearing ended badly");
        }
    }
}
