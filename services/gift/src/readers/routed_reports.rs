//! Where a show report goes: to the desk of this process if its keeper holds the order's partition, else to the node
//! whose keeper does.
//!
//! A report that reaches nobody waits, unacknowledged, and is sent again; that is bounded. Only where nobody keeps a
//! partition for long are further gifts of it refused, because their orders would end refunded.

use super::desk::ReportDesk;
use contracts::show::{ShowReport, ShowReports};
use ids::{OrderId, Partition};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// This process's desk, and the others'.
pub struct RoutedReports {
    desk: Arc<ReportDesk>,
    elsewhere: Option<Arc<dyn ShowReports>>,
    begun: Instant,
    /// How long a partition may be out of reach before its gifts are refused.
    patience: Duration,
    /// Since when each partition is out of reach, in milliseconds since `begun` plus one; 0 while it is not.
    lost_at: [AtomicU64; 64],
}

impl RoutedReports {
    pub fn new(
        desk: Arc<ReportDesk>,
        elsewhere: Option<Arc<dyn ShowReports>>,
        patience: Duration,
    ) -> RoutedReports {
        let lost_at = std::array::from_fn(|_| AtomicU64::new(0));
        RoutedReports { desk, elsewhere, begun: Instant::now(), patience, lost_at }
    }

    /// Whether reports of this partition have reached nobody for long.
    pub fn is_out_of_reach(&self, partition: Partition) -> bool {
        let lost_at = &self.lost_at[partition.index()];
        if self.reaches(partition) {
            if lost_at.load(Ordering::Relaxed) != 0 {
                lost_at.store(0, Ordering::Relaxed);
            }
            return false;
        }
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1;
        let since = match lost_at.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => now,
            Err(since) => since,
        };
        Duration::from_millis(now.saturating_sub(since)) > self.patience
    }
}

#[async_trait::async_trait]
impl ShowReports for RoutedReports {
    async fn report(&self, reports: Vec<ShowReport>) -> Vec<OrderId> {
        let (ours, others): (Vec<_>, Vec<_>) =
            reports.into_iter().partition(|report| self.desk.keeps(report.order_id.partition()));
        let mut durable = if ours.is_empty() { Vec::new() } else { self.desk.report(ours).await };
        if let (Some(elsewhere), false) = (&self.elsewhere, others.is_empty()) {
            durable.extend(elsewhere.report(others).await);
        }
        durable
    }

    fn reaches(&self, partition: Partition) -> bool {
        self.desk.keeps(partition)
            || self.elsewhere.as_ref().is_some_and(|elsewhere| elsewhere.reaches(partition))
    }
}
