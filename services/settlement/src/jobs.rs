//! What settlement does by the clock.

use crate::app::log_moves::MoveLogger;
use crate::app::make_statement::finalise_closed_days;
use crate::app::release_statements::release_statements;
use crate::config::Config;
use chrono::Utc;
use contracts::log::AccountingZone;
use pg::Db;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

/// How often the marks of the log of payouts are saved.
const MARKS_EVERY: Duration = Duration::from_secs(1);

/// Finalises closed days, and releases what is out of its hold, until `shutdown` turns true.
pub(crate) async fn finalise_days(
    db: Db,
    zone: AccountingZone,
    config: Config,
    mut shutdown: watch::Receiver<bool>,
) {
    let mut ticks = tokio::time::interval(config.finalise_every());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let limits = (config.payouts.hold_days, config.payouts.releases_per_batch);
    while !*shutdown.borrow() {
        tokio::select! {
            biased;
            _ = shutdown.changed() => break,
            _ = ticks.tick() => {}
        }
        if let Err(error) = finalise_closed_days(&db, zone, config.statements_per_batch).await {
            tracing::warn!(%error, "closed days were not finalised; the next tick goes on");
        }
        match release_statements(&db, zone.day_of(Utc::now()), limits).await {
            Ok(0) => {}
            Ok(released) => tracing::info!(released, "statements are out of their hold"),
            Err(error) => {
                tracing::warn!(%error, "statements were not released; the next tick goes on");
            }
        }
    }
}

/// Carries moves of payees' money into their log until `shutdown` turns true, and what is left then.
pub(crate) async fn log_moves(mut logger: MoveLogger, every: Duration, mut shutdown: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut marks_at = Instant::now();
    loop {
        let is_last = *shutdown.borrow();
        if let Err(error) = logger.turn().await {
            tracing::warn!(%error, "moves of payees' money were not logged; the next tick goes on");
        }
        if marks_at <= Instant::now() {
            marks_at = Instant::now() + MARKS_EVERY;
            if let Err(error) = logger.save_marks().await {
                tracing::warn!(%error, "the marks of the log of payouts were not saved; the next tick goes on");
            }
        }
        if is_last {
            break;
        }
        tokio::select! {
            biased;
            _ = shutdown.changed() => {}
            _ = ticks.tick() => {}
        }
    }
    logger.release().await;
}
