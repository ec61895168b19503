//! Snapshots: what is committed is written to `accounts`, so that a takeover reads a short tail and cold
//! accounts are one row. Written beside the lane's own work, in small transactions under the epoch's fence.

use super::lane::Lane;
use crate::store::{self, SnapshotRow};
use contracts::log::{Epoch, Seq};
use ids::{Partition, ViewerId, partition_of};
use pg::Db;
use std::collections::BTreeMap;
use tokio::task::JoinHandle;

/// Accounts one statement writes.
const ROWS_PER_STATEMENT: usize = 1_000;

/// A snapshot being written.
#[derive(Debug)]
pub(super) struct InFlight {
    task: JoinHandle<Result<(), sqlx::Error>>,
    covered: Vec<(ViewerId, Seq)>,
    epochs: BTreeMap<Partition, Epoch>,
    rows: usize,
}

impl Lane {
    /// Begins a snapshot when enough entries are not covered, and ends one that is written.
    pub(super) async fn tend_snapshot(&mut self) {
        if self.snapshot.as_ref().is_some_and(|snapshot| snapshot.task.is_finished()) {
            self.end_snapshot().await;
        }
        let memory_is_full =
            self.memory.accounts.len() > self.settings.accounts_max && self.memory.accounts.dirty_len() > 0;
        if self.snapshot.is_none()
            && (self.memory.uncovered_rows >= self.settings.snapshot_rows || memory_is_full)
        {
            self.begin_snapshot();
        }
        if self.memory.uncovered_rows >= self.settings.replay_rows_max {
            self.end_snapshot().await; // The tail has reached its bound: the lane waits for the snapshot.
        }
    }

    /// Writes what is not covered, and waits for it: before a clean shutdown.
    pub(super) async fn finish_snapshots(&mut self) {
        self.end_snapshot().await;
        if self.memory.uncovered_rows > 0 {
            self.begin_snapshot();
            self.end_snapshot().await;
        }
    }

    pub(super) fn begin_snapshot(&mut self) {
        // Between two batches memory is what is committed, and each head is its partition's last entry.
        let epochs: BTreeMap<Partition, Epoch> = self
            .memory
            .shards
            .iter()
            .filter(|(_, shard)| shard.is_ready())
            .filter_map(|(partition, _)| Some((*partition, self.appender.head(*partition)?.epoch)))
            .collect();
        let heads: Vec<(Partition, Epoch, Seq)> = epochs
            .iter()
            .filter_map(|(partition, epoch)| {
                Some((*partition, *epoch, self.appender.head(*partition)?.last_seq))
            })
            .collect();
        let rows: Vec<SnapshotRow> = self
            .memory
            .accounts
            .take_dirty()
            .into_iter()
            .filter_map(|(account_id, account)| {
                let partition = partition_of(account_id.uuid());
                let epoch = *epochs.get(&partition)?;
                Some(SnapshotRow { account_id, partition, epoch, account })
            })
            .collect();
        let covered = rows.iter().map(|row| (row.account_id, row.account.as_of_seq)).collect();
        let task = tokio::spawn(write(self.db.clone(), rows, heads));
        self.snapshot = Some(InFlight { task, covered, epochs, rows: self.memory.uncovered_rows });
    }

    async fn end_snapshot(&mut self) {
        let Some(snapshot) = self.snapshot.take() else { return };
        let written = match snapshot.task.await {
            Ok(written) => written,
            Err(error) => Err(sqlx::Error::Io(std::io::Error::other(error))),
        };
        if let Err(error) = &written {
            tracing::warn!(%error, "a snapshot was not written; the next one covers more");
        }
        for (account_id, as_of_seq) in snapshot.covered {
            let partition = partition_of(account_id.uuid());
            // Under a newer epoch the fence kept the rows out.
            let same_epoch = self.appender.head(partition).map(|head| head.epoch)
                == snapshot.epochs.get(&partition).copied();
            self.memory.accounts.covered(account_id, (written.is_ok() && same_epoch).then_some(as_of_seq));
        }
        if written.is_ok() {
            self.memory.uncovered_rows = self.memory.uncovered_rows.saturating_sub(snapshot.rows);
        }
    }
}

/// Rows first, heads last: a head promises that every row before it is there.
async fn write(
    db: Db,
    rows: Vec<SnapshotRow>,
    heads: Vec<(Partition, Epoch, Seq)>,
) -> Result<(), sqlx::Error> {
    for rows in rows.chunks(ROWS_PER_STATEMENT) {
        store::write_accounts(&db, rows).await?;
    }
    store::write_snapshot_heads(&db, &heads).await
}
