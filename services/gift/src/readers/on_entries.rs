//! The orders keeper: reads `wallet.entries`, appends to `gift.orders` how each accepted debit ended.
//!
//! Round trips per batch: offsets, heads, one bulk insert; one more each where orders wait, refunds arrive or
//! refunds fall due. Lock order: read offsets, then heads in partition order, then rows. What an order lacks
//! to be decided (a report, a dead lease) is waited for outside transactions, in `turn`. Must not show
//! anything before the decision to show it late is durable.

use super::keeper_plan::{Batch, debit_of};
use super::pending_book::PendingBook;
use crate::app::show::ShowQueue;
use crate::readers::desk::ReportDesk;
use crate::store::orders::OrdersTable;
use crate::store::pending::{self, PendingDebit, WaitKind};
use crate::store::refunds;
use chrono::{DateTime, Utc};
use contracts::entry::Entry;
use contracts::log::{Epoch, LogName};
use contracts::order::Order;
use ids::{OrderId, Partition};
use pg::Db;
use seqlog::{Appender, ApplyError, Handler, RolledBack, Slice, TakeOver, fence_in_tx};
use sqlx::PgConnection;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// The name in `read_offsets` and in queue names. Part of the stored format.
pub const READER_NAME: &str = "gift.orders";

/// How long the keeper waits for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeeperSettings {
    /// From the debit: until then an order whose node died is shown late, afterwards it is refunded.
    pub delivery_deadline: Duration,
    /// How long past its deadline a live node may stay silent about an order.
    pub report_grace: Duration,
    /// How often undecided orders are looked at, and marks saved.
    pub look_every: Duration,
}

/// What the keeper is built from.
pub struct KeeperParts {
    pub db: Db,
    pub appender: Appender<OrdersTable>,
    pub desk: Arc<ReportDesk>,
    /// Where orders are shown late.
    pub show: ShowQueue,
    /// Who is told of committed rows: ranks, rooms, the refund sender. A weak dependency: full means dropped.
    pub told: mpsc::Sender<Vec<Order>>,
    pub settings: KeeperSettings,
}

/// The one writer of `gift.orders` in the partitions it holds.
pub struct Keeper {
    pub(super) parts: KeeperParts,
    pub(super) book: PendingBook,
    pub(super) planned: Planned,
    pub(super) source_closed: HashMap<Partition, DateTime<Utc>>,
    in_doubt: BTreeSet<Partition>,
    /// Orders handed over to be shown late and not reported back yet.
    pub(super) showing: HashSet<OrderId>,
    /// Orders the database refused to end.
    pub(super) stuck: HashSet<OrderId>,
    pub(super) rescan: bool,
    looked_at: Option<Instant>,
}

/// What the transaction in progress will have done.
#[derive(Default)]
pub(super) struct Planned {
    waiting: Vec<PendingDebit>,
    ended: Vec<OrderId>,
}

impl Keeper {
    /// A keeper that holds nothing yet.
    pub fn new(parts: KeeperParts) -> Keeper {
        Keeper {
            parts,
            book: PendingBook::default(),
            planned: Planned::default(),
            source_closed: HashMap::new(),
            in_doubt: BTreeSet::new(),
            showing: HashSet::new(),
            stuck: HashSet::new(),
            rescan: true,
            looked_at: None,
        }
    }

    /// Holds what this node is to hold, and nothing else: leaves first, then takes over and reads what waits there.
    /// Between two transactions.
    ///
    /// # Errors
    /// Whatever the database says; called again, it goes on.
    pub async fn follow(&mut self) -> Result<(), sqlx::Error> {
        let surplus = self.parts.appender.surplus();
        if !surplus.is_empty() {
            self.close_decided();
            let saved = self.parts.appender.leave(&surplus).await;
            self.drop_partitions(&surplus);
            saved?;
        }
        let missing = self.parts.appender.missing();
        if missing.is_empty() {
            return Ok(());
        }
        let taken = self.take_over(&missing).await;
        if taken.is_err() {
            // What waits there is not in the book: not held is better than half known.
            self.drop_partitions(&missing);
        }
        taken
    }

    async fn take_over(&mut self, missing: &[Partition]) -> Result<(), sqlx::Error> {
        let mut taken = Vec::new();
        for partition in missing {
            if let TakeOver::Taken(_) = self.parts.appender.take_over(*partition).await? {
                taken.push(*partition);
            }
        }
        self.book.add(pending::list_debits(&self.parts.db, &taken).await?);
        self.rescan = true; // Reports of these may be on the desk already.
        Ok(())
    }

    /// The partitions it holds.
    pub fn held(&self) -> impl Iterator<Item = Partition> + '_ {
        self.parts.appender.partitions()
    }

    /// Orders not decided yet.
    pub fn pending_len(&self) -> usize {
        self.book.len()
    }

    /// Lets go of everything.
    ///
    /// # Errors
    /// Whatever the database says about the last marks.
    pub async fn release(mut self) -> Result<(), sqlx::Error> {
        self.parts.appender.release().await
    }

    pub(super) fn now_in(&self, partition: Partition) -> Result<DateTime<Utc>, ApplyError> {
        let head = self.parts.appender.head(partition).ok_or_else(|| ApplyError::Deposed(vec![partition]))?;
        Ok(head.now(Utc::now()))
    }

    pub(super) fn epoch_of(&self, partition: Partition) -> Option<(Partition, Epoch)> {
        self.parts.appender.head(partition).map(|head| (partition, head.epoch))
    }

    pub(super) async fn write_in_tx(
        &mut self,
        tx: &mut PgConnection,
        batch: Batch,
    ) -> Result<(), ApplyError> {
        let due = batch.refunds_due();
        let Batch { rows, waits, returned, strange, .. } = batch;
        #[cfg(debug_assertions)]
        let rows = super::planted_fault::planted(rows);
        let appended: HashSet<Partition> = rows.iter().map(|row| row.stamp.partition).collect();
        let fenced: BTreeSet<Partition> = waits.iter().map(|wait| wait.entry.stamp.partition).collect();
        let fenced = fenced.difference(&appended.into_iter().collect()).copied().collect::<Vec<_>>();
        self.planned.ended = rows.iter().map(|row| row.order_id).collect();
        self.parts.appender.append(tx, rows).await?;
        if !waits.is_empty() {
            let held: Vec<_> = fenced.iter().filter_map(|partition| self.epoch_of(*partition)).collect();
            let lost = fence_in_tx(tx, &self.parts.db, LogName::Orders, &held).await?;
            if !lost.is_empty() {
                return Err(ApplyError::Deposed(lost));
            }
            pending::insert_in_tx(tx, &self.parts.db, &waits).await?;
        }
        refunds::insert_in_tx(tx, &self.parts.db, &due).await?;
        refunds::put_aside_in_tx(tx, &self.parts.db, &strange).await?;
        let returned: Vec<OrderId> = returned.into_iter().collect();
        refunds::delete_in_tx(tx, &self.parts.db, &returned).await?;
        self.planned.waiting =
            waits.into_iter().filter(|wait| wait.kind == WaitKind::Debit).map(debit_of).collect();
        Ok(())
    }

    pub(super) fn after_commit(&mut self) {
        let Planned { waiting, ended } = std::mem::take(&mut self.planned);
        let rows: Vec<Order> =
            self.parts.appender.planned().iter().flat_map(|(_, rows)| rows).cloned().collect();
        self.parts.appender.committed();
        self.book.add(waiting);
        self.parts.desk.decided(ended);
        if !rows.is_empty() && self.parts.told.try_send(rows).is_err() {
            metrics::counter!("largesse_gift_told_dropped_total").increment(1);
        }
    }

    pub(super) fn let_go_of(&mut self, error: &ApplyError) {
        if let ApplyError::Deposed(lost) = error {
            let lost = lost.clone();
            self.drop_partitions(&lost);
        }
    }

    pub(super) fn drop_partitions(&mut self, lost: &[Partition]) {
        if !lost.is_empty() {
            self.parts.appender.drop_partitions(lost);
            self.book.forget_partitions(lost);
            self.source_closed.retain(|partition, _| !lost.contains(partition));
        }
    }

    pub(super) async fn reload(
        &mut self,
        partitions: &[Partition],
        outcome: RolledBack,
    ) -> Result<Vec<Partition>, sqlx::Error> {
        self.planned = Planned::default();
        self.parts.appender.discard();
        if outcome == RolledBack::Unknown {
            self.in_doubt.extend(partitions);
        }
        let mut lost = Vec::new();
        if !self.in_doubt.is_empty() {
            let doubted: Vec<Partition> = self.in_doubt.iter().copied().collect();
            lost = self.parts.appender.recover(&doubted).await?;
            self.in_doubt.clear();
            self.drop_partitions(&lost);
        }
        let held: Vec<Partition> =
            partitions.iter().copied().filter(|p| self.epoch_of(*p).is_some()).collect();
        let debits = pending::list_debits(&self.parts.db, &held).await?;
        self.book.forget_partitions(partitions);
        self.book.add(debits);
        self.rescan = true;
        Ok(lost)
    }
}

#[async_trait::async_trait]
impl Handler for Keeper {
    type Row = Entry;

    fn name(&self) -> &'static str {
        READER_NAME
    }

    async fn apply_in_tx(
        &mut self,
        tx: &mut PgConnection,
        slices: &[Slice<Entry>],
    ) -> Result<(), ApplyError> {
        self.planned = Planned::default();
        let origins = self.find_origins(tx, slices).await?;
        let written = match self.plan(slices, origins) {
            Ok(batch) => self.write_in_tx(tx, batch).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &written {
            self.let_go_of(error);
        }
        written
    }

    async fn committed(&mut self) {
        self.after_commit();
    }

    async fn rolled_back(
        &mut self,
        partitions: &[Partition],
        outcome: RolledBack,
    ) -> Result<Vec<Partition>, sqlx::Error> {
        self.reload(partitions, outcome).await
    }

    async fn closed(&mut self, partition: Partition, until: DateTime<Utc>) {
        let known = self.source_closed.entry(partition).or_insert(until);
        *known = until.max(*known);
    }

    fn partitions(&self) -> Option<Vec<Partition>> {
        Some(self.parts.appender.partitions().collect())
    }

    async fn turn(&mut self) -> Result<(), ApplyError> {
        self.follow().await?;
        self.end_reported().await?;
        if self.looked_at.is_none_or(|at| at.elapsed() >= self.parts.settings.look_every) {
            self.looked_at = Some(Instant::now());
            self.look().await?;
            self.save_marks().await?;
        }
        Ok(())
    }
}
