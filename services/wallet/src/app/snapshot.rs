//! Snapshots: what is committed is written to `accounts`, so that a takeover reads a short tail and cold
//! accounts are one row. Written beside the lane's own work, in small transactions under the epoch's fence.

use super::accounts::Dirty;
use super::lane::Lane;
use crate::store::{self, SnapshotRow};
use contracts::log::{Epoch, Seq};
use ids::{Partition, ViewerId, partition_of};
use pg::Db;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tokio::task::JoinHandle;

/// Accounts one statement writes: few, so that no batch waits long behind it.
const ROWS_PER_STATEMENT: usize = 250;

/// How much longer an even snapshot rests after a statement than the statement took.
const REST_FACTOR: u32 = 3;

/// How fast a snapshot is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// In the gaps: batches go first.
    Even,
    /// Somebody waits for it.
    Hurried,
}

/// A snapshot being written.
#[derive(Debug)]
pub(super) struct InFlight {
    hurried: Arc<AtomicBool>,
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
            self.begin_snapshot(if memory_is_full { Pace::Hurried } else { Pace::Even });
        }
        let halfway = self.settings.snapshot_rows.midpoint(self.settings.replay_rows_max);
        if self.memory.uncovered_rows >= halfway
            && let Some(snapshot) = &self.snapshot
        {
            snapshot.hurried.store(true, Ordering::Relaxed);
        }
        if self.memory.uncovered_rows >= self.settings.replay_rows_max {
            self.end_snapshot().await; // The tail has reached its bound: the lane waits for the snapshot.
        }
    }

    /// Writes what is not covered, and waits for it: before a clean shutdown.
    pub(super) async fn finish_snapshots(&mut self) {
        self.end_snapshot().await;
        if self.memory.uncovered_rows > 0 {
            self.begin_snapshot(Pace::Hurried);
            self.end_snapshot().await;
        }
    }

    pub(super) fn begin_snapshot(&mut self, pace: Pace) {
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
            .filter_map(|Dirty { account_id, account, saved }| {
                let partition = partition_of(account_id.uuid());
                let epoch = *epochs.get(&partition)?;
                Some(SnapshotRow { account_id, partition, epoch, account, saved })
            })
            .collect();
        let covered = rows.iter().map(|row| (row.account_id, row.account.as_of_seq)).collect();
        let hurried = Arc::new(AtomicBool::new(pace == Pace::Hurried));
        let task = tokio::spawn(write(self.db.clone(), rows, heads, Arc::clone(&hurried)));
        self.snapshot = Some(InFlight { hurried, task, covered, epochs, rows: self.memory.uncovered_rows });
    }

    async fn end_snapshot(&mut self) {
        let Some(snapshot) = self.snapshot.take() else { return };
        snapshot.hurried.store(true, Ordering::Relaxed);
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
    hurried: Arc<AtomicBool>,
) -> Result<(), sqlx::Error> {
    let (saved, new): (Vec<SnapshotRow>, Vec<SnapshotRow>) = rows.into_iter().partition(|row| row.saved);
    for rows in saved.chunks(ROWS_PER_STATEMENT).chain(new.chunks(ROWS_PER_STATEMENT)) {
        let began = Instant::now();
        store::write_accounts(&db, rows).await?;
        if !hurried.load(Ordering::Relaxed) {
            tokio::time::sleep(began.elapsed() * REST_FACTOR).await;
        }
    }
    store::write_snapshot_heads(&db, &heads).await
}
