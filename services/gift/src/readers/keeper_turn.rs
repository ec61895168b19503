//! What the keeper does between batches: it ends orders that waited, shows late, and saves its marks.

use super::keeper_plan::Batch;
use super::keeper_rows::{came_back, ended};
use super::on_entries::Keeper;
use super::pending_book::Circumstances;
use crate::app::show::{ByWhom, Showing};
use crate::domain::ending::Step;
use crate::store::nodes;
use crate::store::pending::{self, WaitKind};
use chrono::Utc;
use contracts::log::LogName;
use contracts::order::OrderKind;
use contracts::show::Shown;
use ids::{OrderId, Partition};
use seqlog::{ApplyError, RolledBack, fence_in_tx};
use std::collections::HashMap;

/// Orders one transaction ends.
const END_BATCH_MAX: usize = 500;
/// Orders one look decides; the rest is decided a look later.
const LOOK_BATCH_MAX: usize = 5_000;

impl Keeper {
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
                        batch.came_back(entry, row);
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
                let partitions: Vec<Partition> = self.held().collect();
                self.reload(&partitions, rolled_back).await?;
                Err(error)
            }
        }
    }

    /// Ends what reports alone decide.
    pub(super) async fn end_reported(&mut self) -> Result<(), ApplyError> {
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
    pub(super) async fn look(&mut self) -> Result<(), ApplyError> {
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
        let held: Vec<_> = self.held().filter_map(|partition| self.epoch_of(partition)).collect();
        let mut tx = self.parts.db.begin().await?;
        let lost = fence_in_tx(&mut tx, &self.parts.db, LogName::Orders, &held).await?;
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
            let Ok(place) = self.parts.show.try_reserve() else {
                break; // The queue is full: the next look hands over the rest.
            };
            place.send(showing);
            self.showing.insert(order_id);
        }
        Ok(())
    }

    /// Closes each partition up to its oldest undecided order.
    pub(super) fn close_decided(&mut self) {
        let oldest = self.book.oldest();
        for (partition, closed) in &self.source_closed {
            let until = oldest.get(partition).map_or(*closed, |oldest| (*oldest).min(*closed));
            self.parts.appender.close(*partition, until);
        }
    }

    pub(super) async fn save_marks(&mut self) -> Result<(), ApplyError> {
        self.close_decided();
        let lost = self.parts.appender.save_marks().await?;
        self.drop_partitions(&lost);
        metrics::gauge!("largesse_gift_pending_orders")
            .set(f64::from(u32::try_from(self.book.len()).unwrap_or(u32::MAX)));
        Ok(())
    }
}
