//! The desk: where gift nodes hand in what rooms saw, and where the orders keeper finds it.
//!
//! Bounded: when it is full the oldest report is dropped, and its node sends it again. A report is
//! acknowledged only when its order is durable. One lock per batch, never one per gift.

use crate::store::orders;
use contracts::show::{ShowReport, ShowReports, Shown};
use ids::{OrderId, Partition};
use pg::Db;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Reports held, and decided orders remembered, before the oldest go.
pub const DESK_LEN_MAX: usize = 200_000;

/// Repeated reports are looked up in the table this often, so many at once: repeats come in floods when the
/// keeper is behind, and then the database has better things to do.
const LOOK_UP_EVERY: Duration = Duration::from_secs(1);
const LOOK_UP_MAX: usize = 512;

/// Reports waiting for their orders.
pub struct ReportDesk {
    db: Db,
    state: Mutex<State>,
    len_max: usize,
    /// The partitions whose keeper reads this desk, one bit each.
    kept: AtomicU64,
}

#[derive(Default)]
struct State {
    reports: HashMap<OrderId, Shown>,
    arrived: VecDeque<OrderId>,
    /// Reports the keeper has not looked at since they came.
    fresh: Vec<OrderId>,
    decided: HashSet<OrderId>,
    decided_order: VecDeque<OrderId>,
    /// When repeated reports were last looked up in the table.
    looked_up_at: Option<Instant>,
}

impl ReportDesk {
    pub fn new(db: Db, len_max: usize) -> ReportDesk {
        ReportDesk { db, state: Mutex::default(), len_max: len_max.max(1), kept: AtomicU64::new(0) }
    }

    /// The keeper behind this desk now holds these partitions.
    pub fn set_kept(&self, partitions: impl IntoIterator<Item = Partition>) {
        let bits = partitions.into_iter().fold(0, |bits, partition| bits | (1 << partition.index()));
        self.kept.store(bits, Ordering::Relaxed);
    }

    /// Whether a report handed in here reaches the owner of this partition.
    pub fn keeps(&self, partition: Partition) -> bool {
        self.kept.load(Ordering::Relaxed) & (1 << partition.index()) != 0
    }

    /// What was reported of some orders, in their order.
    pub fn find_all(&self, order_ids: &[OrderId]) -> Vec<Option<Shown>> {
        let state = self.lock();
        order_ids.iter().map(|id| state.reports.get(id).copied()).collect()
    }

    /// Orders reported since the last call.
    pub fn take_fresh(&self) -> Vec<OrderId> {
        std::mem::take(&mut self.lock().fresh)
    }

    /// The keeper's own report of an order it showed, or failed to show, itself. Replaces what is there.
    pub fn put(&self, report: ShowReport) {
        let mut state = self.lock();
        state.reports.remove(&report.order_id);
        self.insert(&mut state, report);
    }

    /// These orders are durable: their reports have done their work.
    pub fn decided(&self, order_ids: impl IntoIterator<Item = OrderId>) {
        let mut state = self.lock();
        for order_id in order_ids {
            state.reports.remove(&order_id);
            if state.decided.insert(order_id) {
                state.decided_order.push_back(order_id);
            }
        }
        while state.decided_order.len() > self.len_max {
            if let Some(oldest) = state.decided_order.pop_front() {
                state.decided.remove(&oldest);
            }
        }
        // Reports leave the map out of turn; the queue is cleared of them when it has doubled.
        if state.arrived.len() > 1_024 && state.arrived.len() > 2 * state.reports.len() {
            let State { reports, arrived, .. } = &mut *state;
            arrived.retain(|id| reports.contains_key(id));
        }
    }

    fn insert(&self, state: &mut State, report: ShowReport) {
        if state.reports.insert(report.order_id, report.shown).is_none() {
            state.arrived.push_back(report.order_id);
        }
        state.fresh.push(report.order_id);
        while state.reports.len() > self.len_max || state.fresh.len() > 2 * self.len_max {
            if state.fresh.len() > 2 * self.len_max {
                state.fresh.drain(..self.len_max);
            }
            let Some(oldest) = state.arrived.pop_front() else { break };
            if state.reports.remove(&oldest).is_some() {
                metrics::counter!("largesse_gift_reports_dropped_total").increment(1);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes reports in; returns what is durable already, and what was reported before and is still here.
    fn take_in(&self, reports: Vec<ShowReport>) -> (Vec<OrderId>, Vec<OrderId>) {
        let mut state = self.lock();
        let (mut durable, mut repeated) = (Vec::new(), Vec::new());
        for report in reports {
            if state.decided.contains(&report.order_id) {
                durable.push(report.order_id);
            } else if state.reports.contains_key(&report.order_id) {
                repeated.push(report.order_id);
            } else {
                self.insert(&mut state, report);
            }
        }
        if state.looked_up_at.is_some_and(|at| at.elapsed() < LOOK_UP_EVERY) {
            repeated.clear();
        } else if !repeated.is_empty() {
            state.looked_up_at = Some(Instant::now());
            repeated.truncate(LOOK_UP_MAX);
        }
        (durable, repeated)
    }

    async fn list_durable(&self, order_ids: &[OrderId]) -> Result<Vec<OrderId>, sqlx::Error> {
        let mut connection = self.db.pool().acquire().await?;
        let ended = orders::list_ended(&mut connection, &self.db, order_ids).await?;
        Ok(ended.into_iter().map(|order| order.order_id).collect())
    }
}

#[async_trait::async_trait]
impl ShowReports for ReportDesk {
    async fn report(&self, reports: Vec<ShowReport>) -> Vec<OrderId> {
        let (mut durable, repeated) = self.take_in(reports);
        if repeated.is_empty() {
            return durable;
        }
        // A repeat may be of an order decided before a restart: only the table remembers that.
        match self.list_durable(&repeated).await {
            Ok(found) => {
                self.decided(found.iter().copied());
                durable.extend(found);
            }
            Err(error) => tracing::debug!(%error, "reports stay unacknowledged; their node sends them again"),
        }
        durable
    }

    fn reaches(&self, partition: Partition) -> bool {
        self.keeps(partition)
    }
}
