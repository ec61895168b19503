//! The writer's side: heads it holds, rows it numbers, one transaction, then the relay.
//!
//! Use: `append`, as a rule inside the caller's transaction, then exactly one of `committed` (the COMMIT
//! succeeded), `discard` (rolled back, nothing happened) or `recover` (the COMMIT's outcome is unknown).

use crate::follow;
use crate::gauges::WriterGauges;
use crate::heads::{self, Advance, Head, TakeOver, When};
use crate::membership::Ownership;
use crate::relay::Relay;
use crate::source::{LogTable, TableSource};
use bus::Bus;
use chrono::{DateTime, Utc};
use contracts::log::{LogRow, Seq, Stretch};
use ids::Partition;
use pg::Db;
use sqlx::PgConnection;
use std::collections::BTreeMap;

/// Rows of a partition's unrelayed tail that a restart sends again; readers pull what is older.
const TAIL_ROWS_MAX: i64 = 1_000;

/// Partitions whose unconfirmed rows are sent again in one go, a page each.
const HOLES_MAX: usize = 4;

/// Who writes, and what becomes of committed rows.
#[derive(Clone, Debug)]
pub struct AppenderSettings {
    /// Which partitions the node may take over, and where it tells what it holds.
    pub ownership: Ownership,
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
    gauges: WriterGauges,
}

impl<T: LogTable> Appender<T> {
    /// A writer that holds nothing yet.
    pub fn new(db: Db, table: T, bus: Bus, settings: AppenderSettings) -> Appender<T> {
        let relay = Relay::start(bus);
        let gauges = WriterGauges::new(T::Row::LOG);
        Appender { db, table, settings, heads: BTreeMap::new(), planned: Vec::new(), relay, gauges }
    }

    /// What this writer may hold.
    pub fn ownership(&self) -> &Ownership {
        &self.settings.ownership
    }

    /// Takes over one partition: raises its epoch, commits, and only then may the caller read. A partition of a
    /// group that this node has not claimed is left alone.
    ///
    /// # Errors
    /// Whatever the database says; the partition is not held then.
    pub async fn take_over(&mut self, partition: Partition) -> Result<TakeOver, sqlx::Error> {
        let ownership = &self.settings.ownership;
        let when = When::Claimed(ownership.instance());
        let taken = heads::take_over(&self.db, T::Row::LOG, partition, ownership.node(), when).await?;
        if let TakeOver::Taken(head) = taken {
            self.hold(head);
            self.resend_tail(&head).await?;
        }
        Ok(taken)
    }

    /// Partitions that are held and wanted no longer, in lock order: let go of them with [`Appender::leave`].
    pub fn surplus(&self) -> Vec<Partition> {
        let wanted = self.settings.ownership.share().wanted();
        self.partitions().filter(|partition| !wanted.contains(partition.group())).collect()
    }

    /// Partitions that are wanted and not held, in lock order: take them over.
    pub fn missing(&self) -> Vec<Partition> {
        let wanted = self.settings.ownership.share().wanted();
        Partition::all()
            .filter(|partition| wanted.contains(partition.group()) && self.head(*partition).is_none())
            .collect()
    }

    /// Lets go of partitions on purpose, between two transactions: saves their marks first.
    ///
    /// # Errors
    /// Whatever the database says about the marks; the partitions are let go of all the same.
    pub async fn leave(&mut self, partitions: &[Partition]) -> Result<(), sqlx::Error> {
        if partitions.is_empty() {
            return Ok(());
        }
        self.take_relayed();
        let leaving: Vec<Head> = partitions.iter().filter_map(|p| self.heads.get(p).copied()).collect();
        let saved = heads::save_marks(&self.db, T::Row::LOG, &leaving).await;
        self.drop_partitions(partitions);
        saved.map(drop)
    }

    /// Brings what is held in line with what this node is to hold: leaves first, then takes over. For writers that
    /// keep nothing in memory about a partition. Between two transactions.
    ///
    /// # Errors
    /// Whatever the database says; called again, it goes on.
    pub async fn follow(&mut self) -> Result<(), sqlx::Error> {
        let surplus = self.surplus();
        self.leave(&surplus).await?;
        for partition in self.missing() {
            let (TakeOver::Taken(_) | TakeOver::NotOurs) = self.take_over(partition).await?;
        }
        Ok(())
    }

    async fn resend_tail(&self, head: &Head) -> Result<(), sqlx::Error> {
        if self.settings.relaying == Relaying::On && head.relayed_seq < head.last_seq {
            let after = head.relayed_seq.max(head.last_seq - TAIL_ROWS_MAX);
            let rows = self.table.read_after(&self.db, head.partition, after, TAIL_ROWS_MAX).await?;
            self.relay.batch(Stretch::of_rows(head.epoch_start, rows).into_iter().collect());
        }
        Ok(())
    }

    fn hold(&mut self, head: Head) {
        self.relay.begin(head.partition, head.relayed_seq);
        self.settings.ownership.holdings().put(head.partition, head.epoch);
        self.heads.insert(head.partition, head);
    }

    fn let_go(&mut self, partition: Partition) {
        self.settings.ownership.holdings().remove(partition);
        self.heads.remove(&partition);
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

    /// Numbers rows (partition by partition, in their order) and appends them, heads first: one statement, so one
    /// round trip. At most one call per transaction. On a connection that is in none, it is a transaction of its
    /// own and durable when this returns.
    ///
    /// # Errors
    /// [`AppendError::Deposed`] when a head did not advance, or is not held; [`AppendError::Db`], which outside a
    /// transaction and without [`pg::is_certain`] leaves unknown whether the rows are in the log.
    pub async fn append(
        &mut self,
        connection: &mut PgConnection,
        rows: Vec<T::Row>,
    ) -> Result<(), AppendError> {
        self.planned.clear();
        if rows.is_empty() {
            return Ok(());
        }
        let (numbered, advances) = self.number(rows)?;
        let insert = self.table.insert(&self.db, &numbered)?;
        let mut call = self.db.call();
        let appended = heads::append(connection, &self.db, T::Row::LOG, insert, &advances).await;
        call.end(match &appended {
            Err(AppendError::Db(error)) => Some(error),
            Ok(()) | Err(AppendError::Deposed(_)) => None,
        });
        if let Err(AppendError::Deposed(lost)) = &appended {
            self.say_deposed(lost);
        }
        appended?;
        let mut numbered = numbered.into_iter().peekable();
        for advance in advances {
            let appended = usize::try_from(advance.last_seq - advance.expected_seq).unwrap_or(0);
            let mut of_partition = Vec::with_capacity(appended);
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

    /// The rows the last `append` numbered, by partition; until `committed`, `discard` or `recover`.
    pub fn planned(&self) -> &[(Partition, Vec<T::Row>)] {
        &self.planned
    }

    /// The COMMIT succeeded: heads move, rows go to the relay.
    pub fn committed(&mut self) {
        let mut stretches = Vec::with_capacity(self.planned.len());
        for (partition, rows) in std::mem::take(&mut self.planned) {
            let Some(head) = self.heads.get_mut(&partition) else { continue };
            for row in &rows {
                head.last_seq = row.stamp().seq;
                head.last_decided_at = head.last_decided_at.max(row.stamp().decided_at);
            }
            self.gauges.appended(rows.len());
            follow::appended(&rows);
            stretches.extend(Stretch::of_rows(head.epoch_start, rows));
        }
        if self.settings.relaying == Relaying::On {
            self.relay.batch(stretches);
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
            self.let_go(*partition);
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
            let node = self.settings.ownership.node();
            match heads::take_over(&self.db, T::Row::LOG, *partition, node, when).await? {
                TakeOver::Taken(head) => {
                    self.hold(head);
                    self.resend_tail(&head).await?;
                }
                TakeOver::NotOurs => {
                    self.let_go(*partition);
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

    /// Saves (one statement) and publishes the marks of all heads. Once a second. Returns the partitions found
    /// lost; they are let go.
    ///
    /// # Errors
    /// Whatever the database says; nothing is published then.
    pub async fn save_marks(&mut self) -> Result<Vec<Partition>, sqlx::Error> {
        if self.heads.is_empty() {
            return Ok(Vec::new());
        }
        self.take_relayed();
        let heads: Vec<Head> = self.heads.values().copied().collect();
        let lost = heads::save_marks(&self.db, T::Row::LOG, &heads).await?;
        if !lost.is_empty() {
            self.say_deposed(&lost);
            lost.iter().for_each(|partition| self.let_go(*partition));
        }
        let unrelayed = self.heads.values().map(|head| head.last_seq - head.relayed_seq).sum();
        self.gauges.holds(self.heads.len(), unrelayed);
        self.relay.marks(self.heads.values().map(Head::mark).collect());
        self.fill_holes().await?;
        Ok(lost)
    }

    /// A writer that was deposed says so, loudly: it was silent for longer than its lease.
    fn say_deposed(&self, lost: &[Partition]) {
        let (log, node) = (T::Row::LOG, self.settings.ownership.node());
        tracing::error!(%log, node, partitions = ?lost, "deposed: another node writes these partitions now; nothing was written");
        self.gauges.deposed(lost.len());
    }

    /// Sends again what the broker did not confirm: a few pages a second, so that catching up costs little.
    async fn fill_holes(&self) -> Result<(), sqlx::Error> {
        let holed = |head: &Head| self.relay.find_hole(head.partition).map(|after| (*head, after));
        let holes: Vec<(Head, Seq)> = self.heads.values().filter_map(holed).take(HOLES_MAX).collect();
        for (head, after) in holes {
            let rows = self.table.read_after(&self.db, head.partition, after, TAIL_ROWS_MAX).await?;
            self.relay.batch(Stretch::of_rows(head.epoch_start, rows).into_iter().collect());
        }
        Ok(())
    }

    fn take_relayed(&mut self) {
        for head in self.heads.values_mut() {
            head.relayed_seq =
                head.relayed_seq.max(self.relay.relayed_seq(head.partition)).min(head.last_seq);
        }
    }

    /// Lets go of everything, after what was relayed has gone out. The claims end with the node's membership.
    ///
    /// # Errors
    /// Whatever the database says about the marks.
    pub async fn release(&mut self) -> Result<(), sqlx::Error> {
        let saved = self.save_marks().await;
        self.relay.flush().await;
        let held: Vec<Partition> = self.partitions().collect();
        self.drop_partitions(&held);
        self.gauges.holds(0, 0);
        saved.map(drop)
    }
}

impl<T: LogTable> Drop for Appender<T> {
    /// A writer that is gone holds nothing.
    fn drop(&mut self) {
        for partition in self.heads.keys() {
            self.settings.ownership.holdings().remove(*partition);
        }
    }
}
