//! Showing gifts in rooms, and proving it: effects go to the room's feed, reports to the orders keeper.
//!
//! One queue and one task per node: what arrives while one batch goes out is the next batch. A report is kept
//! until the keeper acknowledges it, and sent again until then. The feed is a weak dependency: after a few
//! tries the report is `Failed`, and the viewer gets the coins back.

use crate::app::stage::{RoomEvent, ShownWhen, Stage};
use crate::jobs::lease::Identity;
use crate::readers::desk::ReportDesk;
use bytes::Bytes;
use contracts::catalogue::GiftId;
use contracts::entry::Entry;
use contracts::show::{ShowReport, ShowReports, Shown};
use ids::{OrderId, RoomId, ViewerId};
use money::Coins;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};

/// Effects waiting to be shown before senders wait.
const QUEUE_LEN_MAX: usize = 16_384;
/// Effects shown at once.
const BATCH_LEN_MAX: usize = 512;
/// Reports in one call of the keeper.
const REPORTS_LEN_MAX: usize = 512;
/// Reports kept unacknowledged before this node takes no more gifts.
pub const UNACKNOWLEDGED_LEN_MAX: usize = 200_000;
/// How long reports may take to be acknowledged at shutdown.
const DRAIN_MAX: Duration = Duration::from_secs(3);
/// How often an effect is tried before it counts as failed, and the pause between.
const ATTEMPTS_MAX: u32 = 3;
const ATTEMPT_PAUSE: Duration = Duration::from_millis(50);

/// Who shows an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ByWhom {
    /// The node that took it; it reports to the keeper.
    Node,
    /// The keeper itself, late.
    Keeper,
    /// Nobody waits for a report: a free gift.
    Nobody,
}

/// One effect on its way to a room.
#[derive(Clone, Debug)]
pub struct Showing {
    pub order_id: OrderId,
    room_id: RoomId,
    node: Arc<str>,
    payload: Bytes,
    by: ByWhom,
}

impl Showing {
    /// The effect of an accepted debit. `None` for an entry that sent nothing.
    pub fn of_entry(entry: &Entry, by: ByWhom) -> Option<Showing> {
        let send = entry.send.as_ref()?;
        let order_id = OrderId::from_uuid(entry.request_id.uuid());
        let when = if by == ByWhom::Keeper { ShownWhen::Late } else { ShownWhen::InTime };
        let payload = RoomEvent::of_entry(entry, when)?.to_json();
        Some(Showing { order_id, room_id: send.room_id, node: send.node.as_str().into(), payload, by })
    }

    /// The effect of a free gift.
    pub fn free(
        order_id: OrderId,
        viewer_id: ViewerId,
        room_id: RoomId,
        gift_id: GiftId,
        quantity: u32,
    ) -> Showing {
        let payload = RoomEvent::gift(order_id, viewer_id, gift_id, quantity, Coins::ZERO).to_json();
        Showing { order_id, room_id, node: "".into(), payload, by: ByWhom::Nobody }
    }
}

/// The queue is full, or its task is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue of effects is full")]
pub struct QueueFull;

/// The way into the showing task. Clones share it.
#[derive(Clone)]
pub struct ShowQueue {
    queue: mpsc::Sender<Showing>,
    reports: Arc<Unacknowledged>,
}

impl ShowQueue {
    /// Hands an effect over; waits only while the queue is full.
    pub async fn hand_over(&self, showing: Showing) {
        // The task ends only at shutdown; the keeper then shows what was left, late.
        let _ = self.queue.send(showing).await;
    }

    /// Keeps a place for one effect, or says at once that there is none.
    ///
    /// # Errors
    /// [`QueueFull`].
    pub fn try_reserve(&self) -> Result<mpsc::Permit<'_, Showing>, QueueFull> {
        self.queue.try_reserve().map_err(|_| QueueFull)
    }

    /// Whether the reports of further gifts still fit.
    pub fn has_room(&self) -> bool {
        self.reports.len.load(Ordering::Relaxed) < UNACKNOWLEDGED_LEN_MAX
    }

    /// Whether this order's report is on its way.
    pub fn knows(&self, order_id: OrderId) -> bool {
        self.reports.lock().contains_key(&order_id)
    }

    /// Reports not acknowledged yet.
    pub fn unacknowledged_len(&self) -> usize {
        self.reports.len.load(Ordering::Relaxed)
    }
}

struct Sent {
    shown: Shown,
    last_sent: Option<Instant>,
}

#[derive(Default)]
struct Unacknowledged {
    reports: Mutex<HashMap<OrderId, Sent>>,
    len: AtomicUsize,
}

impl Unacknowledged {
    fn lock(&self) -> MutexGuard<'_, HashMap<OrderId, Sent>> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, reports: Vec<ShowReport>) {
        let mut held = self.lock();
        held.extend(reports.into_iter().map(|r| (r.order_id, Sent { shown: r.shown, last_sent: None })));
        self.len.store(held.len(), Ordering::Relaxed);
    }

    fn acknowledge(&self, order_ids: &[OrderId]) {
        let mut held = self.lock();
        for order_id in order_ids {
            held.remove(order_id);
        }
        let len = held.len();
        if held.capacity() > 1_024 && held.capacity() > 8 * len {
            held.shrink_to(2 * len); // A peak's memory is given back.
        }
        self.len.store(len, Ordering::Relaxed);
    }

    fn take_fresh(&self, order_ids: &[OrderId]) -> Vec<ShowReport> {
        let now = Instant::now();
        let mut held = self.lock();
        let mut take = |order_id: &OrderId| {
            let sent = held.get_mut(order_id)?;
            sent.last_sent = Some(now);
            Some(ShowReport { order_id: *order_id, shown: sent.shown })
        };
        order_ids.iter().filter_map(&mut take).collect()
    }

    fn take_stale(&self, resend_after: Duration) -> Vec<ShowReport> {
        let now = Instant::now();
        let mut held = self.lock();
        let is_stale = |sent: &Sent| sent.last_sent.is_none_or(|at| now.duration_since(at) >= resend_after);
        let stale = held.iter_mut().filter(|(_, sent)| is_stale(sent));
        stale
            .map(|(order_id, sent)| {
                sent.last_sent = Some(now);
                ShowReport { order_id: *order_id, shown: sent.shown }
            })
            .collect()
    }
}

/// What the two tasks need.
pub struct ShowParts {
    pub stage: Arc<Stage>,
    pub identity: Arc<Identity>,
    pub desk: Arc<ReportDesk>,
    pub reports: Arc<dyn ShowReports>,
    /// How long a report waits for its acknowledgement before it is sent again.
    pub resend_after: Duration,
}

/// Starts showing and reporting; both run until `shutdown` turns true and what was handed over is shown.
pub fn start(
    parts: ShowParts,
    shutdown: watch::Receiver<bool>,
) -> (ShowQueue, Vec<tokio::task::JoinHandle<()>>) {
    let (queue, effects) = mpsc::channel(QUEUE_LEN_MAX);
    let (fresh_in, fresh_out) = mpsc::channel(64);
    let unacknowledged: Arc<Unacknowledged> = Arc::default();
    let show_queue = ShowQueue { queue, reports: Arc::clone(&unacknowledged) };
    let reporter = Reporter {
        reports: Arc::clone(&parts.reports),
        unacknowledged: Arc::clone(&unacknowledged),
        resend_after: parts.resend_after,
    };
    let shower = Shower { parts, unacknowledged, fresh: fresh_in };
    let tasks = vec![tokio::spawn(shower.run(effects, shutdown)), tokio::spawn(reporter.run(fresh_out))];
    (show_queue, tasks)
}

struct Shower {
    parts: ShowParts,
    unacknowledged: Arc<Unacknowledged>,
    fresh: mpsc::Sender<Vec<OrderId>>,
}

impl Shower {
    async fn run(self, mut effects: mpsc::Receiver<Showing>, mut shutdown: watch::Receiver<bool>) {
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                biased;
                received = effects.recv_many(&mut batch, BATCH_LEN_MAX) => {
                    if received == 0 {
                        return;
                    }
                }
                _ = shutdown.changed() => return, // The queue is empty: `biased` looks there first.
            }
            self.show_all(std::mem::take(&mut batch)).await;
        }
    }

    async fn show_all(&self, batch: Vec<Showing>) {
        let (mut outcomes, mut left): (Vec<(Showing, Shown)>, Vec<Showing>) = (Vec::new(), Vec::new());
        for showing in batch {
            // An order of a lapsed lease is the keeper's: shown here as well, it might be refunded too.
            if showing.by != ByWhom::Node || self.parts.identity.may_show(&showing.node) {
                left.push(showing);
            } else {
                metrics::counter!("largesse_gift_left_to_keeper_total").increment(1);
            }
        }
        for attempt in 1..=ATTEMPTS_MAX {
            let events: Vec<(RoomId, Bytes)> = left.iter().map(|s| (s.room_id, s.payload.clone())).collect();
            let done = self.parts.stage.show(&events).await;
            let mut failed = Vec::new();
            for (showing, done) in std::mem::take(&mut left).into_iter().zip(done) {
                match done {
                    Ok(()) => outcomes.push((showing, Shown::Shown)),
                    Err(error) => {
                        tracing::debug!(%error, attempt, "an effect did not reach its room");
                        failed.push(showing);
                    }
                }
            }
            left = failed;
            if left.is_empty() {
                break;
            }
            if attempt < ATTEMPTS_MAX {
                tokio::time::sleep(ATTEMPT_PAUSE).await;
            }
        }
        outcomes.extend(left.into_iter().map(|showing| (showing, Shown::Failed)));
        self.report(outcomes).await;
    }

    async fn report(&self, outcomes: Vec<(Showing, Shown)>) {
        let mut reports = Vec::new();
        let shown_len = outcomes.iter().filter(|(_, shown)| *shown == Shown::Shown).count();
        for (shown, len) in [("yes", shown_len), ("no", outcomes.len() - shown_len)] {
            let count = u64::try_from(len).unwrap_or(u64::MAX);
            metrics::counter!("largesse_gift_effects_total", "shown" => shown).increment(count);
        }
        for (showing, shown) in outcomes {
            let report = ShowReport { order_id: showing.order_id, shown };
            match showing.by {
                ByWhom::Node => reports.push(report),
                ByWhom::Keeper => self.parts.desk.put(report),
                ByWhom::Nobody => {}
            }
        }
        if reports.is_empty() {
            return;
        }
        let fresh = reports.iter().map(|report| report.order_id).collect();
        self.unacknowledged.add(reports);
        // A full queue only means that these go out with the next resend.
        let _ = self.fresh.try_send(fresh);
    }
}

struct Reporter {
    reports: Arc<dyn ShowReports>,
    unacknowledged: Arc<Unacknowledged>,
    resend_after: Duration,
}

impl Reporter {
    /// Ends when the showing task has ended and its reports are acknowledged, or were long enough in vain.
    async fn run(self, mut fresh: mpsc::Receiver<Vec<OrderId>>) {
        let mut resends = tokio::time::interval(self.resend_after);
        resends.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                first = fresh.recv() => {
                    let Some(mut order_ids) = first else { break };
                    while let Ok(more) = fresh.try_recv() {
                        order_ids.extend(more);
                    }
                    self.send(self.unacknowledged.take_fresh(&order_ids)).await;
                }
                _ = resends.tick() => self.send(self.unacknowledged.take_stale(self.resend_after)).await,
            }
        }
        // At shutdown the keeper still runs: what it decides now need not be decided by a lease's end.
        let ended_at = Instant::now();
        while self.unacknowledged.len.load(Ordering::Relaxed) > 0 && ended_at.elapsed() < DRAIN_MAX {
            tokio::time::sleep(ATTEMPT_PAUSE).await;
            self.send(self.unacknowledged.take_stale(Duration::ZERO)).await;
        }
    }

    async fn send(&self, due: Vec<ShowReport>) {
        for reports in due.chunks(REPORTS_LEN_MAX) {
            let durable = self.reports.report(reports.to_vec()).await;
            if !durable.is_empty() {
                self.unacknowledged.acknowledge(&durable);
            }
        }
    }
}
