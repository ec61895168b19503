//! The writer's side: heads it holds, rows it numbers, one transaction, then the relay.
//!
//! Use: `append_in_tx` inside the caller's transaction, then exactly one of `committed` (the COMMIT
//! succeeded), `discard` (rolled back, nothing happened) or `recover` (the COMMIT's outcome is unknown).

use crate::heads::{self, Advance, Head, TakeOver, When};
use crate::relay::Relay;
use crate::source::{LogTable, TableSource};
use bus::Bus;
use chrono::{DateTime, Utc};
use contracts::log::LogRow;
use ids::Partition;
use pg::Db;
use sqlx::PgConnection;
use std::collections::BTreeMap;
use std::time::Duration;

/// Rows of a partition's unrelayed tail that a restart sends again; readers pull what is older.
const TAIL_ROWS_MAX: i64 = 1_000;

/// Who writes, and for how long a silent writer keeps its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppenderSettings {
    /// The node's name: unique among live nodes, the same after a restart.
    pub owner: String,
    /// How long the lease outlives the last saved mark.
    pub lease: Duration,
    /// Whether committed rows travel over the bus, or only wait to be pulled.
    pub relaying: Relaying,
}

/// Whether an appender relays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relaying {
    On,
    Off,
}

/// Why rows were not appended. The transaction must be rolled back in every case.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    #[error("this writer was deposed in partitions {0:?}")]
    Deposed(Vec<Partition>),
    #[error("the database refused the rows")]
    Db(#[from] sqlx::Error),
}

/// The writer of some partitions of one log.
pub struct Appender<T: LogTable> {
    db: Db,
    table: T,
    settings: AppenderSettings,
    heads: BTreeMap<Partition, Head>,
    planned: Vec<(Partition, Vec<T::Row>)>,
    relay: Relay<T::Row>,
}

impl<T: LogTable> Appender<T> {
    /// A writer that holds nothing yet.
    pub fn new(db: Db, table: T, bus: Bus, settings: AppenderSettings) -> Appender<T> {
        let relay = Relay::start(bus);
        Appender { db, table, settings, heads: BTreeMap::new(), planned: Vec::new(), relay }
    }

    /// Takes over one partition: raises its epoch, commits, and only then may the caller read. A partition
    /// under another owner's running lease is left alone.
    ///
    /// # Errors
    /// Whatever the database says; the partition is not held then.
    pub async fn take_over(&mut self, partition: Partition) -> Result<TakeOver, sqlx::Error> {
        let owner = self.owner();
        let taken = heads::take_over(&self.db, T::Row::LOG, partition, owner, When::LeaseIsFree).await?;
        if let TakeOver::Taken(head) = taken {
            self.heads.insert(partition, head);
            self.resend_tail(&head).await?;
        }
        Ok(taken)
    }

    fn owner(&self) -> heads::Owner<'_> {
        heads::Owner { name: &self.settings.owner, lease: self.settings.lease }
    }

    async fn resend_tail(&self, head: &Head) -> Result<(), sqlx::Error> {
        if self.settings.relaying == Relaying::On && head.relayed_seq < head.last_seq {
            let after = head.relayed_seq.max(head.last_seq - TAIL_ROWS_MAX);
            let rows = self.table.read_after(&self.db, head.partition, after, TAIL_ROWS_MAX).await?;
            self.relay.rows(head.epoch_start, rows);
        }
        Ok(())
    }

    /// The head of a partition this writer holds.
    pub fn head(&self, partition: Partition) -> Option<&Head> {
        self.heads.get(&partition)
    }

    /// The partitions this writer holds, in lock order.
    pub fn partitions(&self) -> impl Iterator<Item = Partition> + '_ {
        self.heads.keys().copied()
    }

    /// The log as a source of pulls.
    pub fn source(&self) -> TableSource<T> {
        TableSource::new(self.db.clone(), self.table.clone())
    }

    /// Numbers rows (partition by partition, in their order) and appends them in the caller's transaction:
    /// heads first, in partition order, then one bulk insert. At most one call per transaction.
    ///
    /// # Errors
    /// [`AppendError::Deposed`] when a head did not advance, or is not held; [`AppendError::Db`].
    pub async fn append_in_tx(
        &mut self,
        tx: &mut PgConnection,
        rows: Vec<T::Row>,
    ) -> Result<(), AppendError> {
        self.planned.clear();
        if rows.is_empty() {
            return Ok(());
        }
        let (numbered, advances) = self.number(rows)?;
        let lost = heads::advance_in_tx(tx, &self.db, T::Row::LOG, &advances).await?;
        if !lost.is_empty() {
            return Err(AppendError::Deposed(lost));
        }
        self.table.insert_in_tx(tx, &self.db, &numbered).await?;
        let mut numbered = numbered.into_iter().peekable();
        for advance in advances {
            let mut of_partition = Vec::new();
            while let Some(row) = numbered.next_if(|row| row.stamp().partition == advance.partition) {
                of_partition.push(row);
            }
            self.planned.push((advance.partition, of_partition));
        }
        Ok(())
    }

    fn number(&self, mut rows: Vec<T::Row>) -> Result<(Vec<T::Row>, Vec<Advance>), AppendError> {
        rows.sort_by_key(|row| row.stamp().partition); // Stable: the order within a partition is kept.
        let mut advances: Vec<Advance> = Vec::new();
        for row in &mut rows {
            let stamp = row.stamp_mut();
            if advances.last().is_none_or(|last| last.partition != stamp.partition) {
                let Some(head) = self.heads.get(&stamp.partition) else {
                    return Err(AppendError::Deposed(vec![stamp.partition]));
                };
                advances.push(Advance {
                    partition: head.partition,
                    epoch: head.epoch,
                    expected_seq: head.last_seq,
                    last_seq: head.last_seq,
                    last_decided_at: head.last_decided_at,
                });
            }
            if let Some(advance) = advances.last_mut() {
                advance.last_seq += 1;
                stamp.seq = advance.last_seq;
                stamp.epoch = advance.epoch;
                advance.last_decided_at = advance.last_decided_at.max(stamp.decided_at);
            }
        }
        Ok((rows, advances))
    }

    /// The rows the last `append_in_tx` numbered, by partition; until `committed`, `discard` or `recover`.
    pub fn planned(&self) -> &[(Partition, Vec<T::Row>)] {
        &self.planned
    }

    /// The COMMIT succeeded: heads move, rows go to the relay.
    pub fn committed(&mut self) {
        for (partition, rows) in std::mem::take(&mut self.planned) {
            let Some(head) = self.heads.get_mut(&partition) else { continue };
            for row in &rows {
                head.last_seq = row.stamp().seq;
                head.last_decided_at = head.last_decided_at.max(row.stamp().decided_at);
            }
            if self.settings.relaying == Relaying::On {
                self.relay.rows(head.epoch_start, rows);
            }
        }
    }

    /// The transaction was rolled back: nothing happened.
    pub fn discard(&mut self) {
        self.planned.clear();
    }

    /// Lets go of partitions: this writer was deposed there, or stops writing them.
    pub fn drop_partitions(&mut self, partitions: &[Partition]) {
        self.planned.clear();
        for partition in partitions {
            self.heads.remove(partition);
        }
    }

    /// The way back from an unknown COMMIT: raises this writer's own epoch, which waits for the old
    /// transaction, and reads the head again. The caller then reloads its state. Returns the partitions that
    /// another writer has taken meanwhile; they are let go.
    ///
    /// # Errors
    /// Whatever the database says; call again.
    pub async fn recover(&mut self, partitions: &[Partition]) -> Result<Vec<Partition>, sqlx::Error> {
        self.planned.clear();
        let mut lost = Vec::new();
        for partition in partitions {
            let Some(held) = self.heads.get(partition) else { continue };
            let when = When::StillMine(held.epoch);
            match heads::take_over(&self.db, T::Row::LOG, *partition, self.owner(), when).await? {
                TakeOver::Taken(head) => {
                    self.heads.insert(*partition, head);
                    self.resend_tail(&head).await?;
                }
                TakeOver::Leased | TakeOver::Deposed => {
                    self.heads.remove(partition);
                    lost.push(*partition);
                }
            }
        }
        Ok(lost)
    }

    /// Promises that no row of `partition` will be decided before `until` any more.
    pub fn close(&mut self, partition: Partition, until: DateTime<Utc>) {
        if let Some(head) = self.heads.get_mut(&partition) {
            head.closed_until = head.closed_until.max(until);
        }
    }

    /// Closes every partition up to `clock`: for a log that derives from nothing, between two batches.
    pub fn close_all(&mut self, clock: DateTime<Utc>) {
        for head in self.heads.values_mut() {
            head.closed_until = head.closed_until.max(head.now(clock));
        }
    }

    /// Saves (one statement) and publishes the marks of all heads, and renews the lease. Once a second.
    /// Returns the partitions found lost; they are let go.
    ///
    /// # Errors
    /// Whatever the database says; nothing is published then.
    pub async fn save_marks(&mut self) -> Result<Vec<Partition>, sqlx::Error> {
        if self.heads.is_empty() {
            return Ok(Vec::new());
        }
        for head in self.heads.values_mut() {
            head.relayed_seq =
                head.relayed_seq.max(self.relay.relayed_seq(head.partition)).min(head.last_seq);
        }
        let heads: Vec<Head> = self.heads.values().copied().collect();
        let lost = heads::save_marks(&self.db, T::Row::LOG, &heads, self.settings.lease).await?;
        self.drop_partitions_lost(&lost);
        self.relay.marks(self.heads.values().map(Head::mark).collect());
        Ok(lost)
    }

    fn drop_partitions_lost(&mut self, lost: &[Partition]) {
        for partition in lost {
            tracing::error!(log = %T::Row::LOG, %partition, "this writer was deposed; it writes here no more");
            self.heads.remove(partition);
        }
    }

    /// Ends this writer's leases, so that the next owner need not wait, after what was relayed has gone out.
    ///
    /// # Errors
    /// Whatever the database says; the leases run out by themselves.
    pub async fn release(&mut self) -> Result<(), sqlx::Error> {
        let _ = self.save_marks().await?;
        self.relay.flush().await;
        self.heads.clear();
        heads::release(&self.db, T::Row::LOG, &self.settings.owner).await
    }
}
