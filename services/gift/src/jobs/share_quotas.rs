//! Counts quotas over all nodes: tells the cache what was taken here, and learns what all took. No gift waits for it, and
//! while the cache is away each node counts for itself.

use cache::{BUCKET_TAKES_MAX, BucketTake, Cache};
use guard::{News, Quotas};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

/// Until it is told to stop. Costs nothing while no quota is set.
pub async fn run(
    (quotas, cache, every): (Arc<Quotas>, Cache, Duration),
    mut shutdown: watch::Receiver<bool>,
) {
    let mut turns = tokio::time::interval(every);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !*shutdown.borrow() {
        tokio::select! {
            _ = shutdown.changed() => return,
            _ = turns.tick() => {}
        }
        for news in quotas.news().chunks(BUCKET_TAKES_MAX) {
            if let Err(error) = share(&quotas, &cache, news).await {
                metrics::counter!("largesse_quota_unshared_total").increment(1);
                tracing::debug!(%error, "quotas count on this node alone");
                break; // The rest is old by the time the cache is back.
            }
        }
    }
}

async fn share(quotas: &Quotas, cache: &Cache, news: &[News]) -> Result<(), cache::CacheError> {
    let key = |one: &News| format!("quota:{}:{:032x}", one.scope.as_str(), one.key);
    let takes = news.iter().map(|one| BucketTake { key: key(one), refill: one.refill }).collect();
    for (one, full_in) in news.iter().zip(cache.take_from_buckets(takes).await?) {
        quotas.learn(one.scope, one.key, full_in);
    }
    Ok(())
}
