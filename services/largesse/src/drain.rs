//! The first step of a stop: partitions are handed to other nodes while requests are still served.

use crate::parts::Running;
use ids::GroupSet;
use std::time::{Duration, Instant};

/// Hands every partition to other live nodes, all services at once: a caller whose partition has moved asks its new
/// owner. Where there is no other node, nothing is handed over, and this returns at once.
pub async fn drain(running: &Running, limit: Duration) {
    let began = Instant::now();
    tokio::join!(
        one("cashier", running.cashier.as_ref().map(|service| service.drain(limit))),
        one("wallet", running.wallet.as_ref().map(|service| service.drain(limit))),
        one("gift", running.gift.as_ref().map(|service| service.drain(limit))),
        one("settlement", running.settlement.as_ref().map(|service| service.drain(limit))),
        one("clearing", running.clearing.as_ref().map(|service| service.drain(limit))),
        one("recon", running.recon.as_ref().map(|service| service.drain(limit))),
    );
    tracing::info!(took = ?began.elapsed(), "handed over what other nodes took");
}

async fn one(service: &'static str, draining: Option<impl Future<Output = GroupSet>>) {
    let Some(draining) = draining else { return };
    let kept = draining.await;
    if !kept.is_empty() {
        tracing::debug!(service, groups = ?kept, "nobody took these; they are let go of at the end");
    }
}
