//! Clearing: double-entry vouchers from payments, entries, items and payouts, by a table of rules.
//!
//! Promises: each row of the four source logs is posted exactly once, by the rule of its kind; a voucher that
//! does not sum to zero cannot be stored; reversals have rules of their own and are never netted with what they
//! reverse; nothing is posted into a closed day, and what comes late stands in the first open one; a day is closed by two
//! people, and what it held then is written down. Does not judge the logs it reads: recon does.

mod app;
mod config;
mod domain;
mod http;
mod readers;
mod store;

pub use app::adjust::Owner;
pub use app::close_facts::{CloseFacts, DayRange, ImportedFiles, NobodyToAsk, ReconFacts, UnknownFact};
pub use app::keep_partitions::Sources;
pub use app::read_trial_balance::{AccountBalance, TrialBalance, TrialBalanceError};
pub use app::tell_period::UNEXPLAINED;
pub use config::{Config, ConfigError, DEFAULTS};
pub use domain::chart::{Account, Side};
pub use domain::checklist::{CheckLine, Checklist, LineState};
pub use domain::face_value::{FaceValue, FaceValues};
pub use domain::movement::{Accountable, BadRow, Component, Movement, RowKind, Terms};
pub use domain::period::{PeriodState, PeriodStep};
pub use domain::policy::{BadPolicy, Policy};
pub use domain::rules::{Rule, RuleLine};
pub use http::openapi;
pub use store::closings::count_not_closed;
pub use store::period_requests::{PeriodRequest, RequestState};
pub use store::vouchers::VouchersTable;

use app::close_period::{CloseSettings, Closing};
use app::export_books::Exporting;
use app::keep_partitions::{Reading, keep_partitions};
use app::post_vouchers::{Terminology, Writer};
use bus::Bus;
use chrono::NaiveDate;
use contracts::log::{AccountingZone, LogName};
use ids::GroupSet;
use pg::Db;
use seqlog::{
    Appender, AppenderSettings, Membership, NodeSettings, ReaderSettings, ReaderStatus, Relaying, TableSource,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

/// The tables of this service, migrated after seqlog's own.
pub static MIGRATOR: std::sync::LazyLock<pg::Migrator> = std::sync::LazyLock::new(|| {
    let own = pg::migrator(&[
        (101, "init", include_str!("../../../migrations/clearing/0101_init.sql")),
        (110, "adjustments", include_str!("../../../migrations/clearing/0110_adjustments.sql")),
        (120, "close", include_str!("../../../migrations/clearing/0120_close.sql")),
        (121, "rule_days", include_str!("../../../migrations/clearing/0121_rule_days.sql")),
        (122, "sums_by_group", include_str!("../../../migrations/clearing/0122_sums_by_group.sql")),
        (123, "vouchers_by_rule", include_str!("../../../migrations/clearing/0123_vouchers_by_rule.sql")),
        (
            124,
            "channel_settlements",
            include_str!("../../../migrations/clearing/0124_channel_settlements.sql"),
        ),
    ]);
    pg::Migrator::with_migrations(own.iter().chain(trail::MIGRATOR.iter()).cloned().collect())
});

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
    #[error(transparent)]
    Node(#[from] seqlog::JoinError),
    #[error("clearing's database failed")]
    Db(#[from] sqlx::Error),
}

/// Clearing at work.
pub struct Running {
    /// The log `clearing.vouchers`, for readers' pulls.
    pub source: TableSource<VouchersTable>,
    db: Db,
    sources: Sources,
    terminology: Arc<Terminology>,
    config: Config,
    owner: Owner,
    /// Lag and stops of the readers, by name.
    statuses: [(&'static str, watch::Receiver<ReaderStatus>); 4],
    membership: Membership,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Checks and stores the policy, joins clearing's nodes, takes its share of the partitions over, and starts posting.
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
    let accounts = policy.accounts.iter().map(|account| account.code.clone()).collect();
    let seal_within = Duration::from_secs(config.seal_within_s);
    let owner = Owner {
        db: db.clone(),
        accounts: Arc::new(accounts),
        currency: config.currency.clone(),
        channels: config.channel_settlement.clone(),
        seal_within,
    };
    let lease = Duration::from_millis(config.lease_ms);
    let membership =
        Membership::join(db.clone(), LogName::Vouchers.as_str(), NodeSettings::even(&node, lease)).await?;
    let ownership = membership.ownership();
    let writing = AppenderSettings { ownership: ownership.clone(), relaying: Relaying::On };
    let appender = Appender::new(db.clone(), VouchersTable, bus.clone(), writing);
    let source = appender.source();
    let mut writer = Writer::new(db.clone(), appender);
    writer.follow().await?;
    let writer = Arc::new(Mutex::new(writer));
    let settings = ReaderSettings {
        gather: Duration::from_millis(config.gather_ms),
        batch_rows_max: config.batch_rows_max,
        ..ReaderSettings::default()
    };
    let (stop, shutdown) = watch::channel(false);
    let terminology = Arc::new(Terminology { policy, terms });
    let reading = Reading {
        db: db.clone(),
        bus,
        settings,
        terminology: Arc::clone(&terminology),
        writer: Arc::clone(&writer),
        ownership: ownership.clone(),
        shutdown: shutdown.clone(),
    };
    let started = reading.start(&sources).await?;
    let statuses = started.each_ref().map(|reader| (reader.name, reader.status.clone()));
    let readers = started.map(|reader| reader.task);
    let task = tokio::spawn(keep_partitions(writer, readers, ownership, shutdown));
    Ok(Running { source, db, owner, sources, terminology, config, statuses, membership, stop, task })
}

impl Running {
    /// The routes of this service.
    pub fn router(&self) -> axum::Router {
        http::router(self.db.clone()).merge(http::internal::router(self.owner.clone()))
    }

    /// What other services may ask of this one.
    pub fn owner(&self) -> Owner {
        self.owner.clone()
    }

    /// Lag and stops of the readers, by name.
    pub fn status(&self) -> Vec<(&'static str, ReaderStatus)> {
        self.statuses.iter().map(|(name, status)| (*name, status.borrow().clone())).collect()
    }

    /// The books up to and including a day; none: everything posted.
    ///
    /// # Errors
    /// [`TrialBalanceError`].
    pub async fn trial_balance(&self, day: Option<NaiveDate>) -> Result<TrialBalance, TrialBalanceError> {
        app::read_trial_balance::read_trial_balance(&self.db, day).await
    }

    /// The routes of periods, the journal and exports. What closing must know of other services, `facts` says.
    pub fn finance_router(&self, facts: Arc<dyn CloseFacts>, zone: AccountingZone) -> axum::Router {
        let settings = CloseSettings {
            expected_bills: self.config.expected_bills.clone(),
            expected_statements: self.config.expected_statements.clone(),
            seal_within: Duration::from_secs(self.config.seal_within_s),
        };
        let reading = app::read_journal::Reading {
            db: self.db.clone(),
            sources: self.sources.clone(),
            terminology: Arc::clone(&self.terminology),
        };
        let served = trail::Served {
            db: self.db.clone(),
            name: "periods",
            unexplained: app::tell_period::UNEXPLAINED,
        };
        let audit = trail::routes(served);
        audit.merge(http::finance_router(http::Books {
            closing: Closing { db: self.db.clone(), facts, zone, settings },
            reading,
            exporting: Exporting::new(self.db.clone(), self.config.currency.clone()),
            coin_accounts: self.config.coin_accounts.clone(),
        }))
    }

    /// Hands the partitions to other live nodes, if there are any; goes on with what nobody takes.
    pub async fn drain(&self, limit: Duration) -> GroupSet {
        self.membership.drain(limit).await
    }

    /// Finishes the turns in progress and ends the leases.
    pub async fn shutdown(self) {
        let _ = self.stop.send(true); // No receiver: the task has ended already.
        if let Err(error) = self.task.await {
            tracing::error!(%error, "clearing ended badly");
        }
        self.membership.leave().await;
    }
}
