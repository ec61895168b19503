//! Sends whose request ended before it was told how they ended: the client went away, or the wallet did.
//!
//! Each is asked for at the wallet until it is known. An accepted one is shown, so that its order gets its
//! report; a refused one is forgotten. Bounded: what does not fit is left to the keeper's deadline.

use crate::app::show::{ByWhom, ShowQueue, Showing};
use crate::jobs::lease::Identity;
use crate::store::orders;
use contracts::wallet::Wallet;
use ids::{OrderId, ViewerId};
use pg::Db;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Orphans held at once.
const ORPHANS_LEN_MAX: usize = 100_000;
/// Orphans looked at in one round.
const ROUND_MAX: usize = 500;
/// The first look: by then a request that is only slow has ended by itself.
const FIRST_LOOK_AFTER: Duration = Duration::from_secs(1);
const LOOK_EVERY_MAX: Duration = Duration::from_secs(30);
const TICK: Duration = Duration::from_millis(250);

/// A send that may have been accepted.
#[derive(Clone, Debug)]
pub struct Orphan {
    pub order_id: OrderId,
    pub viewer_id: ViewerId,
    /// The name and boot the debit carried: only that node shows it.
    pub node: Arc<str>,
}

struct Waiting {
    orphan: Orphan,
    since: Instant,
    next_look: Instant,
    pause: Duration,
}

/// The orphans of this node.
#[derive(Default)]
pub struct Orphans {
    waiting: Mutex<HashMap<OrderId, Waiting>>,
}

/// A send in flight. Dropped before [`Unfinished::finish`], it becomes an orphan.
pub struct Unfinished<'a> {
    orphans: &'a Orphans,
    orphan: Option<Orphan>,
}

impl Unfinished<'_> {
    /// The send's outcome is known and has been acted on.
    pub fn finish(mut self) {
        self.orphan = None;
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(orphan) = self.orphan.take() {
            self.orphans.adopt(orphan);
        }
    }
}

impl Orphans {
    /// Watches over a send until it is finished.
    pub fn watch(&self, orphan: Orphan) -> Unfinished<'_> {
        Unfinished { orphans: self, orphan: Some(orphan) }
    }

    fn adopt(&self, orphan: Orphan) {
        let now = Instant::now();
        let mut waiting = self.lock();
        if waiting.len() >= ORPHANS_LEN_MAX {
            metrics::counter!("largesse_gift_orphans_dropped_total").increment(1);
            return;
        }
        let first =
            Waiting { orphan, since: now, next_look: now + FIRST_LOOK_AFTER, pause: FIRST_LOOK_AFTER };
        waiting.entry(first.orphan.order_id).or_insert(first);
    }

    fn take_due(&self) -> Vec<Orphan> {
        let now = Instant::now();
        let mut due = Vec::new();
        for waiting in self.lock().values_mut().filter(|waiting| waiting.next_look <= now).take(ROUND_MAX) {
            waiting.pause = (waiting.pause * 2).min(LOOK_EVERY_MAX);
            waiting.next_look = now + waiting.pause;
            due.push(waiting.orphan.clone());
        }
        due
    }

    fn forget(&self, order_id: OrderId) {
        self.lock().remove(&order_id);
    }

    fn forget_older_than(&self, age_max: Duration) {
        self.lock().retain(|_, waiting| waiting.since.elapsed() < age_max);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<OrderId, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the task needs.
pub struct AdoptOrphans {
    pub db: Db,
    pub wallet: Arc<dyn Wallet>,
    pub orphans: Arc<Orphans>,
    pub identity: Arc<Identity>,
    pub show: ShowQueue,
    /// After this long the keeper has decided by itself.
    pub age_max: Duration,
}

impl AdoptOrphans {
    /// Runs until `shutdown` turns true.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) {
        let mut ticks = tokio::time::interval(TICK);
        while !*shutdown.borrow() {
            tokio::select! {
                biased;
                _ = shutdown.changed() => break,
                _ = ticks.tick() => {}
            }
            for orphan in self.orphans.take_due() {
                self.look_after(orphan).await;
            }
            self.orphans.forget_older_than(self.age_max);
        }
    }

    async fn look_after(&self, orphan: Orphan) {
        let order_id = orphan.order_id;
        let found = self.wallet.find_entry(orphan.viewer_id, order_id.debit_request()).await;
        let Ok(Some(entry)) = found else { return }; // Not decided, or the wallet is away: asked again.
        let ours = entry.send.as_ref().is_some_and(|send| *send.node == *orphan.node);
        if !entry.is_accepted() || !ours || !self.identity.may_show(&orphan.node) || self.show.knows(order_id)
        {
            self.orphans.forget(order_id);
            return;
        }
        // Another request with the same key may have shown it, and its order may be decided already.
        match orders::list_of_order(&self.db, order_id).await {
            Err(_) => return,
            Ok(rows) if !rows.is_empty() => {}
            Ok(_) => {
                if let Some(showing) = Showing::of_entry(&entry, ByWhom::Node) {
                    self.show.hand_over(showing).await;
                }
            }
        }
        self.orphans.forget(order_id);
    }
}
