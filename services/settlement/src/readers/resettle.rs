//! Makes items anew that reconciliation found missing: by the one writer of the partition's items, between two batches,
//! in one transaction with the answer.
//!
//! An item that was made and then taken out of the table is not made again: its earnings stand and its voucher is
//! posted, so a second one would count twice. The head tells: it counts every row that was ever written.

use super::settle_orders::{Made, READER, SettleOrders, Settled};
use crate::domain::earning::{Earnings, add_item};
use crate::store::book::share_state_in_tx;
use crate::store::earnings;
use crate::store::items::list_of_orders_in_tx;
use crate::store::resettlements::{self, Due, Ended};
use crate::store::statement_lines::insert_late_in_tx;
use chrono::{NaiveDate, Utc};
use contracts::item::{Item, ItemKind};
use contracts::log::Seq;
use contracts::order::OrderKind;
use ids::{OrderId, Partition, RequestId, Uuid};
use seqlog::ApplyError;
use sqlx::PgConnection;
use std::collections::{BTreeMap, HashMap};

/// Items that one transaction makes anew.
const BATCH_MAX: i64 = 100;

/// What a batch comes to, before it is written.
#[derive(Default)]
struct Plan {
    ended: Vec<(RequestId, Ended)>,
    /// Which request each new item answers, by partition and the order's row.
    answers: Vec<(RequestId, Partition, Seq)>,
    items: Vec<Item>,
    netted: Earnings,
}

impl SettleOrders {
    /// Does what is due in the partitions this node writes.
    pub(super) async fn resettle_due(&mut self) -> Result<(), ApplyError> {
        let held: Vec<Partition> = self.appender.partitions().collect();
        if held.is_empty() || !resettlements::is_any_due(&self.db, &held).await? {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        match self.resettle_in_tx(&mut tx, &held).await {
            Ok(()) => match tx.commit().await {
                Ok(()) => {
                    self.appender.committed();
                    Ok(())
                }
                Err(error) => {
                    // Whether it committed is asked of the heads before anything else is written.
                    self.unsettled = held;
                    self.appender.discard();
                    Err(error.into())
                }
            },
            Err(error) => {
                let _ = tx.rollback().await; // A lost connection rolls back by itself.
                self.appender.discard();
                if let ApplyError::Deposed(lost) = &error {
                    self.appender.drop_partitions(lost);
                }
                Err(error)
            }
        }
    }

    async fn resettle_in_tx(&mut self, tx: &mut PgConnection, held: &[Partition]) -> Result<(), ApplyError> {
        let state = share_state_in_tx(tx, &self.db).await?;
        self.read_book_in_tx(tx, &state).await?;
        let first_open_day = state.sealed_day.succ_opt().unwrap_or(NaiveDate::MAX);
        let due = resettlements::list_due_in_tx(tx, &self.db, held, (READER, BATCH_MAX)).await?;
        let mut plan = self.plan_in_tx(tx, due, first_open_day).await?;
        self.appender.append(tx, std::mem::take(&mut plan.items)).await?;
        let rows: Vec<&Item> = self.appender.planned().iter().flat_map(|(_, rows)| rows).collect();
        for (request_id, partition, order_seq) in &plan.answers {
            let made =
                |item: &&&Item| item.stamp.partition == *partition && item.stamp.origin_seq == *order_seq;
            let item_seq = rows.iter().find(made).map_or(0, |item| item.stamp.seq);
            plan.ended.push((*request_id, Ended::Done(item_seq)));
        }
        let late: Vec<_> = rows.iter().filter(|item| item.stamp.day < first_open_day).collect();
        let late: Vec<_> = late.iter().map(|item| (item.stamp.partition.number(), item.stamp.seq)).collect();
        insert_late_in_tx(tx, &self.db, &late, first_open_day).await?;
        let made: Vec<_> = rows.iter().map(|item| (item.stamp.partition, item.stamp.origin_seq)).collect();
        resettlements::end_waiting_in_tx(tx, &self.db, &made).await?;
        earnings::add_in_tx(tx, &self.db, &plan.netted).await?;
        Ok(resettlements::end_in_tx(tx, &self.db, &plan.ended).await?)
    }

    async fn plan_in_tx(
        &self,
        tx: &mut PgConnection,
        due: Vec<Due>,
        first_open_day: NaiveDate,
    ) -> Result<Plan, ApplyError> {
        let orders: Vec<Uuid> = due.iter().map(|due| due.order.order_id.uuid()).collect();
        let known = list_of_orders_in_tx(tx, &self.db, &orders).await?;
        let mut settled = Settled::of_items(&known)?;
        let (mut plan, mut whole) = (Plan::default(), BTreeMap::new());
        for Due { request_id, order } in due {
            let (partition, order_seq) = (order.stamp.partition, order.stamp.seq);
            let is_it =
                |item: &&Item| item.stamp.partition == partition && item.stamp.origin_seq == order_seq;
            if let Some(item) = known.iter().find(is_it) {
                plan.ended.push((request_id, Ended::Done(item.stamp.seq)));
                continue;
            }
            if plan.items.iter().any(|item| is_it(&item)) {
                plan.answers.push((request_id, partition, order_seq));
                continue;
            }
            if !self.is_whole_in_tx(tx, partition, &mut whole).await? {
                let why = "rows of this partition's items were taken away; their earnings stand".to_owned();
                plan.ended.push((request_id, Ended::Refused(why)));
                continue;
            }
            let mut rows = vec![order.clone()];
            if order.kind == OrderKind::Delivered {
                rows.extend(resettlements::list_waiting_in_tx(tx, &self.db, order.order_id).await?);
            }
            match self.make(&rows, &mut settled, (&mut plan.netted, first_open_day)) {
                Ok(items) => {
                    plan.items.extend(items);
                    plan.answers.push((request_id, partition, order_seq));
                }
                Err(ApplyError::Row { reason, .. }) => plan.ended.push((request_id, Ended::Refused(reason))),
                Err(error) => return Err(error),
            }
        }
        Ok(plan)
    }

    /// The items of an order's rows, and what they earn: all of them, or none.
    fn make(
        &self,
        rows: &[contracts::order::Order],
        settled: &mut HashMap<OrderId, Settled>,
        (netted, first_open_day): (&mut Earnings, NaiveDate),
    ) -> Result<Vec<Item>, ApplyError> {
        let mut items = Vec::new();
        for row in rows {
            let now = self.appender.head(row.stamp.partition).map(|head| head.now(Utc::now()));
            let now = now.ok_or_else(|| ApplyError::Deposed(vec![row.stamp.partition]))?;
            let refused = |reason: String| ApplyError::Row {
                partition: row.stamp.partition,
                seq: row.stamp.seq,
                reason,
            };
            match self.item_of(row, now, settled)? {
                Made::Item(item) => items.push(*item),
                Made::Aside => return Err(refused("its order is not settled: settle that first".to_owned())),
                Made::Nothing => return Err(refused("such a row has no item".to_owned())),
            }
        }
        let mut all = netted.clone();
        for item in &items {
            let (partition, seq) = (item.stamp.partition, item.stamp.origin_seq);
            add_item(&mut all, item, first_open_day).map_err(|error| ApplyError::Row {
                partition,
                seq,
                reason: error.to_string(),
            })?;
        }
        *netted = all;
        Ok(items)
    }

    async fn is_whole_in_tx(
        &self,
        tx: &mut PgConnection,
        partition: Partition,
        known: &mut BTreeMap<Partition, bool>,
    ) -> Result<bool, ApplyError> {
        if let Some(whole) = known.get(&partition) {
            return Ok(*whole);
        }
        let written = self.appender.head(partition).map(|head| head.last_seq);
        let count = resettlements::count_items_in_tx(tx, &self.db, partition).await?;
        let whole = written == Some(count);
        known.insert(partition, whole);
        Ok(whole)
    }
}

impl Settled {
    /// What is settled and reversed of some orders, by their items.
    pub(super) fn of_items(items: &[Item]) -> Result<HashMap<OrderId, Settled>, ApplyError> {
        let mut settled: HashMap<OrderId, Settled> = HashMap::new();
        let given = items.iter().filter(|item| item.kind == ItemKind::Settled);
        settled.extend(given.map(|item| (item.order_id, Settled::new(item.clone()))));
        for item in items.iter().filter(|item| item.kind == ItemKind::Reversed) {
            if let Some(of_order) = settled.get_mut(&item.order_id) {
                of_order.add_reversed(item)?;
            }
        }
        Ok(settled)
    }
}
