//! Partitions come and go: taken over by epoch, reloaded after an unknown COMMIT, let go when deposed.
//!
//! The epoch is raised and committed first; only then are the snapshot, the tail and the keys read, so that
//! nothing of the deposed writer can appear behind what was read.

use super::keys::Keys;
use super::lane::{Lane, Shard, ShardState};
use super::snapshot::{Pace, Scope};
use crate::domain::{self, ApplyError, Hold};
use crate::store;
use contracts::entry::Entry;
use contracts::log::Seq;
use ids::{HoldId, Partition, ViewerId, partition_of};
use seqlog::TakeOver;
use std::time::{Duration, Instant};

/// How often a lane that hands partitions over looks whether their snapshot is written.
pub(super) const LEAVING_LOOK_EVERY: Duration = Duration::from_millis(10);

/// Entries of a tail that one statement reads.
const TAIL_ROWS_MAX: i64 = 10_000;

/// How long handing over may wait for the snapshot: without it the next owner only reads more.
const LEAVING_MAX: Duration = Duration::from_secs(1);

/// How far the handing over of partitions is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaving {
    since: Instant,
    covering: Covering,
}

/// Whether a snapshot covers what is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Covering {
    Not,
    Begun,
    Done,
}

/// Why a partition could not be loaded. It stays closed, and loading is tried again.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error("the partition's tables could not be read")]
    Db(#[from] sqlx::Error),
    #[error("entry {seq} of partition {partition} does not follow: {source}")]
    Broken { partition: Partition, seq: Seq, source: ApplyError },
}

impl Lane {
    /// Holds this lane's part of what the node is to hold, and nothing else.
    pub(super) async fn follow(&mut self) {
        self.leave_surplus().await;
        let mut missing = self.appender.missing();
        missing.retain(|partition| self.wanted.contains(partition));
        for partition in missing {
            match self.appender.take_over(partition).await {
                Ok(TakeOver::Taken(head)) => {
                    tracing::debug!(%partition, epoch = head.epoch, last_seq = head.last_seq, "took over");
                    self.open(partition).await;
                }
                Ok(TakeOver::NotOurs) => {}
                Err(error) => {
                    tracing::warn!(%error, %partition, "a partition could not be taken over");
                    return; // One failure is enough to know that the database is away.
                }
            }
        }
    }

    /// Hands partitions over to another node: first a snapshot, while they are still served, so that the next owner
    /// reads a short tail; then, between two batches, they are let go of.
    pub(super) async fn leave_surplus(&mut self) {
        let surplus = self.appender.surplus();
        if surplus.is_empty() {
            self.leaving = None;
            return;
        }
        let mut leaving = self.leaving.unwrap_or(Leaving { since: Instant::now(), covering: Covering::Not });
        if self.snapshot.is_none() {
            leaving.covering = match leaving.covering {
                Covering::Not if self.memory.uncovered_rows > 0 => {
                    self.begin_snapshot(Scope::Changes, Pace::Hurried);
                    Covering::Begun
                }
                Covering::Not | Covering::Begun | Covering::Done => Covering::Done,
            };
        }
        if leaving.covering != Covering::Done && leaving.since.elapsed() < LEAVING_MAX {
            self.leaving = Some(leaving);
            return;
        }
        if let Err(error) = self.appender.leave(&surplus).await {
            tracing::warn!(%error, "the marks of partitions that were handed over were not saved");
        }
        tracing::debug!(partitions = ?surplus, "let go of partitions for another node");
        self.forget_shards(&surplus);
        self.leaving = None;
    }

    /// Loads a partition whose head this lane holds. Until that succeeds it answers nothing.
    async fn open(&mut self, partition: Partition) {
        self.forget(partition);
        match self.load_shard(partition).await {
            Ok(shard) => {
                self.memory.shards.insert(partition, shard);
            }
            Err(error) => {
                tracing::error!(error = %error, cause = ?std::error::Error::source(&error), %partition,
                    "a partition stays closed");
                self.forget(partition);
                let closed = Shard { keys: Keys::default(), state: ShardState::Recovering, covered_seq: 0 };
                self.memory.shards.insert(partition, closed);
            }
        }
    }

    async fn load_shard(&mut self, partition: Partition) -> Result<Shard, LoadError> {
        let covered = store::snapshot_heads(&self.db, &[partition]).await?;
        for hold in store::list_holds(&self.db, &[partition]).await? {
            self.memory.holds.insert(hold);
        }
        let covered_seq = self.load_changes(partition, covered.get(&partition).copied().unwrap_or(0)).await?;
        let mut after = covered_seq;
        loop {
            let tail = store::read_tail(&self.db, partition, after, TAIL_ROWS_MAX).await?;
            let Some(last) = tail.last() else { break };
            after = last.stamp.seq;
            self.replay_tail(partition, &tail).await?;
        }
        Ok(Shard { keys: self.load_keys(partition).await?, state: ShardState::Ready, covered_seq })
    }

    /// Takes in what happened to accounts since their rows were written; returns up to where that goes.
    async fn load_changes(&mut self, partition: Partition, after: Seq) -> Result<Seq, LoadError> {
        let (mut covered_seq, mut kept) = (after, 0);
        for changes in store::list_changes(&self.db, partition, after).await? {
            if changes.from_seq > covered_seq {
                break; // What is between is in the log, and so is the rest.
            }
            for (account_id, account) in changes.accounts {
                let expires = |(id, hold): (&HoldId, &Hold)| (hold.expires_at_ms, account_id, *id);
                self.memory.holds.extend(account.holds.iter().map(expires));
                self.memory.accounts.insert_changed(account_id, account);
            }
            covered_seq = changes.as_of_seq;
            kept += 1;
        }
        self.memory.changes_kept = self.memory.changes_kept.max(kept);
        Ok(covered_seq)
    }

    /// Applies entries that no snapshot covers: the same function that decided them moves the accounts.
    async fn replay_tail(&mut self, partition: Partition, tail: &[Entry]) -> Result<(), LoadError> {
        let mut cold: Vec<ViewerId> = tail.iter().map(|entry| entry.account_id).collect();
        cold.sort_unstable();
        cold.dedup();
        cold.retain(|account_id| !self.memory.accounts.contains(*account_id));
        let mut loaded = store::load_accounts(&self.db, &cold).await?;
        for account_id in cold {
            self.memory.accounts.insert(account_id, loaded.remove(&account_id));
        }
        self.memory.accounts.begin_batch();
        for entry in tail {
            let Some(account) = self.memory.accounts.change(entry.account_id) else { continue };
            let seq = entry.stamp.seq;
            if account.as_of_seq < seq {
                domain::apply(account, entry).map_err(|source| LoadError::Broken {
                    partition,
                    seq,
                    source,
                })?;
            }
            self.memory.remember(entry);
        }
        Ok(())
    }

    async fn load_keys(&self, partition: Partition) -> Result<Keys, sqlx::Error> {
        let since_ms = (self.clock)().timestamp_millis() - self.settings.keys_window_ms;
        let limit = self.settings.keys_max / self.wanted.len().max(1);
        let limit_rows = i64::try_from(limit).unwrap_or(i64::MAX);
        let known = store::list_known_since(&self.db, partition, since_ms, limit_rows).await?;
        // Where the limit cut, the oldest millisecond may be incomplete: memory begins after it.
        let known_since_ms = match known.last() {
            Some(oldest) if known.len() >= limit => ids::id_time(oldest.request_id.uuid()).unix_ms + 1,
            _ => since_ms,
        };
        Ok(Keys::loaded(known_since_ms, known))
    }

    /// A COMMIT's outcome is unknown: these partitions stop, and come back under a higher epoch.
    pub(super) async fn recover_after(&mut self, partitions: &[Partition], error: &sqlx::Error) {
        tracing::warn!(%error, ?partitions, "the outcome of a commit is unknown; reloading");
        metrics::counter!("largesse_wallet_unknown_commits_total").increment(1);
        for partition in partitions {
            if let Some(shard) = self.memory.shards.get_mut(partition) {
                shard.state = ShardState::Recovering;
            }
            self.forget(*partition);
        }
        self.recover().await;
    }

    /// Brings recovering partitions back. What fails is tried again at the next tick.
    pub(super) async fn recover(&mut self) {
        let recovering: Vec<Partition> = self
            .memory
            .shards
            .iter()
            .filter(|(_, shard)| !shard.is_ready())
            .map(|(partition, _)| *partition)
            .collect();
        for partition in recovering {
            match self.appender.recover(&[partition]).await {
                Ok(lost) if lost.is_empty() => self.open(partition).await,
                Ok(lost) => self.let_go(&lost),
                Err(error) => {
                    tracing::warn!(%error, %partition, "a partition could not be recovered yet");
                    return;
                }
            }
        }
    }

    /// Another writer has these partitions: this lane writes there no more. The log has said so.
    pub(super) fn let_go(&mut self, lost: &[Partition]) {
        metrics::counter!("largesse_wallet_deposed_total").increment(u64::try_from(lost.len()).unwrap_or(0));
        self.appender.drop_partitions(lost);
        self.forget_shards(lost);
    }

    fn forget_shards(&mut self, partitions: &[Partition]) {
        for partition in partitions {
            self.memory.shards.remove(partition);
            self.forget(*partition);
        }
    }

    fn forget(&mut self, partition: Partition) {
        self.memory.accounts.forget(partition);
        self.memory.holds.retain(|(_, account_id, _)| partition_of(account_id.uuid()) != partition);
    }
}
