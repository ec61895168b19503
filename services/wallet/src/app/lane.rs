//! The loop of one lane: gather, decide, commit, answer; and once a second marks, holds, takeovers.

use super::accounts::Accounts;
use super::batch::{Decision, Job, Reply, SliceWork, recovering};
use super::keys::{Keys, Known};
use super::snapshot::InFlight;
use super::take_over::{LEAVING_LOOK_EVERY, Leaving};
use super::write::metric;
use crate::Clock;
use crate::domain::Rules;
use crate::store::{self, Days, EntriesTable};
use chrono::{DateTime, Utc};
use contracts::entry::{Entry, EntryKind};
use contracts::log::{AccountingZone, Seq};
use contracts::wallet::{AccountView, Command, WalletError};
use ids::{HoldId, Partition, ViewerId, partition_of};
use pg::Db;
use seqlog::Appender;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;

/// What a lane is asked to do.
#[derive(Debug)]
pub(crate) enum Work {
    Command(Command, oneshot::Sender<Decision>),
    View(ViewerId, oneshot::Sender<Result<AccountView, WalletError>>),
    Slice(SliceWork),
}

/// The bounds of one lane.
#[derive(Clone, Debug)]
pub(crate) struct LaneSettings {
    pub zone: AccountingZone,
    pub rules: Rules,
    pub batch_len_max: usize,
    pub batch_wait_max: Duration,
    pub keys_max: usize,
    pub keys_window_ms: i64,
    pub accounts_max: usize,
    pub snapshot_rows: usize,
    pub snapshot_changes_max: usize,
    pub replay_rows_max: usize,
    pub tick: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShardState {
    Ready,
    /// Memory does not know what is committed: it is being reloaded.
    Recovering,
}

/// One partition in memory.
#[derive(Debug)]
pub(super) struct Shard {
    pub keys: Keys,
    pub state: ShardState,
    /// Up to which entry snapshots cover it.
    pub covered_seq: Seq,
}

impl Shard {
    pub fn is_ready(&self) -> bool {
        self.state == ShardState::Ready
    }
}

/// What a lane knows: between two batches, exactly what is committed.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub shards: BTreeMap<Partition, Shard>,
    pub accounts: Accounts,
    /// Holds by expiry. One that ended otherwise stays until its time, and then does nothing.
    pub holds: BTreeSet<(i64, ViewerId, HoldId)>,
    /// Committed entries that no snapshot covers.
    pub uncovered_rows: usize,
    /// Snapshots that kept changes since the last one that wrote every row.
    pub changes_kept: usize,
}

impl Memory {
    /// Takes note of a committed entry whose effect the account already shows.
    pub fn remember(&mut self, entry: &Entry) {
        self.uncovered_rows += 1;
        self.accounts.committed(entry.account_id, entry.stamp.seq);
        if let Some(shard) = self.shards.get_mut(&entry.stamp.partition) {
            shard.keys.insert(entry.request_id, Known { body_hash: entry.body_hash, seq: entry.stamp.seq });
        }
        if entry.kind == EntryKind::HoldPlace
            && entry.is_accepted()
            && let Some(expires_at_ms) = entry.expires_at_ms
        {
            self.holds.insert((expires_at_ms, entry.account_id, HoldId::from_uuid(entry.request_id.uuid())));
        }
    }
}

/// One task with a subset of the partitions.
pub(crate) struct Lane {
    pub(super) db: Db,
    pub(super) appender: Appender<EntriesTable>,
    pub(super) settings: LaneSettings,
    pub(super) clock: Clock,
    /// The partitions this lane is to hold.
    pub(super) wanted: Vec<Partition>,
    pub(super) leaving: Option<Leaving>,
    pub(super) memory: Memory,
    pub(super) days: Days,
    pub(super) snapshot: Option<InFlight>,
    /// When a snapshot last wrote every account's row.
    pub(super) rows_written: Instant,
}

impl Lane {
    pub fn new(
        db: Db,
        appender: Appender<EntriesTable>,
        settings: LaneSettings,
        clock: Clock,
        wanted: Vec<Partition>,
    ) -> Lane {
        Lane {
            db,
            appender,
            settings,
            clock,
            wanted,
            leaving: None,
            memory: Memory::default(),
            days: Days::default(),
            snapshot: None,
            rows_written: Instant::now(),
        }
    }

    /// Makes the day tables around now and takes its part of the node's share over.
    ///
    /// # Errors
    /// Whatever the database says about the day tables. What could not be taken over is tried again later.
    pub async fn open_all(&mut self) -> Result<(), sqlx::Error> {
        self.days.ensure_around(&self.db, (self.clock)().date_naive()).await?;
        self.follow().await;
        Ok(())
    }

    /// Works until every handle is gone or `shutdown` turns true; then decides what is queued, writes snapshots and
    /// lets go.
    pub async fn run(mut self, mut queue: mpsc::Receiver<Work>, mut shutdown: watch::Receiver<bool>) {
        let mut works: Vec<Work> = Vec::with_capacity(self.settings.batch_len_max);
        let mut ticks = tokio::time::interval(self.settings.tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ownership = self.appender.ownership().clone();
        let mut is_open = true;
        loop {
            tokio::select! {
                biased;
                _ = shutdown.changed(), if is_open => {
                    is_open = false;
                    queue.close(); // What is queued is still decided; nothing new comes in.
                }
                () = ownership.changed(), if is_open => self.follow().await,
                () = tokio::time::sleep(LEAVING_LOOK_EVERY), if is_open && self.leaving.is_some() => {
                    self.tend_snapshot().await;
                    self.leave_surplus().await;
                }
                _ = ticks.tick() => self.tick().await,
                received = queue.recv_many(&mut works, self.settings.batch_len_max) => {
                    if received == 0 {
                        break;
                    }
                    self.gather(&mut queue, &mut works).await;
                    self.work(&mut works).await;
                    self.tend_snapshot().await;
                    if self.leaving.is_some() {
                        self.leave_surplus().await;
                    }
                }
            }
        }
        self.finish_snapshots().await;
        if let Err(error) = self.appender.release().await {
            tracing::warn!(%error, "the last marks were not saved");
        }
    }

    /// While others are about to send, lets them: stops when a look finds nothing new.
    async fn gather(&self, queue: &mut mpsc::Receiver<Work>, works: &mut Vec<Work>) {
        let began = Instant::now();
        while works.len() < self.settings.batch_len_max && began.elapsed() < self.settings.batch_wait_max {
            tokio::task::yield_now().await;
            let before = works.len();
            while works.len() < self.settings.batch_len_max {
                let Ok(work) = queue.try_recv() else { break };
                works.push(work);
            }
            if works.len() == before {
                break;
            }
        }
        metrics::gauge!("largesse_wallet_queue_commands").set(metric(queue.len()));
    }

    async fn work(&mut self, works: &mut Vec<Work>) {
        let mut jobs = Vec::with_capacity(works.len());
        let mut views = Vec::new();
        let mut slices = Vec::new();
        for work in works.drain(..) {
            match work {
                Work::Command(command, caller) => jobs.push(Job::of_command(command, Reply::Caller(caller))),
                Work::View(account_id, caller) => views.push((account_id, caller)),
                Work::Slice(slice) => slices.push(slice),
            }
        }
        if !jobs.is_empty() {
            self.run_batch(jobs).await;
        }
        for slice in slices {
            self.run_slice(slice).await;
        }
        if !views.is_empty() {
            self.view(views).await;
        }
    }

    /// Shows accounts as committed.
    async fn view(&mut self, views: Vec<(ViewerId, oneshot::Sender<Result<AccountView, WalletError>>)>) {
        let cold: Vec<ViewerId> =
            views.iter().map(|(id, _)| *id).filter(|id| !self.memory.accounts.contains(*id)).collect();
        let loaded = store::load_accounts(&self.db, &cold).await;
        for (account_id, caller) in views {
            let view = match self.memory.shards.get(&partition_of(account_id.uuid())) {
                None => Err(WalletError::ShardMoved),
                Some(shard) if !shard.is_ready() => Err(recovering()),
                Some(_) => match (self.memory.accounts.get(account_id), &loaded) {
                    (Some(account), _) => Ok(account.view(account_id)),
                    (None, Ok(loaded)) => {
                        Ok(loaded.get(&account_id).cloned().unwrap_or_default().view(account_id))
                    }
                    (None, Err(error)) => Err(WalletError::Unavailable(error.to_string())),
                },
            };
            let _ = caller.send(view); // A caller that has gone needs no answer.
        }
    }

    async fn tick(&mut self) {
        self.recover().await;
        self.follow().await;
        let clock = (self.clock)();
        if let Err(error) = self.days.tend_around(&self.db, clock.date_naive()).await {
            tracing::warn!(%error, "tomorrow's table could not be made yet");
        }
        self.expire_holds(clock).await;
        let ready: Vec<Partition> = self
            .memory
            .shards
            .iter()
            .filter(|(_, shard)| shard.is_ready())
            .map(|(partition, _)| *partition)
            .collect();
        for partition in ready {
            // Only what is loaded: behind an unknown COMMIT there may be rows of closed minutes.
            let now = self.appender.head(partition).map(|head| head.now(clock));
            self.appender.close(partition, now.unwrap_or(clock));
        }
        match self.appender.save_marks().await {
            Ok(lost) => self.let_go(&lost),
            Err(error) => tracing::warn!(%error, "marks were not saved"),
        }
        self.tend_snapshot().await;
    }

    /// Ends the holds whose time has come, a batch at a time.
    async fn expire_holds(&mut self, clock: DateTime<Utc>) {
        let now_ms = clock.timestamp_millis();
        let mut jobs = Vec::new();
        while jobs.len() < self.settings.batch_len_max {
            match self.memory.holds.first().copied() {
                Some(due) if due.0 <= now_ms => {
                    self.memory.holds.remove(&due);
                    jobs.push(Job::of_hold(due.0, due.1, due.2));
                }
                _ => break,
            }
        }
        if !jobs.is_empty() {
            self.run_batch(jobs).await;
        }
    }
}
