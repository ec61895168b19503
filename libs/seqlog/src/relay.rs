//! The relay: after the commit, what a partition group's batches bring within a moment travels as one message.
//!
//! Publishing never holds up the writer: a bounded queue and one task stand between. Several messages are in flight
//! at once, in their order; what counts as relayed is the prefix that the broker confirmed. What the queue cannot
//! take is dropped; its readers see the gap, or the next mark, and pull; the writer sends it again by and by.

use crate::follow::Publishing;
use crate::message::LogMessage;
use crate::prefix::Prefix;
use bus::{Bus, BusError, Confirm};
use bytes::Bytes;
use contracts::log::{BatchMessage, HeadMark, LogRow, MarksMessage, SCHEMA_VERSION, Seq, Stretch};
use futures::StreamExt as _;
use futures::stream::FuturesOrdered;
use ids::{PARTITION_COUNT, Partition, PartitionGroup};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// Batches that wait for the broker before new ones are dropped.
const QUEUE_BATCHES_MAX: usize = 1_024;

/// Messages that wait for their confirm at once.
const IN_FLIGHT_MAX: usize = 128;

/// How long rows gather: a message costs broker and readers as much for one row as for fifty.
const GATHER: Duration = Duration::from_millis(20);

/// Rows of a group that go out without waiting for more.
const MESSAGE_ROWS: usize = 1_000;

enum Work<R> {
    Batch(Vec<Stretch<R>>),
    Marks(Vec<HeadMark>),
    Flush(oneshot::Sender<()>),
}

/// What is known about messages that went out, shared by the writer and its relay.
struct Progress {
    prefixes: Vec<Mutex<Prefix>>,
    /// Whether the last message was confirmed.
    is_heard: AtomicBool,
}

impl Progress {
    fn of(&self, partition: Partition) -> MutexGuard<'_, Prefix> {
        self.prefixes[partition.index()].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way from one writer to the bus.
pub(crate) struct Relay<R> {
    queue: mpsc::Sender<Work<R>>,
    progress: Arc<Progress>,
}

impl<R: LogRow> Relay<R> {
    pub fn start(bus: Bus) -> Relay<R> {
        let (queue, work) = mpsc::channel(QUEUE_BATCHES_MAX);
        let prefixes = (0..PARTITION_COUNT).map(|_| Mutex::default()).collect();
        let progress = Arc::new(Progress { prefixes, is_heard: AtomicBool::new(true) });
        let gathered = Gathered { groups: BTreeMap::new(), due: None };
        let sender =
            Sender { bus, progress: Arc::clone(&progress), gathered, in_flight: FuturesOrdered::new() };
        tokio::spawn(sender.run(work));
        Relay { queue, progress }
    }

    /// A partition was taken over that an earlier writer relayed so far.
    pub fn begin(&self, partition: Partition, relayed: Seq) {
        self.progress.of(partition).begin_at(relayed);
    }

    /// Hands over rows that were numbered and committed together, at most one stretch a partition.
    pub fn batch(&self, stretches: Vec<Stretch<R>>) {
        if stretches.is_empty() {
            return;
        }
        let refused = match self.queue.try_send(Work::Batch(stretches)) {
            Err(
                TrySendError::Full(Work::Batch(stretches)) | TrySendError::Closed(Work::Batch(stretches)),
            ) => stretches,
            Ok(()) | Err(_) => return,
        };
        metrics::counter!("largesse_relay_dropped_total", "log" => R::LOG.as_str()).increment(1);
        for stretch in refused {
            self.progress.of(stretch.partition).fail(stretch.last_seq);
        }
    }

    pub fn marks(&self, marks: Vec<HeadMark>) {
        // A mark lost to a full queue is followed by another within a second.
        let _ = self.queue.try_send(Work::Marks(marks));
    }

    /// Up to which seq of a partition the broker confirmed everything.
    pub fn relayed_seq(&self, partition: Partition) -> Seq {
        self.progress.of(partition).confirmed()
    }

    /// After which seq of a partition rows must be sent again; `None` also while nobody would hear them.
    pub fn find_hole(&self, partition: Partition) -> Option<Seq> {
        let is_heard = self.progress.is_heard.load(Ordering::Relaxed);
        self.progress.of(partition).find_hole().filter(|_| is_heard)
    }

    /// Waits until everything handed over so far has gone out or failed.
    pub async fn flush(&self) {
        let (done, waiting) = oneshot::channel();
        if self.queue.send(Work::Flush(done)).await.is_ok() {
            let _ = waiting.await; // The task is gone: nothing is left to wait for.
        }
    }
}

/// Where a stretch of a message is, for the message's end: partition, first seq, last seq.
type Span = (Partition, Seq, Seq);

/// What is to be done when a message has ended.
#[derive(Default)]
struct End {
    spans: Vec<Span>,
    /// Ends the trace of a batch in which something is followed.
    followed: Option<Box<dyn FnOnce() + Send>>,
}

type InFlight = futures::future::BoxFuture<'static, (End, Result<(), BusError>)>;

/// Rows that gather, by partition group.
struct Gathered<R> {
    groups: BTreeMap<PartitionGroup, Vec<Stretch<R>>>,
    /// When all of it goes out.
    due: Option<Instant>,
}

impl<R: LogRow> Gathered<R> {
    fn is_due(&self) -> impl Future<Output = ()> + use<R> {
        let due = self.due;
        async move {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Takes a stretch in, and returns what has to go out before or at once: a message has one stretch a partition.
    fn put(&mut self, stretch: Stretch<R>) -> Option<(PartitionGroup, Vec<Stretch<R>>)> {
        let group = stretch.partition.group();
        let gathered = self.groups.entry(group).or_default();
        let rest = match gathered.iter_mut().find(|known| known.partition == stretch.partition) {
            Some(known) => known.join(stretch).err(),
            None => {
                gathered.push(stretch);
                None
            }
        };
        let rows: usize = gathered.iter().map(|stretch| stretch.rows.len()).sum();
        let full = (rest.is_some() || rows >= MESSAGE_ROWS).then(|| std::mem::take(gathered));
        gathered.extend(rest);
        self.due.get_or_insert_with(|| Instant::now() + GATHER);
        full.map(|stretches| (group, stretches))
    }

    fn take_all(&mut self) -> Vec<(PartitionGroup, Vec<Stretch<R>>)> {
        self.due = None;
        let groups = std::mem::take(&mut self.groups);
        groups.into_iter().filter(|(_, stretches)| !stretches.is_empty()).collect()
    }
}

/// The task between a writer and the bus.
struct Sender<R> {
    bus: Bus,
    progress: Arc<Progress>,
    gathered: Gathered<R>,
    in_flight: FuturesOrdered<InFlight>,
}

impl<R: LogRow> Sender<R> {
    async fn run(mut self, mut work: mpsc::Receiver<Work<R>>) {
        loop {
            tokio::select! {
                biased;
                Some((end, outcome)) = self.in_flight.next(), if !self.in_flight.is_empty() => {
                    self.ended(end, outcome);
                }
                () = self.gathered.is_due() => self.send_gathered().await,
                next = work.recv(), if self.in_flight.len() < IN_FLIGHT_MAX => match next {
                    Some(next) => self.take(next).await,
                    None => break,
                },
            }
        }
        self.finish().await;
    }

    async fn take(&mut self, next: Work<R>) {
        match next {
            Work::Flush(done) => {
                self.finish().await;
                let _ = done.send(()); // Who asked may have gone.
            }
            Work::Marks(marks) => {
                self.send_gathered().await; // Who hears of a head without its rows would pull them.
                for group in PartitionGroup::all() {
                    let of_group: Vec<HeadMark> =
                        marks.iter().filter(|mark| mark.partition.group() == group).copied().collect();
                    if !of_group.is_empty() {
                        let message = marks_message::<R>(&self.bus, of_group);
                        self.send(group, End::default(), &message).await;
                    }
                }
            }
            Work::Batch(stretches) => {
                for stretch in stretches {
                    if let Some((group, full)) = self.gathered.put(stretch) {
                        self.send_batch(group, full).await;
                    }
                }
            }
        }
    }

    async fn send_gathered(&mut self) {
        for (group, stretches) in self.gathered.take_all() {
            self.send_batch(group, stretches).await;
        }
    }

    async fn send_batch(&mut self, group: PartitionGroup, stretches: Vec<Stretch<R>>) {
        let publishing = Publishing::begin(&stretches);
        let mut batch = BatchMessage::new(self.bus.lane(), self.bus.generation(), stretches);
        batch.traceparent = publishing.as_ref().map(Publishing::traceparent);
        let span = |stretch: &Stretch<R>| (stretch.partition, stretch.first_seq, stretch.last_seq);
        let spans = batch.stretches.iter().map(span).collect();
        let followed = publishing.map(|publishing| -> Box<dyn FnOnce() + Send> {
            let stretches = batch.stretches.clone();
            Box::new(move || publishing.confirmed(&stretches))
        });
        self.send(group, End { spans, followed }, &LogMessage::Batch(batch)).await;
    }

    async fn send(&mut self, group: PartitionGroup, end: End, message: &LogMessage<R>) {
        let Ok(payload) = serde_json::to_vec(message) else { return }; // Rows are plain structs.
        match self.bus.send(R::LOG.as_str(), group, Bytes::from(payload)).await {
            Ok(confirm) => self.in_flight.push_back(Box::pin(ending(end, confirm))),
            Err(error) => self.ended(end, Err(error)),
        }
    }

    async fn finish(&mut self) {
        self.send_gathered().await;
        while let Some((end, outcome)) = self.in_flight.next().await {
            self.ended(end, outcome);
        }
    }

    fn ended(&self, End { spans, followed }: End, outcome: Result<(), BusError>) {
        if let (Ok(()), Some(followed)) = (&outcome, followed) {
            followed();
        }
        self.progress.is_heard.store(outcome.is_ok(), Ordering::Relaxed);
        if let Err(error) = &outcome {
            metrics::counter!("largesse_relay_failed_total", "log" => R::LOG.as_str()).increment(1);
            tracing::debug!(log = %R::LOG, %error, "a message was not relayed; readers will pull it");
        }
        for (partition, first, last) in spans {
            match &outcome {
                Ok(()) => self.progress.of(partition).confirm(first, last),
                Err(_) => self.progress.of(partition).fail(last),
            }
        }
    }
}

async fn ending(end: End, confirm: Confirm) -> (End, Result<(), BusError>) {
    (end, confirm.await)
}

fn marks_message<R: LogRow>(bus: &Bus, marks: Vec<HeadMark>) -> LogMessage<R> {
    LogMessage::Marks(MarksMessage {
        schema_version: SCHEMA_VERSION,
        log: R::LOG,
        lane: bus.lane().clone(),
        bus_generation: bus.generation(),
        marks,
    })
}
