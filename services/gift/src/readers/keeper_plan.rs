//! What a batch of entries comes to, before anything is written.

use super::keeper_rows::{Meaning, came_back, ended, meaning_of};
use super::on_entries::Keeper;
use crate::store::orders;
use crate::store::pending::{NewPending, PendingDebit, WaitKind};
use crate::store::refunds::RefundDue;
use contracts::entry::Entry;
use contracts::log::LogRow;
use contracts::order::{Order, OrderKind};
use contracts::show::Shown;
use ids::OrderId;
use seqlog::{ApplyError, Slice};
use sqlx::PgConnection;
use std::collections::{HashMap, HashSet};

/// What one batch of entries comes to.
#[derive(Default)]
pub(super) struct Batch {
    /// How orders of earlier batches ended, those that refunds of this one belong to.
    pub origins: HashMap<OrderId, Order>,
    pub rows: Vec<Order>,
    pub waits: Vec<NewPending>,
    pub returned: HashSet<OrderId>,
    /// Refunds of orders that gift knows nothing of: put aside, and no reason to stop.
    pub strange: Vec<(OrderId, Entry)>,
}

impl Batch {
    /// Adds the row of a refund entry. Only the refund that gift itself owes settles what is due: others may be
    /// partial.
    pub fn came_back(&mut self, entry: &Entry, row: Order) {
        if entry.request_id == row.order_id.refund_request() {
            self.returned.insert(row.order_id);
        }
        self.rows.push(row);
    }

    pub fn end_of(&self, order_id: OrderId) -> Option<&Order> {
        // A refund in one batch with its debit is rare, so rows are searched and not indexed.
        let here = |row: &&Order| row.order_id == order_id;
        self.origins.get(&order_id).or_else(|| self.rows.iter().find(here))
    }

    pub fn refunds_due(&self) -> Vec<RefundDue> {
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
    /// How the orders that refunds of this batch belong to ended, as far as the table knows.
    pub(super) async fn find_origins(
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

    pub(super) fn plan(
        &self,
        slices: &[Slice<Entry>],
        origins: HashMap<OrderId, Order>,
    ) -> Result<Batch, ApplyError> {
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
                    match end.and_then(|end| came_back(entry, end, now)) {
                        Some(row) => batch.came_back(entry, row),
                        None => {
                            tracing::error!(%order_id, seq = entry.stamp.seq, "a refund of an order that never ended \
                                is put aside; reconciliation reports it");
                            batch.strange.push((order_id, entry.clone()));
                        }
                    }
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
}

fn kind_of(shown: Shown) -> OrderKind {
    match shown {
        Shown::Shown => OrderKind::Delivered,
        Shown::Failed => OrderKind::Refunding,
    }
}

pub(super) fn debit_of(wait: NewPending) -> PendingDebit {
    PendingDebit {
        partition: wait.entry.stamp.partition,
        order_id: wait.order_id,
        node: wait.node,
        decided_at: wait.entry.stamp.decided_at,
        deadline_at: wait.deadline_at,
        late: false,
    }
}
