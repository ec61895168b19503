//! What a running process keeps an eye on: the database it cannot do without, the broker and the cache it can.

use crate::deps::Dependencies;
use bus::Bus;
use cache::Cache;
use edge::Readiness;
use guard::deps::{CallError, Strong, Verdict};
use sqlx::PgPool;
use std::time::Duration;
use tokio::sync::watch;

/// How often the database is asked whether it is still there.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// Failures in a row after which the process gives up.
const WATCH_FAILURES_MAX: u32 = 10;

/// How often the broker and the cache are asked.
const WEAK_EVERY: Duration = Duration::from_secs(2);

/// Reports the broker and the cache at `/readyz`: weak, because gifts go on without them.
pub fn watch_weak(bus: Bus, cache: Cache, dependencies: &Dependencies, readiness: &Readiness) {
    let (broker_calls, cache_calls) = (dependencies.broker.clone(), dependencies.cache.clone());
    let (broker_in, broker) = watch::channel(None);
    let (cache_in, cache_away) = watch::channel(None);
    tokio::spawn(async move {
        while !broker_in.is_closed() {
            let asked = async { bus.check().await.map(|()| None) };
            broker_in.send_replace(broker_calls.call_or(asked, |error| Some(error.to_string())).await);
            let asked = async { cache.ping().await.map(|()| None) };
            cache_in.send_replace(cache_calls.call_or(asked, |error| Some(error.to_string())).await);
            tokio::time::sleep(WEAK_EVERY).await;
        }
    });
    readiness.weak("broker", move || away(&broker));
    readiness.weak("cache", move || away(&cache_away));
}

fn away(seen: &watch::Receiver<Option<String>>) -> Result<(), String> {
    seen.borrow().clone().map_or(Ok(()), Err)
}

/// What it means that no connection came free for as long as the pool waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoneFree {
    /// There are many, and all of them work.
    Busy,
    /// There is one, and it does not come back: after some of these the database is gone.
    Stuck,
}

/// Waits for a free connection, in a row, after which a database with one connection is gone.
const STUCK_MAX: u32 = 2;

/// Asks the database once a second whether it is there: whether it answered last time, and, after some failures
/// in a row, the reason why it is gone for good.
pub fn watch_database(
    pool: PgPool,
    none_free: NoneFree,
    database: Strong,
) -> (watch::Receiver<bool>, watch::Receiver<Option<String>>) {
    let (failed, watching) = watch::channel(None);
    let (answering, answers) = watch::channel(true);
    tokio::spawn(async move {
        let mut failures = 0;
        while failures < WATCH_FAILURES_MAX {
            tokio::time::sleep(WATCH_EVERY).await;
            let is_busy = |error: &sqlx::Error| {
                none_free == NoneFree::Busy && matches!(error, sqlx::Error::PoolTimedOut)
            };
            let judge = |answer: &Result<_, sqlx::Error>| match answer {
                Err(error) if !is_busy(error) => Verdict::Fails,
                Ok(_) | Err(_) => Verdict::Works,
            };
            let error = match database.call_judged(sqlx::query("SELECT 1").execute(&pool), judge).await {
                Ok(_) => None,
                Err(CallError::Failed(sqlx::Error::PoolClosed)) => return,
                Err(CallError::Failed(error)) if is_busy(&error) => None,
                Err(error) => Some(error),
            };
            if let Some(error) = error {
                let waited_in_vain = matches!(
                    error,
                    CallError::Failed(sqlx::Error::PoolTimedOut) | CallError::TimedOut { .. }
                );
                let stuck = none_free == NoneFree::Stuck && waited_in_vain;
                failures += if stuck { WATCH_FAILURES_MAX / STUCK_MAX } else { 1 };
                tracing::warn!(%error, failures, "the database does not answer");
                if failures >= WATCH_FAILURES_MAX {
                    failed.send_replace(Some(error.to_string()));
                }
            } else {
                failures = 0;
            }
            answering.send_replace(failures == 0);
            pg::report_pool(&pool);
        }
    });
    (answers, watching)
}
