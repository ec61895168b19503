//! Snapshots: what is committed is kept beside the log, so that a takeover reads a short tail and cold accounts are one
//! row. Written beside the lane's own work, in small transactions under the epoch's fence.
//!
//! A row of `accounts` costs the database as much as an entry. So most snapshots keep only what happened to accounts
//! since the last one, packed (`account_changes`); now and then, and before accounts leave memory, one writes the rows.

use super::accounts::Dirty;
use super::lane::{Lane, Shard};
use crate::store::{self, SnapshotRow};
use contracts::log::{Epoch, Seq};
use ids::{Partition, ViewerId, partition_of};
use pg::Db;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Accounts one statement writes: few, so that no batch waits long behind it.
const ROWS_PER_STATEMENT: usize = 250;

/// How long rows may wait where little happens: old days leave the log only once every account's row is newer.
const ROWS_AGE_MAX: Duration = Duration::from_secs(3_600);

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

/// What a snapshot writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Every account that its row does not show as it is, to its row.
    Rows,
    /// What happened since the last snapshot.
    Changes,
}

/// Where a partition stood when a snapshot began.
#[derive(Clone, Copy, Debug)]
struct Standing {
    epoch: Epoch,
    /// What earlier snapshots cover.
    covered_seq: Seq,
    last_seq: Seq,
}

/// A snapshot being written.
#[derive(Debug)]
pub(super) struct InFlight {
    scope: Scope,
    hurried: Arc<AtomicBool>,
    task: JoinHandle<Result<(), sqlx::Error>>,
    covered: Vec<(ViewerId, Seq)>,
    standing: BTreeMap<Partition, Standing>,
    rows: usize,
}

impl Lane {
    /// Begins a snapshot when enough entries are not covered, and ends one that is written.
    pub(super) async fn tend_snapshot(&mut self) {
        if self.snapshot.as_ref().is_some_and(|snapshot| snapshot.task.is_finished()) {
            self.end_snapshot().await;
        }
        let dirty = self.memory.accounts.dirty_len();
        let memory_is_full = self.memory.accounts.len() > self.settings.accounts_max && dirty > 0;
        let rows_are_old = self.rows_written.elapsed() > ROWS_AGE_MAX && dirty > 0;
        let is_due = self.memory.uncovered_rows >= self.settings.snapshot_rows;
        if self.snapshot.is_none() && (is_due || memory_is_full || rows_are_old) {
            let rows_are_due = memory_is_full
                || rows_are_old
                || self.memory.changes_kept >= self.settings.snapshot_changes_max
                || dirty > self.settings.accounts_max / 2;
            let scope = if rows_are_due { Scope::Rows } else { Scope::Changes };
            self.begin_snapshot(scope, if memory_is_full { Pace::Hurried } else { Pace::Even });
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
            self.begin_snapshot(Scope::Rows, Pace::Hurried);
            self.end_snapshot().await;
        }
    }

    pub(super) fn begin_snapshot(&mut self, scope: Scope, pace: Pace) {
        // Between two batches memory is what is committed, and each head is its partition's last entry.
        let ready = self.memory.shards.iter().filter(|(_, shard)| shard.is_ready());
        let standing = |(partition, shard): (&Partition, &Shard)| {
            let head = self.appender.head(*partition)?;
            let covered_seq = shard.covered_seq;
            Some((*partition, Standing { epoch: head.epoch, covered_seq, last_seq: head.last_seq }))
        };
        let standing: BTreeMap<Partition, Standing> = ready.filter_map(standing).collect();
        let accounts = match scope {
            Scope::Rows => self.memory.accounts.take_dirty(),
            Scope::Changes => self.memory.accounts.take_uncovered(),
        };
        let row = |Dirty { account_id, account, saved }| {
            let partition = partition_of(account_id.uuid());
            let epoch = standing.get(&partition)?.epoch;
            Some(SnapshotRow { account_id, partition, epoch, account, saved })
        };
        let rows: Vec<SnapshotRow> = accounts.into_iter().filter_map(row).collect();
        let covered = rows.iter().map(|row| (row.account_id, row.account.as_of_seq)).collect();
        let hurried = Arc::new(AtomicBool::new(pace == Pace::Hurried));
        let (db, rest) = (self.db.clone(), Rest(Arc::clone(&hurried)));
        let task = match scope {
            Scope::Rows => tokio::spawn(write_rows(db, rows, standing.clone(), rest)),
            Scope::Changes => tokio::spawn(write_changes(db, rows, standing.clone(), rest)),
        };
        let rows = self.memory.uncovered_rows;
        self.snapshot = Some(InFlight { scope, hurried, task, covered, standing, rows });
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
        // Under a newer epoch the fence kept the rows out.
        let is_same = |(partition, standing): &(&Partition, &Standing)| {
            self.appender.head(**partition).is_some_and(|head| head.epoch == standing.epoch)
        };
        let kept: BTreeMap<Partition, Seq> = match &written {
            Ok(()) => snapshot
                .standing
                .iter()
                .filter(is_same)
                .map(|(p, standing)| (*p, standing.last_seq))
                .collect(),
            Err(_) => BTreeMap::new(),
        };
        for (account_id, as_of_seq) in snapshot.covered {
            let is_kept = kept.contains_key(&partition_of(account_id.uuid()));
            if snapshot.scope == Scope::Rows {
                self.memory.accounts.covered(account_id, is_kept.then_some(as_of_seq));
            }
            if !is_kept {
                self.memory.accounts.not_covered(account_id);
            }
        }
        for (partition, last_seq) in kept {
            if let Some(shard) = self.memory.shards.get_mut(&partition) {
                shard.covered_seq = last_seq;
            }
        }
        if written.is_ok() {
            self.memory.uncovered_rows = self.memory.uncovered_rows.saturating_sub(snapshot.rows);
            match snapshot.scope {
                Scope::Rows => (self.memory.changes_kept, self.rows_written) = (0, Instant::now()),
                Scope::Changes => self.memory.changes_kept += 1,
            }
        }
    }
}

/// The pause after each statement of a snapshot that nobody waits for.
struct Rest(Arc<AtomicBool>);

impl Rest {
    async fn after(&self, began: Instant) {
        if !self.0.load(Ordering::Relaxed) {
            tokio::time::sleep(began.elapsed() * REST_FACTOR).await;
        }
    }
}

/// Rows first, heads last: a head promises that every row before it is there.
async fn write_rows(
    db: Db,
    rows: Vec<SnapshotRow>,
    standing: BTreeMap<Partition, Standing>,
    rest: Rest,
) -> Result<(), sqlx::Error> {
    let (saved, new): (Vec<SnapshotRow>, Vec<SnapshotRow>) = rows.into_iter().partition(|row| row.saved);
    for rows in saved.chunks(ROWS_PER_STATEMENT).chain(new.chunks(ROWS_PER_STATEMENT)) {
        let began = Instant::now();
        store::write_accounts(&db, rows).await?;
        rest.after(began).await;
    }
    let heads: Vec<(Partition, Epoch, Seq)> = standing
        .into_iter()
        .map(|(partition, standing)| (partition, standing.epoch, standing.last_seq))
        .collect();
    store::write_snapshot_heads(&db, &heads).await
}

/// A partition at a time: its row says all of it, or is not there.
async fn write_changes(
    db: Db,
    mut rows: Vec<SnapshotRow>,
    standing: BTreeMap<Partition, Standing>,
    rest: Rest,
) -> Result<(), sqlx::Error> {
    rows.sort_by_key(|row| row.partition);
    for rows in rows.chunk_by(|a, b| a.partition == b.partition) {
        let Some((partition, standing)) =
            rows.first().and_then(|row| Some((row.partition, standing.get(&row.partition)?)))
        else {
            continue;
        };
        let began = Instant::now();
        let span = (standing.covered_seq, standing.last_seq);
        store::write_changes(&db, (partition, standing.epoch), span, rows).await?;
        rest.after(began).await;
    }
    Ok(())
}
