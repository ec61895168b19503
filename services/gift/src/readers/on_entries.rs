//! The orders keeper: reads `wallet.entries`, appends to `gift.orders` how each accepted debit ended.
//!
//! Round trips per batch: offsets, heads, one bulk insert; one more each where orders wait, refunds arrive or
//! refunds fall due. Lock order: read offsets, then heads in partition order, then rows. What an order lacks
//! to be decided (a report, a dead lease) is waited for outside transactions, in `turn`. Must not show
//! anything before the decision to show it late is durable.

use crate::app::show::{ByWhom, ShowQueue, Showing};
use crate::domain::ending::Step;
use crate::readers::desk::ReportDesk;
use crate::readers::keeper_rows::{Meaning, came_back, ended, meaning_of, origin_of};
use crate::readers::pending_book::{Circumstances, PendingBook};
use crate::store::nodes;
use crate::store::orders::{self, OrdersTable};
use crate::store::pending::{self, NewPending, PendingDebit, WaitKind};
use crate::store::refunds::{self, RefundDue};
use chrono::{DateTime, Utc};
use contracts::entry::Entry;
use contracts::log::{Epoch, LogRow};
use contracts::order::{Order, OrderKind};
use contracts::show::Shown;
use ids::{OrderId, Partition};
use pg::Db;
use seqlog::{Appender, ApplyError, Handler, RolledBack, Slice, TakeOver};
use sqlx::PgConnection;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// The name in `read_offsets` and in queue names. Part of the stored format.
pub const READER_NAME: &str = "gift.orders";

/// Orders one transaction of `turn` ends.
const END_BATCH_MAX: usize = 500;
/// Orders one look decides; the rest is decided a look later.
const LOOK_BATCH_MAX: usize = 5_000;

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
    parts: KeeperParts,
    book: PendingBook,
    planned: Planned,
    source_closed: HashMap<Partition, DateTime<Utc>>,
    in_doubt: BTreeSet<Partition>,
    /// Orders handed over to be shown late and not reported back yet.
    showing: HashSet<OrderId>,
    /// Orders the database refused to end.
    stuck: HashSet<OrderId>,
    rescan: bool,
    looked_at: Option<Instant>,
}

/// What the transaction in progress will have done.
#[derive(Default)]
struct Planned {
    waiting: Vec<PendingDebit>,
    ended: Vec<OrderId>,
}

/// What one batch of entries comes to.
#[derive(Default)]
struct Batch {
    /// How orders of earlier batches ended, those that refunds of this one belong to.
    origins: HashMap<OrderId, Order>,
    rows: Vec<Order>,
    waits: Vec<NewPending>,
    returned: HashSet<OrderId>,
}

impl Batch {
    fn came_back(&mut self, row: Order) {
        self.returned.insert(row.order_id);
        self.rows.push(row);
    }

    fn end_of(&self, order_id: OrderId) -> Option<&Order> {
        // A refund in one batch with its debit is rare, so rows are searched and not indexed.
        let here = |row: &&Order| row.order_id == order_id;
        self.origins.get(&order_id).or_else(|| self.rows.iter().find(here))
    }

    fn refunds_due(&self) -> Vec<RefundDue> {
        let owed = |row: &&Order| row.kind == OrderKind::Refunding && !self.returned.contains(&row.order_id);
        let due = |row: &Order| RefundDue {
            order_id: row.order_id,
            partition: row.stamp.partition,
            viewer_id: row.viewer_id,
        };
        self.rows.iter().filter(owed).map(due).collect()
    }
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

    /// Takes over what is free of `partitions`, and reads what waits there. Returns what it took.
    ///
    /// # Errors
    /// Whatever the database says; the keeper must be dropped then.
    pub async fn take_over(&mut self, partitions: &[Partition]) -> Result<Vec<Partition>, sqlx::Error> {
        let mut taken = Vec::new();
        for partition in partitions {
            if let TakeOver::Taken(_) = self.parts.appender.take_over(*partition).await? {
                taken.push(*partition);
            }
        }
        self.book.add(pending::list_debits(&self.parts.db, &taken).await?);
        Ok(taken)
    }

    /// The partitions it holds.
    pub fn partitions(&self) -> impl Iterator<Item = Partition> + '_ {
        self.parts.appender.partitions()
    }

    /// Orders not decided yet.
    pub fn pending_len(&self) -> usize {
        self.book.len()
    }

    /// Ends its leases, so that the next owner need not wait.
    ///
    /// # Errors
    /// Whatever the database says; the leases run out by themselves.
    pub async fn release(mut self) -> Result<(), sqlx::Error> {
        self.parts.appender.release().await
    }

    fn now_in(&self, partition: Partition) -> Result<DateTime<Utc>, ApplyError> {
        let head = self.parts.appender.head(partition).ok_or_else(|| ApplyError::Deposed(vec![partition]))?;
        Ok(head.now(Utc::now()))
    }

    fn epoch_of(&self, partition: Partition) -> Option<(Partition, Epoch)> {
        self.parts.appender.head(partition).map(|head| (partition, head.epoch))
    }

    /// How the orders that refunds of this batch belong to ended, as far as the table knows.
    async fn find_origins(
        &self,
        tx: &mut PgConnection,
        slices: &[Slice<Entry>],
    ) -> Result<HashMap<OrderId, Order>, sqlx::Error> {
        let origins: Vec<OrderId> = slices
            .iter()
            .flat_map(|slice| &slice.rows)
            .filter_map(|entry| match meaning_of(entry) {
                Meaning::CameBack(order_id) => Some(order_id),
                Meaning::Spent(_) | Meaning::Other | Meaning::Impossible(_) => None,
            })
            .collect();
        if origins.is_empty() {
            return Ok(HashMap::new());
        }
        let ended = orders::list_ended(tx, &self.parts.db, &origins).await?;
        Ok(ended.into_iter().map(|order| (order.order_id, order)).collect())
    }

    fn plan(&self, slices: &[Slice<Entry>], origins: HashMap<OrderId, Order>) -> Result<Batch, ApplyError> {
        let entries = || slices.iter().flat_map(|slice| &slice.rows);
        let ids: Vec<OrderId> = entries().map(|entry| OrderId::from_uuid(entry.request_id.uuid())).collect();
        let reports = self.parts.desk.find_all(&ids);
        let mut batch = Batch { origins, ..Batch::default() };
        let mut waiting: HashSet<OrderId> = HashSet::new();
        for (entry, report) in entries().zip(reports) {
            let refused = |reason: String| ApplyError::Row {
                partition: entry.stamp().partition,
                seq: entry.stamp().seq,
                reason,
            };
            let now = self.now_in(entry.stamp.partition)?;
            match meaning_of(entry) {
                Meaning::Other => {}
                Meaning::Impossible(reason) => return Err(refused(reason.to_owned())),
                Meaning::Spent(order_id) => match report {
                    Some(shown) => batch.rows.extend(ended(entry, kind_of(shown), now)),
                    None => {
                        waiting.insert(order_id);
                        batch.waits.push(self.wait(order_id, WaitKind::Debit, entry));
                    }
                },
                Meaning::CameBack(order_id)
                    if waiting.contains(&order_id) || self.book.contains(&order_id) =>
                {
                    batch.waits.push(self.wait(order_id, WaitKind::Refund, entry));
                }
                Meaning::CameBack(order_id) => {
                    let end = batch.end_of(order_id);
                    let row = end.and_then(|end| came_back(entry, end, now));
                    let missing =
                        || refused(format!("a refund of order {} that never ended", origin_of(entry)));
                    batch.came_back(row.ok_or_else(missing)?);
                }
            }
        }
        Ok(batch)
    }

    fn wait(&self, order_id: OrderId, kind: WaitKind, entry: &Entry) -> NewPending {
        let deadline = chrono::Duration::from_std(self.parts.settings.delivery_deadline).unwrap_or_default();
        NewPending {
            order_id,
            kind,
            node: entry.send.as_ref().map(|send| send.node.as_str()).unwrap_or_default().into(),
            deadline_at: entry.stamp.decided_at + deadline,
            entry: entry.clone(),
        }
    }

    async fn write_in_tx(&mut self, tx: &mut PgConnection, batch: Batch) -> Result<(), ApplyError> {
        let due = batch.refunds_due();
        let Batch { rows, waits, returned, .. } = batch;
        let appended: HashSet<Partition> = rows.iter().map(|row| row.stamp.partition).collect();
        let fenced: BTreeSet<Partition> = waits.iter().map(|wait| wait.entry.stamp.partition).collect();
        let fenced = fenced.difference(&appended.into_iter().collect()).copied().collect::<Vec<_>>();
        self.planned.ended = rows.iter().map(|row| row.order_id).collect();
        self.parts.appender.append_in_tx(tx, rows).await?;
        if !waits.is_empty() {
            let held: Vec<_> = fenced.iter().filter_map(|partition| self.epoch_of(*partition)).collect();
            let lost = pending::fence_in_tx(tx, &self.parts.db, &held).await?;
            if !lost.is_empty() {
                return Err(ApplyError::Deposed(lost));
            }
            pending::insert_in_tx(tx, &self.parts.db, &waits).await?;
        }
        refunds::insert_in_tx(tx, &self.parts.db, &due).await?;
        let returned: Vec<OrderId> = returned.into_iter().collect();
        refunds::delete_in_tx(tx, &self.parts.db, &returned).await?;
        self.planned.waiting =
            waits.into_iter().filter(|wait| wait.kind == WaitKind::Debit).map(debit_of).collect();
        Ok(())
    }

    /// Ends orders that wait, each with the refund that waits behind it: one transaction.
    async fn end(&mut self, ends: &[(OrderId, OrderKind)]) -> Result<(), ApplyError> {
        let kinds: HashMap<OrderId, OrderKind> = ends.iter().copied().collect();
        let order_ids: Vec<OrderId> = ends.iter().map(|(order_id, _)| *order_id).collect();
        let mut tx = self.parts.db.begin().await?;
        let effect = async {
            let taken = pending::take_in_tx(&mut tx, &self.parts.db, &order_ids).await?;
            let mut batch = Batch::default();
            for (order_id, wait, entry) in &taken {
                let now = self.now_in(entry.stamp.partition)?;
                match wait {
                    WaitKind::Debit => {
                        let kind = kinds.get(order_id).copied().unwrap_or(OrderKind::Refunding);
                        batch.rows.extend(ended(entry, kind, now));
                    }
                    WaitKind::Refund => {
                        let end = batch.end_of(*order_id).ok_or(sqlx::Error::RowNotFound)?;
                        let row = came_back(entry, end, now).ok_or(sqlx::Error::RowNotFound)?;
                        batch.came_back(row);
                    }
                }
            }
            self.write_in_tx(&mut tx, batch).await
        };
        let outcome = match effect.await {
            Ok(()) => tx.commit().await.map_err(|error| (error.into(), RolledBack::Unknown)),
            Err(error) => {
                let _ = tx.rollback().await; // A lost connection rolls back by itself.
                Err((error, RolledBack::Certainly))
            }
        };
        match outcome {
            Ok(()) => {
                self.book.remove(&order_ids);
                self.after_commit();
                Ok(())
            }
            Err((error, rolled_back)) => {
                self.let_go_of(&error);
                let partitions: Vec<Partition> = self.partitions().collect();
                self.reload(&partitions, rolled_back).await?;
                Err(error)
            }
        }
    }

    /// Ends what reports alone decide.
    async fn end_reported(&mut self) -> Result<(), ApplyError> {
        let mut fresh = self.parts.desk.take_fresh();
        if std::mem::take(&mut self.rescan) {
            fresh = self.book.order_ids();
        }
        fresh.retain(|order_id| self.book.contains(order_id));
        let reports = self.parts.desk.find_all(&fresh);
        let mut ends = Vec::new();
        for (order_id, report) in fresh.iter().zip(reports) {
            if report.is_some() {
                self.showing.remove(order_id);
            }
            match self.book.end_by_report(*order_id, report) {
                Some(Step::Deliver) => ends.push((*order_id, OrderKind::Delivered)),
                Some(Step::Refund) => ends.push((*order_id, OrderKind::Refunding)),
                Some(Step::Wait | Step::ShowLate) | None => {}
            }
        }
        ends.sort_unstable();
        ends.dedup();
        self.end_all(ends).await
    }

    async fn end_all(&mut self, mut ends: Vec<(OrderId, OrderKind)>) -> Result<(), ApplyError> {
        ends.retain(|(order_id, _)| !self.stuck.contains(order_id));
        for some in ends.chunks(END_BATCH_MAX) {
            match self.end(some).await {
                Err(ApplyError::Db(error)) if pg::is_constraint(&error) => self.end_one_by_one(some).await?,
                ended => ended?,
            }
        }
        Ok(())
    }

    /// One order that the database refuses must not hold up the others: it stays undecided, loudly.
    async fn end_one_by_one(&mut self, ends: &[(OrderId, OrderKind)]) -> Result<(), ApplyError> {
        for one in ends {
            match self.end(std::slice::from_ref(one)).await {
                Err(ApplyError::Db(error)) if pg::is_constraint(&error) => {
                    tracing::error!(order_id = %one.0, %error, "this order cannot be ended; a human must look");
                    metrics::counter!("largesse_gift_orders_stuck_total").increment(1);
                    self.stuck.insert(one.0);
                }
                ended => ended?,
            }
        }
        Ok(())
    }

    /// Looks at every undecided order: leases and deadlines.
    async fn look(&mut self) -> Result<(), ApplyError> {
        if self.book.len() == 0 {
            return Ok(());
        }
        let alive = nodes::list_alive(&self.parts.db).await?;
        let order_ids = self.book.order_ids();
        let reports = self.parts.desk.find_all(&order_ids);
        let reports: HashMap<OrderId, Shown> = order_ids
            .into_iter()
            .zip(reports)
            .filter_map(|(order_id, shown)| Some((order_id, shown?)))
            .collect();
        let report_grace = self.parts.settings.report_grace;
        let seen = Circumstances { now: Utc::now(), alive: &alive, report_grace };
        let steps = self.book.steps(&reports, &seen, LOOK_BATCH_MAX);
        let (mut ends, mut late) = (Vec::new(), Vec::new());
        for (order_id, step) in steps {
            match step {
                _ if self.showing.contains(&order_id) => {} // Being shown by us right now: wait for the outcome.
                Step::Deliver => ends.push((order_id, OrderKind::Delivered)),
                Step::Refund => ends.push((order_id, OrderKind::Refunding)),
                Step::ShowLate => late.push(order_id),
                Step::Wait => {}
            }
        }
        self.end_all(ends).await?;
        for some in late.chunks(END_BATCH_MAX) {
            self.show_late(some).await?;
        }
        Ok(())
    }

    /// Records the decision to show orders late, fenced by their heads; then hands them over to be shown.
    async fn show_late(&mut self, order_ids: &[OrderId]) -> Result<(), ApplyError> {
        let held: Vec<_> = self.partitions().filter_map(|partition| self.epoch_of(partition)).collect();
        let mut tx = self.parts.db.begin().await?;
        let lost = pending::fence_in_tx(&mut tx, &self.parts.db, &held).await?;
        if !lost.is_empty() {
            tx.rollback().await?;
            self.drop_partitions(&lost);
            return Ok(());
        }
        let entries = pending::decide_late_in_tx(&mut tx, &self.parts.db, order_ids).await?;
        // An unknown outcome is repeated a look later: deciding it twice is deciding it once.
        tx.commit().await?;
        self.book.mark_late(order_ids);
        for entry in entries {
            let Some(showing) = Showing::of_entry(&entry, ByWhom::Keeper) else { continue };
            let order_id = showing.order_id;
            if self.parts.show.try_hand_over(showing).is_err() {
                break; // The queue is full: the next look hands over the rest.
            }
            self.showing.insert(order_id);
        }
        Ok(())
    }

    async fn save_marks(&mut self) -> Result<(), ApplyError> {
        let oldest = self.book.oldest();
        for (partition, closed) in &self.source_closed {
            let until = oldest.get(partition).map_or(*closed, |oldest| (*oldest).min(*closed));
            self.parts.appender.close(*partition, until);
        }
        let lost = self.parts.appender.save_marks().await?;
        self.drop_partitions(&lost);
        metrics::gauge!("largesse_gift_orders_pending")
            .set(f64::from(u32::try_from(self.book.len()).unwrap_or(u32::MAX)));
        Ok(())
    }

    fn after_commit(&mut self) {
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

    fn let_go_of(&mut self, error: &ApplyError) {
        if let ApplyError::Deposed(lost) = error {
            let lost = lost.clone();
            self.drop_partitions(&lost);
        }
    }

    fn drop_partitions(&mut self, lost: &[Partition]) {
        if !lost.is_empty() {
            self.parts.appender.drop_partitions(lost);
            self.book.forget_partitions(lost);
            self.source_closed.retain(|partition, _| !lost.contains(partition));
        }
    }

    async fn reload(
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

fn kind_of(shown: Shown) -> OrderKind {
    match shown {
        Shown::Shown => OrderKind::Delivered,
        Shown::Failed => OrderKind::Refunding,
    }
}

fn debit_of(wait: NewPending) -> PendingDebit {
    PendingDebit {
        partition: wait.entry.stamp.partition,
        order_id: wait.order_id,
        node: wait.node,
        decided_at: wait.entry.stamp.decided_at,
        deadline_at: wait.deadline_at,
        late: false,
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

    async fn turn(&mut self) -> Result<(), ApplyError> {
        self.end_reported().await?;
        if self.looked_at.is_none_or(|at| at.elapsed() >= self.parts.settings.look_every) {
            self.looked_at = Some(Instant::now());
            self.look().await?;
            self.save_marks().await?;
        }
        Ok(())
    }
}
