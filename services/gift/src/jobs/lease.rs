//! This node's identity and lease: `<name>/<boot id>`, renewed once a second.
//!
//! A node whose lease lapsed may find its orders decided by the keeper, so it must not show them any more:
//! it takes a new boot id and leaves the old one's orders to the keeper.

use crate::store::nodes;
use arc_swap::ArcSwap;
use ids::Uuid;
use pg::Db;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

/// How often a lease is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(1);
/// How often dead boots are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(600);

#[derive(Debug)]
struct Held {
    node: Arc<str>,
    until: Instant,
}

/// Who this node is now.
#[derive(Debug)]
pub struct Identity {
    name: String,
    held: ArcSwap<Held>,
}

impl Identity {
    /// Takes a lease under a new boot id.
    ///
    /// # Errors
    /// Whatever the database says: without a lease nothing may be shown.
    pub async fn begin(db: &Db, name: &str, lease: Duration) -> Result<Identity, sqlx::Error> {
        let held = take(db, name, lease).await?;
        Ok(Identity { name: name.to_owned(), held: ArcSwap::from_pointee(held) })
    }

    /// The node's name and boot, as debits carry it.
    pub fn node(&self) -> Arc<str> {
        Arc::clone(&self.held.load().node)
    }

    /// Whether an order taken under `node` may be shown by this process now.
    pub fn may_show(&self, node: &str) -> bool {
        let held = self.held.load();
        *held.node == *node && Instant::now() < held.until
    }

    async fn renew(&self, db: &Db, lease: Duration) -> Result<(), sqlx::Error> {
        let held = self.held.load_full();
        let before = Instant::now();
        let next = if before < held.until {
            nodes::renew(db, &held.node, lease).await?;
            if Instant::now() >= held.until {
                // The renewal came too late: the lease may have been seen dead in between.
                take(db, &self.name, lease).await?
            } else {
                Held { node: Arc::clone(&held.node), until: before + lease }
            }
        } else {
            tracing::warn!(node = %held.node, "the lease of this node lapsed; it goes on under a new boot id");
            take(db, &self.name, lease).await?
        };
        self.held.store(Arc::new(next));
        Ok(())
    }
}

async fn take(db: &Db, name: &str, lease: Duration) -> Result<Held, sqlx::Error> {
    let node: Arc<str> = format!("{name}/{}", Uuid::now_v7()).into();
    let before = Instant::now();
    nodes::renew(db, &node, lease).await?;
    Ok(Held { node, until: before + lease })
}

/// Renews the lease until `shutdown` turns true, then ends it.
pub async fn run(identity: Arc<Identity>, db: Db, lease: Duration, mut shutdown: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(RENEW_EVERY.min(lease / 3).max(Duration::from_millis(10)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut forgot_at = Instant::now();
    while !*shutdown.borrow() {
        tokio::select! {
            biased;
            _ = shutdown.changed() => break,
            _ = ticks.tick() => {}
        }
        if let Err(error) = identity.renew(&db, lease).await {
            tracing::warn!(%error, "the lease of this node was not renewed");
        }
        if forgot_at.elapsed() >= FORGET_EVERY {
            forgot_at = Instant::now();
            let _ = nodes::forget_dead(&db).await; // Housekeeping: tried again later.
        }
    }
    if let Err(error) = nodes::end(&db, &identity.node()).await {
        tracing::warn!(%error, "the lease was not ended and will run out by itself");
    }
}
