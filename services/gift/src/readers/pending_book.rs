//! Undecided orders as the keeper holds them in memory: a copy of committed rows, reloaded when in doubt.

use crate::domain::ending::{Deadline, Late, NodeState, Step, decide};
use crate::store::pending::PendingDebit;
use chrono::{DateTime, Utc};
use contracts::show::Shown;
use ids::{OrderId, Partition};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::Instant;

struct Held {
    debit: PendingDebit,
    held_since: Instant,
}

/// The undecided orders of the partitions a keeper holds.
#[derive(Default)]
pub(super) struct PendingBook {
    orders: HashMap<OrderId, Held>,
}

/// What a look at the undecided orders needs to know.
pub(super) struct Circumstances<'a> {
    pub now: DateTime<Utc>,
    pub alive: &'a HashSet<String>,
    /// How long past its deadline a live node may stay silent.
    pub report_grace: Duration,
}

impl PendingBook {
    pub fn len(&self) -> usize {
        self.orders.len()
    }

    pub fn contains(&self, order_id: &OrderId) -> bool {
        self.orders.contains_key(order_id)
    }

    pub fn order_ids(&self) -> Vec<OrderId> {
        self.orders.keys().copied().collect()
    }

    pub fn add(&mut self, debits: impl IntoIterator<Item = PendingDebit>) {
        let held_since = Instant::now();
        self.orders.extend(debits.into_iter().map(|debit| (debit.order_id, Held { debit, held_since })));
    }

    pub fn remove(&mut self, order_ids: &[OrderId]) {
        for order_id in order_ids {
            self.orders.remove(order_id);
        }
    }

    pub fn mark_late(&mut self, order_ids: &[OrderId]) {
        for order_id in order_ids {
            if let Some(held) = self.orders.get_mut(order_id) {
                held.debit.late = true;
            }
        }
    }

    pub fn forget_partitions(&mut self, partitions: &[Partition]) {
        self.orders.retain(|_, held| !partitions.contains(&held.debit.partition));
    }

    /// When the oldest undecided debit of each partition was decided by the wallet.
    pub fn oldest(&self) -> HashMap<Partition, DateTime<Utc>> {
        let mut oldest = HashMap::new();
        for held in self.orders.values() {
            let at = oldest.entry(held.debit.partition).or_insert(held.debit.decided_at);
            *at = held.debit.decided_at.min(*at);
        }
        oldest
    }

    /// What a report alone decides; `None` where it is not enough, or the order is not here.
    pub fn end_by_report(&self, order_id: OrderId, report: Option<Shown>) -> Option<Step> {
        let held = self.orders.get(&order_id)?;
        match report? {
            Shown::Shown => Some(Step::Deliver),
            Shown::Failed if held.debit.late => None, // Our own showing failed: tried again by and by.
            Shown::Failed => Some(Step::Refund),
        }
    }

    /// The next step of every undecided order that has one, given reports found under the same order.
    pub fn steps(
        &self,
        reports: &HashMap<OrderId, Shown>,
        seen: &Circumstances<'_>,
        limit: usize,
    ) -> Vec<(OrderId, Step)> {
        let step = |(order_id, held): (&OrderId, &Held)| {
            let debit = &held.debit;
            let deadline = if seen.now < debit.deadline_at { Deadline::Ahead } else { Deadline::Passed };
            let late = if debit.late { Late::Decided } else { Late::No };
            let silent = deadline == Deadline::Passed
                && held.held_since.elapsed() >= seen.report_grace
                && seen.now - debit.deadline_at
                    >= chrono::Duration::from_std(seen.report_grace).unwrap_or_default();
            let node = match (seen.alive.contains(&*debit.node), silent) {
                (true, false) => NodeState::Alive,
                (true, true) => NodeState::Silent,
                (false, _) => NodeState::Dead,
            };
            let step = decide(reports.get(order_id).copied(), node, deadline, late);
            (step != Step::Wait).then_some((*order_id, step))
        };
        self.orders.iter().filter_map(step).take(limit).collect()
    }
}
