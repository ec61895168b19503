//! Reads `gift.orders`, writes `settlement.items`: one item per delivered order, one more per refund of one.
//!
//! One transaction per batch, in this order: the offset moves, the book is shared, items of refunded orders are
//! read, heads advance and items go in, earnings are added in the order of their keys.
//!
//! What the batch shares says which contracts are in force. If neither the last batch's nor the set's are those, the batch
//! is begun once more after a short wait, in which the set may come; if it does not, the contracts are read from the
//! database, in the transaction that shares their state.

use crate::app::contract_set::HeldContracts;
use crate::config::Config;
use crate::domain::book::Book;
use crate::domain::book_digest::BookDigest;
use crate::domain::earning::{Earnings, add_item};
use crate::domain::split::{Split, reverse, split};
use crate::store::book::{BookState, load_book_in_tx, share_state_in_tx};
use crate::store::earnings;
use crate::store::items::{ItemsTable, list_of_orders_in_tx};
use crate::store::resettlements::put_aside_in_tx;
use crate::store::statement_lines::insert_late_in_tx;
use chrono::{DateTime, NaiveDate, Utc};
use contracts::entry::Funds;
use contracts::item::{Item, ItemKind};
use contracts::log::Stamp;
use contracts::order::{Order, OrderKind};
use ids::{OrderId, Partition, Uuid};
use money::{Coins, MoneyError};
use pg::Db;
use seqlog::{Appender, ApplyError, Handler, RolledBack, Slice};
use sqlx::PgConnection;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The reader's name in `read_offsets` and in queue names.
pub const READER: &str = "settlement.items";

/// How often marks are saved.
const MARKS_EVERY: Duration = Duration::from_secs(1);

/// How often it is looked whether items are to be made anew.
const RESETTLE_EVERY: Duration = Duration::from_millis(200);

/// The effect of orders.
pub struct SettleOrders {
    pub(super) db: Db,
    pub(super) appender: Appender<ItemsTable>,
    currency: String,
    /// What the last batch was settled by.
    book: Arc<Book>,
    contracts: HeldContracts,
    contracts_wait: Duration,
    /// The book that the batch is to wait for, before it is begun once more.
    awaited: Option<BookDigest>,
    /// The one that it has waited for.
    waited_for: Option<BookDigest>,
    /// Partitions whose last COMMIT of items made anew has an unknown outcome.
    pub(super) unsettled: Vec<Partition>,
    marks_at: Option<Instant>,
    resettled_at: Option<Instant>,
}

/// What is settled and reversed of one order so far.
pub(super) struct Settled {
    item: Item,
    reversed: Funds,
}

impl Settled {
    pub(super) fn new(item: Item) -> Settled {
        Settled { item, reversed: Funds::default() }
    }

    /// Counts a reversal that is there already.
    pub(super) fn add_reversed(&mut self, item: &Item) -> Result<(), ApplyError> {
        let now = Funds { paid_coins: item.paid_coins, promo_coins: item.promo_coins };
        self.reversed = add(self.reversed, now).map_err(|error| cannot(&item.stamp, &error))?;
        Ok(())
    }
}

/// What a row of orders becomes.
pub(super) enum Made {
    Item(Box<Item>),
    Nothing,
    /// A refund whose order has no item: it waits until the order is settled anew.
    Aside,
}

impl SettleOrders {
    pub fn new(
        db: Db,
        appender: Appender<ItemsTable>,
        config: &Config,
        contracts: HeldContracts,
    ) -> SettleOrders {
        SettleOrders {
            db,
            appender,
            currency: config.currency.clone(),
            book: Arc::default(),
            contracts,
            contracts_wait: config.contracts_wait(),
            awaited: None,
            waited_for: None,
            unsettled: Vec::new(),
            marks_at: None,
            resettled_at: None,
        }
    }

    /// Holds what this node is to hold, and nothing else.
    ///
    /// # Errors
    /// Whatever the database says; called again, it goes on.
    pub async fn follow(&mut self) -> Result<(), sqlx::Error> {
        self.appender.follow().await
    }

    /// Lets go of everything.
    pub async fn release(&mut self) {
        if let Err(error) = self.appender.release().await {
            tracing::warn!(%error, "leases were not released; they run out by themselves");
        }
    }

    async fn settled_in_tx(
        &self,
        tx: &mut PgConnection,
        slices: &[Slice<Order>],
    ) -> Result<HashMap<OrderId, Settled>, ApplyError> {
        let rows = slices.iter().flat_map(|slice| &slice.rows);
        let refunded = rows.filter(|order| order.kind == OrderKind::RefundedDelivered);
        let orders: Vec<Uuid> = refunded.map(|order| order.order_id.uuid()).collect();
        if orders.is_empty() {
            return Ok(HashMap::new());
        }
        Settled::of_items(&list_of_orders_in_tx(tx, &self.db, &orders).await?)
    }

    /// Has the contracts in force at hand, if this node has them already.
    fn find_book(&mut self, state: &BookState) -> bool {
        if self.book.digest() != state.digest {
            let Some(book) = self.contracts.find(state.digest) else { return false };
            self.book = book;
        }
        true
    }

    /// Has the contracts in force at hand: from the set, or else from the database.
    pub(super) async fn read_book_in_tx(
        &mut self,
        tx: &mut PgConnection,
        state: &BookState,
    ) -> Result<(), ApplyError> {
        if self.find_book(state) {
            return Ok(());
        }
        let set = if self.contracts.is_there() { "other" } else { "missing" };
        let read = load_book_in_tx(tx, &self.db, state).await;
        if let Err(sqlx::Error::Decode(reason)) = &read {
            tracing::error!(%reason, "nothing is settled until the contracts are put right");
        }
        self.book = Arc::new(read?);
        metrics::counter!("largesse_settlement_contract_reads_total", "set" => set).increment(1);
        tracing::warn!(
            set,
            version = state.version,
            "this node read the contracts itself: the set does not have those in force"
        );
        Ok(())
    }

    /// Settles what an unknown COMMIT left open, before anything new is planned.
    async fn settle_unknown(&mut self) -> Result<(), sqlx::Error> {
        if !self.unsettled.is_empty() {
            self.appender.recover(&self.unsettled).await?;
            self.unsettled.clear();
        }
        Ok(())
    }

    pub(super) fn item_of(
        &self,
        order: &Order,
        now: DateTime<Utc>,
        settled: &mut HashMap<OrderId, Settled>,
    ) -> Result<Made, ApplyError> {
        let coins = Funds { paid_coins: order.paid_coins, promo_coins: order.promo_coins };
        match order.kind {
            OrderKind::Refunding | OrderKind::ReturnedUndelivered => Ok(Made::Nothing),
            OrderKind::Delivered => {
                let item = self.settle(order, coins, now)?;
                // A refund of it may come in the same batch.
                settled.insert(order.order_id, Settled::new(item.clone()));
                Ok(Made::Item(Box::new(item)))
            }
            OrderKind::RefundedDelivered => {
                let Some(of_order) = settled.get_mut(&order.order_id) else { return Ok(Made::Aside) };
                self.reverse(order, coins, now, of_order).map(|item| Made::Item(Box::new(item)))
            }
        }
    }

    fn settle(&self, order: &Order, coins: Funds, now: DateTime<Utc>) -> Result<Item, ApplyError> {
        let day = order.stamp.day;
        let contract = self.book.in_force(order.streamer_id, day);
        let contract = contract.ok_or_else(|| cannot(&order.stamp, &"no contract is in force on its day"))?;
        let face_value = self.book.face_value(&self.currency, day);
        let face_value =
            face_value.ok_or_else(|| cannot(&order.stamp, &"coins have no face value on its day"))?;
        let split =
            split(coins, face_value, &contract.terms).map_err(|error| cannot(&order.stamp, &error))?;
        let mut item = item_of_split(order, ItemKind::Settled, now, split);
        item.agency_id = contract.terms.agency_id;
        item.contract_version = contract.version;
        Ok(item)
    }

    fn reverse(
        &self,
        order: &Order,
        coins: Funds,
        now: DateTime<Utc>,
        of_order: &mut Settled,
    ) -> Result<Item, ApplyError> {
        let settled = &of_order.item;
        let contract = self.book.of_version(settled.streamer_id, settled.contract_version);
        let contract =
            contract.ok_or_else(|| cannot(&order.stamp, &"the contract it was settled by is gone"))?;
        let split = reverse(settled, &contract.terms, of_order.reversed, coins)
            .map_err(|error| cannot(&order.stamp, &error))?;
        let mut item = item_of_split(order, ItemKind::Reversed, now, split);
        item.streamer_id = settled.streamer_id;
        item.agency_id = settled.agency_id;
        item.contract_version = settled.contract_version;
        of_order.reversed = add(of_order.reversed, coins).map_err(|error| cannot(&order.stamp, &error))?;
        Ok(item)
    }
}

fn add(sum: Funds, more: Funds) -> Result<Funds, MoneyError> {
    let both = |a: Coins, b| a.checked_add(b);
    Ok(Funds {
        paid_coins: both(sum.paid_coins, more.paid_coins)?,
        promo_coins: both(sum.promo_coins, more.promo_coins)?,
    })
}

fn item_of_split(order: &Order, kind: ItemKind, now: DateTime<Utc>, split: Split) -> Item {
    Item {
        stamp: Stamp::derived(&order.stamp, now),
        order_id: order.order_id,
        kind,
        streamer_id: order.streamer_id,
        agency_id: None,
        contract_version: 0,
        paid_coins: order.paid_coins,
        promo_coins: order.promo_coins,
        gross_paid: split.gross_paid,
        gross_promo: split.gross_promo,
        streamer: split.streamer,
        agency: split.agency,
        platform: split.platform,
        tax: split.tax,
    }
}

fn cannot(stamp: &Stamp, reason: &dyn std::fmt::Display) -> ApplyError {
    ApplyError::Row { partition: stamp.partition, seq: stamp.seq, reason: reason.to_string() }
}

#[async_trait::async_trait]
impl Handler for SettleOrders {
    type Row = Order;

    fn name(&self) -> &'static str {
        READER
    }

    fn partitions(&self) -> Option<Vec<Partition>> {
        Some(self.appender.partitions().collect())
    }

    async fn apply_in_tx(
        &mut self,
        tx: &mut PgConnection,
        slices: &[Slice<Order>],
    ) -> Result<(), ApplyError> {
        let state = share_state_in_tx(tx, &self.db).await?;
        if !self.find_book(&state) && self.waited_for != Some(state.digest) {
            self.awaited = Some(state.digest);
            return Err(ApplyError::NotYet);
        }
        self.read_book_in_tx(tx, &state).await?;
        let first_open_day = state.sealed_day.succ_opt().unwrap_or(NaiveDate::MAX);
        let mut settled = self.settled_in_tx(tx, slices).await?;
        let clock = Utc::now();
        let (mut items, mut aside, mut netted) = (Vec::new(), Vec::new(), Earnings::new());
        for slice in slices {
            let head = self.appender.head(slice.partition);
            let Some(now) = head.map(|head| head.now(clock)) else {
                return Err(ApplyError::Deposed(vec![slice.partition]));
            };
            for order in &slice.rows {
                match self.item_of(order, now, &mut settled)? {
                    Made::Item(item) => {
                        add_item(&mut netted, &item, first_open_day)
                            .map_err(|error| cannot(&order.stamp, &error))?;
                        items.push(*item);
                    }
                    Made::Nothing => {}
                    Made::Aside => {
                        tracing::error!(order_id = %order.order_id, "a refund of an order that was never settled is \
                            put aside; reconciliation reports it");
                        aside.push(order.clone());
                    }
                }
            }
        }
        self.appender.append(tx, items).await?;
        put_aside_in_tx(tx, &self.db, &aside).await?;
        // Those that came late count in another statement than their own day's.
        let rows = self.appender.planned().iter().flat_map(|(_, rows)| rows);
        let late = rows.filter(|item| item.stamp.day < first_open_day);
        let late: Vec<_> = late.map(|item| (item.stamp.partition.number(), item.stamp.seq)).collect();
        insert_late_in_tx(tx, &self.db, &late, first_open_day).await?;
        earnings::add_in_tx(tx, &self.db, &netted).await?;
        Ok(())
    }

    async fn before_apply(&mut self) -> Result<(), sqlx::Error> {
        self.waited_for = self.awaited.take();
        if let Some(digest) = self.waited_for {
            self.contracts.wait_for(digest, self.contracts_wait).await;
        }
        self.settle_unknown().await
    }

    async fn committed(&mut self) {
        let mut counts: BTreeMap<ItemKind, u64> = BTreeMap::new();
        for (_, items) in self.appender.planned() {
            for item in items {
                *counts.entry(item.kind).or_default() += 1;
            }
        }
        for (kind, count) in counts {
            let kind = match kind {
                ItemKind::Settled => "settled",
                ItemKind::Reversed => "reversed",
            };
            metrics::counter!("largesse_settlement_items_total", "kind" => kind).increment(count);
        }
        self.appender.committed();
    }

    async fn rolled_back(
        &mut self,
        partitions: &[Partition],
        outcome: RolledBack,
    ) -> Result<Vec<Partition>, sqlx::Error> {
        match outcome {
            RolledBack::Certainly => {
                self.appender.discard();
                Ok(Vec::new())
            }
            RolledBack::Unknown => self.appender.recover(partitions).await,
        }
    }

    async fn closed(&mut self, partition: Partition, until: DateTime<Utc>) {
        self.appender.close(partition, until);
    }

    async fn turn(&mut self) -> Result<(), ApplyError> {
        self.settle_unknown().await?;
        self.follow().await?;
        if self.resettled_at.is_none_or(|at| at.elapsed() >= RESETTLE_EVERY) {
            self.resettled_at = Some(Instant::now());
            self.resettle_due().await?;
        }
        if self.marks_at.is_none_or(|at| at.elapsed() >= MARKS_EVERY) {
            self.marks_at = Some(Instant::now());
            self.appender.save_marks().await?;
        }
        Ok(())
    }
}
