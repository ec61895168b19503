//! The one writer of this node's partitions of `cashier.payments`: callbacks gather while a batch commits.
//!
//! One transaction per batch: recharges lock in the order of their ids, notices are claimed, heads lock in
//! partition order, rows go in. Nobody is answered before the commit. On a constraint error the batch is halved
//! until the callback names itself; an unknown COMMIT answers `OutcomeUnknown` and raises the writer's epoch.

use crate::domain::callback::Callback;
use crate::domain::ledger::{Ledger, Setting, Taken};
use crate::domain::notice::{Notice, NoticeKey, NoticeKind, NoticeOutcome};
use crate::error::CallbackError;
use crate::store::payments::PaymentsTable;
use crate::store::{notices, recharges, returns};
use chrono::Utc;
use contracts::log::AccountingZone;
use ids::{Partition, Uuid};
use pg::Db;
use seqlog::{AppendError, Appender};
use sqlx::PgConnection;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;

/// How often marks are saved.
const MARKS_EVERY: Duration = Duration::from_secs(1);
/// The wait between two tries to learn the outcome of an unknown COMMIT.
const RECOVER_EVERY: Duration = Duration::from_millis(200);
/// How often a batch that lost a race to another node is decided again.
const RACES_MAX: u32 = 5;

/// One callback on its way.
pub struct Job {
    pub(crate) callback: Callback,
    pub(crate) answer: oneshot::Sender<Result<Taken, CallbackError>>,
}

/// The task.
pub(crate) struct Writer {
    pub db: Db,
    pub appender: Appender<PaymentsTable>,
    pub zone: AccountingZone,
    pub queue: mpsc::Receiver<Job>,
    pub batch_len_max: usize,
    pub held: watch::Sender<usize>,
    pub shutdown: watch::Receiver<bool>,
}

/// How one try of a batch ended.
enum Tried {
    Committed(Vec<Taken>),
    /// Another node claimed one of these callbacks first.
    Raced,
    Deposed(Vec<Partition>),
    RolledBack(sqlx::Error),
    /// With the partitions whose heads may have moved.
    Unknown(Vec<Partition>, sqlx::Error),
}

impl Writer {
    /// Works until `shutdown` turns true; what is queued then is still recorded.
    pub async fn run(mut self) {
        let mut shutdown = self.shutdown.clone();
        let mut ownership = self.appender.ownership().clone();
        let mut marks = tokio::time::interval(MARKS_EVERY);
        marks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !*shutdown.borrow() {
            tokio::select! {
                biased;
                _ = shutdown.changed() => break,
                () = ownership.changed() => self.follow().await,
                _ = marks.tick() => {
                    self.follow().await;
                    self.mark().await;
                }
                Some(first) = self.queue.recv() => self.gather_and_record(first).await,
            }
        }
        self.queue.close();
        while let Some(job) = self.queue.recv().await {
            self.gather_and_record(job).await;
        }
        if let Err(error) = self.appender.release().await {
            tracing::warn!(%error, "leases were not released; they run out by themselves");
        }
    }

    async fn mark(&mut self) {
        self.appender.close_all(Utc::now());
        if let Err(error) = self.appender.save_marks().await {
            tracing::warn!(%error, "marks of cashier.payments were not saved; the next second tries again");
        }
        self.held.send_replace(self.appender.partitions().count());
    }

    /// Holds what this node is to hold, and nothing else.
    pub async fn follow(&mut self) {
        if let Err(error) = self.appender.follow().await {
            tracing::warn!(%error, "partitions were not taken over or left; the next second tries again");
        }
        self.held.send_replace(self.appender.partitions().count());
    }

    async fn gather_and_record(&mut self, first: Job) {
        let mut jobs = vec![first];
        while jobs.len() < self.batch_len_max {
            let Ok(job) = self.queue.try_recv() else { break };
            jobs.push(job);
        }
        metrics::histogram!("largesse_cashier_batch_rows")
            .record(u32::try_from(jobs.len()).unwrap_or(u32::MAX));
        self.record(jobs).await;
    }

    async fn record(&mut self, jobs: Vec<Job>) {
        let mut batches = vec![(jobs, 0_u32)];
        while let Some((mut jobs, races)) = batches.pop() {
            match self.try_batch(&jobs).await {
                Tried::Committed(taken) => {
                    for (job, taken) in jobs.into_iter().zip(taken) {
                        answer(job, Ok(taken));
                    }
                }
                Tried::Raced if races < RACES_MAX => batches.push((jobs, races + 1)),
                Tried::Raced => answer_all(jobs, || CallbackError::Overloaded),
                Tried::Deposed(lost) => {
                    tracing::error!(?lost, "another node writes these partitions of cashier.payments now");
                    self.appender.drop_partitions(&lost);
                    batches.push((jobs, races)); // The lost partitions' jobs are told so; the others go on.
                }
                Tried::RolledBack(error) if pg::is_constraint(&error) => {
                    if jobs.len() > 1 {
                        let second = jobs.split_off(jobs.len() / 2);
                        batches.push((second, races));
                        batches.push((jobs, races));
                    } else if let Some(job) = jobs.pop() {
                        tracing::error!(%error, callback = ?job.callback, "a callback could not be recorded");
                        answer(job, Err(CallbackError::NotRecordable(error)));
                    }
                }
                Tried::RolledBack(error) => {
                    tracing::warn!(%error, "a batch of callbacks was not recorded");
                    answer_all(jobs, || CallbackError::Unavailable(None));
                }
                Tried::Unknown(partitions, error) => {
                    tracing::warn!(%error, "the outcome of a COMMIT is unknown");
                    answer_all(jobs, || CallbackError::OutcomeUnknown);
                    self.recover(&partitions).await;
                }
            }
        }
    }

    async fn try_batch(&mut self, jobs: &[Job]) -> Tried {
        let mut tx = match self.db.begin().await {
            Ok(tx) => tx,
            Err(error) => return Tried::RolledBack(error),
        };
        let taken = match self.decide_in_tx(&mut tx, jobs).await {
            Ok(taken) => taken,
            Err(tried) => {
                let _ = tx.rollback().await; // A lost connection rolls back by itself.
                self.appender.discard();
                return tried;
            }
        };
        let partitions = self.appender.planned().iter().map(|(partition, _)| *partition).collect();
        match tx.commit().await {
            Ok(()) => {
                let payments: usize = self.appender.planned().iter().map(|(_, rows)| rows.len()).sum();
                metrics::counter!("largesse_cashier_payments_total")
                    .increment(u64::try_from(payments).unwrap_or(u64::MAX));
                self.appender.committed();
                Tried::Committed(taken)
            }
            Err(error) => Tried::Unknown(partitions, error),
        }
    }

    async fn decide_in_tx(&mut self, tx: &mut PgConnection, jobs: &[Job]) -> Result<Vec<Taken>, Tried> {
        let mut ledger = self.load_in_tx(tx, jobs).await.map_err(Tried::RolledBack)?;
        let taken: Vec<Taken> = jobs.iter().map(|job| ledger.take(&job.callback)).collect();
        let changes = ledger.changes();
        if changes.notices.is_empty() {
            return Ok(taken);
        }
        let claimed = notices::save_in_tx(tx, &self.db, &changes.notices).await.map_err(Tried::RolledBack)?;
        let changed =
            recharges::change_in_tx(tx, &self.db, &changes.recharges).await.map_err(Tried::RolledBack)?;
        if (claimed, changed) != (length(&changes.notices), length(&changes.recharges)) {
            return Err(Tried::Raced);
        }
        returns::owe_in_tx(tx, &self.db, &changes.payments).await.map_err(Tried::RolledBack)?;
        match self.appender.append(tx, changes.payments).await {
            Ok(()) => Ok(taken),
            Err(AppendError::Deposed(lost)) => Err(Tried::Deposed(lost)),
            Err(AppendError::Db(error)) => Err(Tried::RolledBack(error)),
        }
    }

    /// Locks the batch's recharges, then reads what is recorded about its callbacks.
    async fn load_in_tx(&self, tx: &mut PgConnection, jobs: &[Job]) -> Result<Ledger, sqlx::Error> {
        let ids: BTreeSet<Uuid> = jobs.iter().map(|job| job.callback.body.recharge_id.uuid()).collect();
        let ids: Vec<Uuid> = ids.into_iter().collect();
        let mut known = recharges::lock_recharges_in_tx(tx, &self.db, &ids).await?;
        let recorded = notices::find_in_tx(tx, &self.db, &keys_of(jobs)).await?;
        let aside: BTreeSet<Uuid> = recorded
            .iter()
            .filter(|notice: &&Notice| notice.outcome == NoticeOutcome::KeptAside)
            .map(|notice| notice.recharge_id.uuid())
            .filter(|id| !ids.contains(id))
            .collect();
        if !aside.is_empty() {
            let aside: Vec<Uuid> = aside.into_iter().collect();
            known.extend(recharges::lock_recharges_in_tx(tx, &self.db, &aside).await?);
        }
        let now = Utc::now();
        let times = self
            .appender
            .partitions()
            .filter_map(|partition| Some((partition, self.appender.head(partition)?.now(now))));
        let setting =
            Setting { times: times.collect(), now, zone: self.zone, id_version: self.db.lane().id_version() };
        Ok(Ledger::new(setting, known, recorded))
    }

    async fn recover(&mut self, partitions: &[Partition]) {
        self.appender.discard();
        loop {
            match self.appender.recover(partitions).await {
                Ok(lost) => {
                    if !lost.is_empty() {
                        tracing::error!(
                            ?lost,
                            "another node writes these partitions of cashier.payments now"
                        );
                    }
                    return;
                }
                Err(error) => tracing::warn!(%error, "the outcome of a COMMIT is still unknown"),
            }
            if *self.shutdown.borrow() {
                self.appender.drop_partitions(partitions); // The next start takes them over and reads them.
                return;
            }
            tokio::time::sleep(RECOVER_EVERY).await;
        }
    }
}

/// The keys a batch repeats or refers to.
fn keys_of(jobs: &[Job]) -> Vec<NoticeKey> {
    let mut keys = BTreeSet::new();
    for Job { callback, .. } in jobs {
        let key = |id: &String, kind| NoticeKey {
            channel: callback.channel.clone(),
            channel_payment_id: id.clone(),
            kind,
        };
        let id = &callback.body.channel_payment_id;
        keys.insert(key(id, callback.body.kind));
        keys.extend(callback.body.kind.other_way_back().map(|kind| key(id, kind)));
        if let Some(refund_of) = &callback.body.refund_of {
            keys.insert(key(refund_of, NoticeKind::Succeeded));
        }
    }
    keys.into_iter().collect()
}

fn length<T>(rows: &[T]) -> u64 {
    u64::try_from(rows.len()).unwrap_or(u64::MAX)
}

fn answer(job: Job, taken: Result<Taken, CallbackError>) {
    let _ = job.answer.send(taken); // Who asked may have gone; the record stays.
}

fn answer_all(jobs: Vec<Job>, error: impl Fn() -> CallbackError) {
    for job in jobs {
        answer(job, Err(error()));
    }
}
