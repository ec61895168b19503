//! What settlement does by the clock.

use crate::app::make_statement::finalise_closed_days;
use contracts::log::AccountingZone;
use pg::Db;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

/// Finalises closed days until `shutdown` turns true.
pub(crate) async fn finalise_days(
    db: Db,
    zone: AccountingZone,
    every: Duration,
    statements_per_batch: u32,
    mut shutdown: watch::Receiver<bool>,
) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !*shutdown.borrow() {
        tokio::select! {
            biased;
            _ = shutdown.changed() => break,
            _ = ticks.tick() => {}
        }
        if let Err(error) = finalise_closed_days(&db, zone, statements_per_batch).await {
            tracing::warn!(%error, "closed days were not finalised; the next tick goes on");
        }
    }
}
