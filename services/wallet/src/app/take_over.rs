//! Partitions come and go: taken over by epoch, reloaded after an unknown COMMIT, let go when deposed.
//!
//! The epoch is raised and committed first; only then are the snapshot, the tail and the keys read, so that
//! nothing of the deposed writer can appear behind what was read.

use super::keys::Keys;
use super::lane::{Lane, Shard, ShardState};
use crate::domain::{self, ApplyError};
use crate::store::{self, EntriesTable};
use contracts::entry::Entry;
use contracts::log::Seq;
use ids::{Partition, ViewerId, partition_of};
use seqlog::{LogTable, PULL_ROWS_MAX, TakeOver};

/// Why a partition could not be loaded. It stays closed, and loading is tried again.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error("the partition's tables could not be read")]
    Db(#[from] sqlx::Error),
    #[error("entry {seq} of partition {partition} does not follow: {source}")]
    Broken { partition: Partition, seq: Seq, source: ApplyError },
}

impl Lane {
    /// Tries to take over every wanted partition that is not held. One that another owner leases is left.
    pub(super) async fn take_over_missing(&mut self) {
        let now = (self.clock)();
        for partition in self.wanted.clone() {
            let waits = self.lost_at.get(&partition).is_some_and(|at| now - *at < self.settings.lease_delta);
            if waits || self.memory.shards.contains_key(&partition) {
                continue;
            }
            match self.appender.take_over(partition).await {
                Ok(TakeOver::Taken(head)) => {
                    tracing::debug!(%partition, epoch = head.epoch, last_seq = head.last_seq, "took over");
                    self.lost_at.remove(&partition);
                    self.open(partition).await;
                }
                Ok(TakeOver::Leased | TakeOver::Deposed) => {}
                Err(error) => {
                    tracing::warn!(%error, %partition, "a partition could not be taken over");
                    return; // One failure is enough to know that the database is away.
                }
            }
        }
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
                self.memory
                    .shards
                    .insert(partition, Shard { keys: Keys::default(), state: ShardState::Recovering });
            }
        }
    }

    async fn load_shard(&mut self, partition: Partition) -> Result<Shard, LoadError> {
        let covered = store::snapshot_heads(&self.db, &[partition]).await?;
        for hold in store::list_holds(&self.db, &[partition]).await? {
            self.memory.holds.insert(hold);
        }
        let mut after = covered.get(&partition).copied().unwrap_or(0);
        loop {
            let tail = EntriesTable.read_after(&self.db, partition, after, PULL_ROWS_MAX).await?;
            let Some(last) = tail.last() else { break };
            after = last.stamp.seq;
            self.replay_tail(partition, &tail).await?;
        }
        Ok(Shard { keys: self.load_keys(partition).await?, state: ShardState::Ready })
    }

    /// Applies entries that no snapshot covers: the same function that decided them moves the accounts.
    async fn replay_tail(&mut self, partition: Partition, tail: &[Entry]) -> Result<(), LoadError> {
        let mut cold: Vec<ViewerId> = tail.iter().map(|entry| entry.account_id).collect();
        cold.sort_unstable();
        cold.dedup();
        cold.retain(|account_id| !self.memory.accounts.contains(*account_id));
        let mut loaded = store::load_accounts(&self.db, &cold).await?;
        for account_id in cold {
            let account = loaded.remove(&account_id).unwrap_or_default();
            self.memory.accounts.insert(account_id, account);
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

    /// Another writer has these partitions: this lane writes there no more, and says so.
    pub(super) fn let_go(&mut self, lost: &[Partition]) {
        if lost.is_empty() {
            return;
        }
        tracing::error!(partitions = ?lost, "deposed; these partitions are another writer's now");
        metrics::counter!("largesse_wallet_deposed_total").increment(u64::try_from(lost.len()).unwrap_or(0));
        self.appender.drop_partitions(lost);
        let now = (self.clock)();
        for partition in lost {
            self.memory.shards.remove(partition);
            self.lost_at.insert(*partition, now);
            self.forget(*partition);
        }
    }

    fn forget(&mut self, partition: Partition) {
        self.memory.accounts.forget(partition);
        self.memory.holds.retain(|(_, account_id, _)| partition_of(account_id.uuid()) != partition);
    }
}
