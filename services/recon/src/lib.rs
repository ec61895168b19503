//! Recon: compares the logs all the time.
//!
//! Promises: each closed minute of each partition is compared once between entries and orders, and between
//! orders and items; each range of vouchers with the rows it covers. What differs becomes a typed break, once.
//! Minutes that agree cost no reading of rows. Changes nothing in any other service's tables: what is put right is put
//! right by the owning service's own command, once, after two people or a rule said so, and every step of it is in a
//! trail that shows when it was changed. Once a day every row of every log is compared again, and bills of channels
//! and statements of banks with the payments.

mod app;
mod config;
mod domain;
mod http;
mod jobs;
mod readers;
mod store;

pub use app::act_on_break::Deed;
pub use app::change_rules::DryRunView;
pub use app::commands::{CommandError, Commands};
pub use app::explain::Explanation;
pub use app::read_break::{BreakDetail, SideView};
pub use app::read_lag::{Lag, PairLag, ReaderLag};
pub use app::read_runs::{FileOfDay, RunDetail, RunView, Today};
pub use app::sources::Sources;
pub use config::{Config, ConfigError, DEFAULTS};
pub use domain::action::{Action, ActionKind, Agreed, VoucherLine};
pub use domain::bill_line::{BillScope, OurLine, PayoutOutcome, TheirLine, WithdrawalSettings};
pub use domain::break_kind::BreakKind;
pub use domain::break_state::{BreakState, BreakStep, WrongStep};
pub use domain::channel_paid::PaidAbout;
pub use domain::controls::FaceValue;
pub use domain::effect::{BadVoucherRule, VoucherRule};
pub use domain::healing::{Healing, HealingRule};
pub use domain::receivable::ReceivableEnd;
pub use domain::report::{ChannelResult, FileLine, ReportDiff};
pub use domain::severity::{Severity, SeverityRule};
pub use http::openapi;
pub use store::audit::UNEXPLAINED;
pub use store::bills::BillState;
pub use store::breaks::{BreakView, ClosedWhy};
pub use store::desk::CommentView;
pub use store::matches::MatchView;
pub use store::matching_rules::{RulesState, RulesView};
pub use store::proposals::{Decision, EffectOutcome, EffectView, ProposalView};
pub use store::runs::RunState;

use app::act_on_break::Desk;
use app::compare_minutes::{CompareError, Progress, compare_minutes};
use app::compare_vouchers::{Covered, VoucherCheck};
use app::heal_breaks::Healer;
use app::import_bill::Imports;
use app::read_lag::{lag_of_pairs, lag_of_readers};
use app::run_day::Daily;
use app::run_desk::DeskWork;
use app::seen::Seen;
use bus::Bus;
use chrono::{TimeDelta, Utc};
use contracts::log::{AccountingZone, minute_of};
use domain::effect::VoucherRules;
use domain::severity::Severities;
use ids::{GroupSet, Partition};
use jobs::daily_work::{DailyWork, Timetable};
use pg::Db;
use readers::on_log::OnLog;
use readers::on_vouchers::OnVouchers;
use seqlog::{
    Handler, LogSource, Membership, NodeSettings, Ownership, Reader, ReaderSettings, ReaderStatus, Spread,
};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::breaks::Filter;
use store::{digests, marks, voucher_ranges};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

/// The tables of this service, migrated after seqlog's own.
pub static MIGRATOR: std::sync::LazyLock<pg::Migrator> = std::sync::LazyLock::new(|| {
    pg::migrator(&[
        (101, "init", include_str!("../../../migrations/recon/0101_init.sql")),
        (102, "desk", include_str!("../../../migrations/recon/0102_desk.sql")),
        (103, "daily", include_str!("../../../migrations/recon/0103_daily.sql")),
        (104, "payouts", include_str!("../../../migrations/recon/0104_payouts.sql")),
        (105, "pages", include_str!("../../../migrations/recon/0105_pages.sql")),
        (106, "named_rows", include_str!("../../../migrations/recon/0106_named_rows.sql")),
        (107, "evidence_day", include_str!("../../../migrations/recon/0107_evidence_day.sql")),
        (108, "at_risk_and_waiting", include_str!("../../../migrations/recon/0108_at_risk_and_waiting.sql")),
        (109, "channel_settlements", include_str!("../../../migrations/recon/0109_channel_settlements.sql")),
        (110, "fund_bills", include_str!("../../../migrations/recon/0110_fund_bills.sql")),
        (111, "withdrawals", include_str!("../../../migrations/recon/0111_withdrawals.sql")),
    ])
});

/// What recon's nodes share: all of it is one node's.
const READER_GROUP: &str = "recon";

/// The pause before work that could not begin is tried again.
const BEGIN_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How often old digests are deleted.
const PRUNE_EVERY: Duration = Duration::from_secs(600);

/// How often breaks that are not closed are counted.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// What recon needs from whoever composes it. One instance works; the others stand by until it is gone.
pub struct Deps {
    /// The schema `recon`, migrated.
    pub db: Db,
    pub bus: Bus,
    pub sources: Sources,
    /// What other services do about breaks.
    pub commands: Arc<dyn Commands>,
    pub config: Config,
    pub zone: AccountingZone,
    /// The node's name: unique among live nodes, the same after a restart.
    pub node: String,
}

/// Why recon did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Node(#[from] seqlog::JoinError),
    #[error("recon's database failed")]
    Db(#[from] sqlx::Error),
}

/// Lag and stops of the readers at work, by name; none where this instance stands by.
type Statuses = Vec<(&'static str, watch::Receiver<ReaderStatus>)>;

/// What is shown of the work in progress.
#[derive(Clone, Default)]
struct Shown {
    statuses: Arc<Mutex<Statuses>>,
    progress: Arc<Mutex<Progress>>,
}

/// Recon at work, or standing by.
pub struct Running {
    db: Db,
    desk: Desk,
    daily: Daily,
    imports: Imports,
    bill_bytes_max: u64,
    shown: Shown,
    membership: Membership,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Joins recon's nodes; the one that works starts the four readers and the comparison before this returns.
///
/// # Errors
/// [`StartError`], before anything is read.
pub async fn start(deps: Deps) -> Result<Running, StartError> {
    let Deps { db, bus, sources, commands, config, zone, node } = deps;
    let rules = Arc::new(config.checked_rules()?);
    let timetable = config.checked_daily()?;
    let severities = Arc::new(config.checked_desk()?);
    let (limits, sources_of_desk) = (config.limits(), sources.clone());
    let face_values = config.face_values.clone().into();
    let desk =
        Desk { db: db.clone(), sources: sources_of_desk, commands, limits, severities, face_values, zone };
    let daily = Daily {
        db: db.clone(),
        desk: desk.clone(),
        rules: Arc::clone(&rules),
        zone,
        face_values: config.face_values.clone(),
        lag_days: config.match_lag_days,
        payouts: config.payouts.clone(),
        withdrawals: config.withdrawals.clone().into(),
        expected_statements: config.expected_statements.clone().into(),
    };
    let imports = Imports::new(db.clone(), config.bill_rows_max);
    let bill_bytes_max = config.bill_bytes_max;
    let lease = Duration::from_millis(config.lease_ms);
    let settings = NodeSettings { node, lease, spread: Spread::OneNode };
    let membership = Membership::join(db.clone(), READER_GROUP, settings).await?;
    let shown = Shown::default();
    let desk_of_work = desk.clone();
    let parts = Parts {
        db: db.clone(),
        bus,
        sources,
        desk: desk_of_work,
        daily: daily.clone(),
        timetable,
        rules,
        config,
        shown: shown.clone(),
    };
    let ownership = membership.ownership();
    let work = match ownership.share().wanted() {
        GroupSet::ALL => Some(parts.begin().await?),
        _ => None,
    };
    let (stop, shutdown) = watch::channel(false);
    let task = tokio::spawn(parts.work_in_turns(ownership, work, shutdown));
    Ok(Running { db, desk, daily, imports, bill_bytes_max, shown, membership, stop, task })
}

/// What work is made from.
struct Parts {
    db: Db,
    bus: Bus,
    sources: Sources,
    desk: Desk,
    daily: Daily,
    timetable: Timetable,
    rules: Arc<VoucherRules>,
    config: Config,
    shown: Shown,
}

/// The readers and the comparison, at work.
struct Work {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Work {
    /// Finishes the turns in progress.
    async fn end(self) {
        let _ = self.stop.send(true); // No receiver: every task has ended already.
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task of recon ended badly");
            }
        }
    }
}

impl Parts {
    /// Works while this node is the one that does, and stands by otherwise.
    async fn work_in_turns(
        self,
        mut ownership: Ownership,
        mut work: Option<Work>,
        mut shutdown: watch::Receiver<bool>,
    ) {
        while !*shutdown.borrow() {
            let is_ours = ownership.share().wanted() == GroupSet::ALL;
            match work.take() {
                Some(working) if !is_ours => {
                    tracing::info!("another node does recon's work now; this one stands by");
                    working.end().await;
                    self.shown.statuses.lock().unwrap_or_else(PoisonError::into_inner).clear();
                }
                Some(working) => work = Some(working),
                None if is_ours => match self.begin().await {
                    Ok(begun) => work = Some(begun),
                    Err(error) => tracing::warn!(%error, "recon's work could not begin; tried again"),
                },
                None => {}
            }
            let pause = if is_ours && work.is_none() { BEGIN_AGAIN_AFTER } else { Duration::MAX };
            tokio::select! {
                _ = shutdown.changed() => {}
                () = ownership.changed() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        if let Some(working) = work {
            working.end().await;
        }
    }

    /// Starts the readers and the comparison where the tables say they stand.
    async fn begin(&self) -> Result<Work, sqlx::Error> {
        let db = &self.db;
        let seen = Seen::of_closed(marks::list_closed(db).await?);
        let progress = marks::list_progress(db).await?;
        let covered = voucher_ranges::list_covered(db).await?;
        let settings = ReaderSettings {
            gather: Duration::from_millis(self.config.gather_ms),
            batch_rows_max: self.config.batch_rows_max,
            ..ReaderSettings::default()
        };
        let (stop, shutdown) = watch::channel(false);
        let (bus, running) = (self.bus.clone(), Vec::new());
        let mut readers = Readers { db: db.clone(), bus, settings, stop: stop.subscribe(), running };
        let sources = &self.sources;
        readers.start(sources.entries.clone(), OnLog::new(db.clone(), seen.clone())).await?;
        readers.start(sources.orders.clone(), OnLog::new(db.clone(), seen.clone())).await?;
        readers.start(sources.items.clone(), OnLog::new(db.clone(), seen.clone())).await?;
        readers.start(sources.vouchers.clone(), OnVouchers::new(db.clone(), seen.clone())).await?;
        let (statuses, mut tasks): (Statuses, Vec<_>) =
            readers.running.into_iter().map(|(name, status, task)| ((name, status), task)).unzip();
        *self.shown.statuses.lock().unwrap_or_else(PoisonError::into_inner) = statuses;
        self.shown.progress.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&progress);
        let comparison = Comparison {
            db: db.clone(),
            seen,
            sources: self.sources.clone(),
            rules: Arc::clone(&self.rules),
            severities: Arc::clone(&self.desk.severities),
            config: self.config.clone(),
            progress,
            covered,
            shown: Arc::clone(&self.shown.progress),
        };
        let healer = Healer::new(self.config.healing.clone());
        let desk = DeskWork::new(self.desk.clone(), self.config.pace(), healer);
        tasks.push(tokio::spawn(desk.run(shutdown.clone())));
        let daily = DailyWork::new(self.daily.clone(), self.timetable);
        tasks.push(tokio::spawn(daily.run(shutdown.clone())));
        tasks.push(tokio::spawn(comparison.run(shutdown)));
        Ok(Work { stop, tasks })
    }
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
    rules: Arc<VoucherRules>,
    severities: Arc<Severities>,
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
        let mut next_count = Instant::now();
        while !*shutdown.borrow() {
            tokio::select! {
                biased;
                _ = shutdown.changed() => break,
                _ = turns.tick() => {}
            }
            if let Err(error) = self.turn().await {
                tracing::warn!(%error, "a comparison failed and will be repeated");
            }
            if next_count <= Instant::now() {
                next_count = Instant::now() + COUNT_EVERY;
                self.count_breaks().await;
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

    async fn count_breaks(&self) {
        match store::breaks::count_not_closed(&self.db).await {
            Ok(count) => {
                let count = u32::try_from(count).unwrap_or(u32::MAX);
                metrics::gauge!("largesse_recon_open_breaks").set(f64::from(count));
            }
            Err(error) => tracing::warn!(%error, "open breaks were not counted; tried again in a moment"),
        }
    }

    async fn turn(&mut self) -> Result<(), CompareError> {
        let progress = &mut self.progress;
        let minutes = compare_minutes(&self.db, &self.seen, &self.sources, &self.severities, progress).await;
        let check = VoucherCheck {
            db: &self.db,
            seen: &self.seen,
            sources: &self.sources,
            rules: &self.rules,
            severities: &self.severities,
        };
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
        let shown = self.shown.clone();
        let lag = Arc::new(move || lag_now(&shown));
        http::router(http::Api {
            desk: self.desk.clone(),
            lag,
            daily: self.daily.clone(),
            imports: self.imports.clone(),
            bill_bytes_max: self.bill_bytes_max,
        })
    }

    /// Lag and stops of the readers, by name.
    pub fn status(&self) -> Vec<(&'static str, ReaderStatus)> {
        status_now(&self.shown)
    }

    /// How far behind the comparison is.
    pub fn lag(&self) -> Lag {
        lag_now(&self.shown)
    }

    /// The newest breaks, at most `limit`.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn list_breaks(&self, limit: i64) -> Result<Vec<BreakView>, sqlx::Error> {
        store::breaks::list(&self.db, None, &Filter::default(), limit).await
    }

    /// How many breaks are not closed.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn count_breaks(&self) -> Result<i64, sqlx::Error> {
        store::breaks::count_not_closed(&self.db).await
    }

    /// Hands the work to another node that stands by, if there is one; goes on otherwise.
    pub async fn drain(&self, limit: Duration) -> GroupSet {
        self.membership.drain(limit).await
    }

    /// Finishes the turns in progress.
    pub async fn shutdown(self) {
        let _ = self.stop.send(true); // No receiver: the task has ended already.
        if let Err(error) = self.task.await {
            tracing::error!(%error, "recon ended badly");
        }
        self.membership.leave().await;
    }
}

fn status_now(shown: &Shown) -> Vec<(&'static str, ReaderStatus)> {
    let statuses = shown.statuses.lock().unwrap_or_else(PoisonError::into_inner);
    statuses.iter().map(|(name, status)| (*name, status.borrow().clone())).collect()
}

fn lag_now(shown: &Shown) -> Lag {
    let progress = shown.progress.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Lag { pairs: lag_of_pairs(&progress, Utc::now()), readers: lag_of_readers(&status_now(shown)) }
}
