//! The relay: after the commit, each partition group's rows of a batch travel as one message.
//!
//! Publishing never holds up the writer: a bounded queue and one task stand between. Several messages are in flight
//! at once, in their order; what counts as relayed is the prefix that the broker confirmed. What the queue cannot
//! take is dropped; its readers see the gap, or the next mark, and pull; the writer sends it again by and by.

use crate::follow::Publishing;
use crate::message::LogMessage;
use crate::prefix::Prefix;
use bus::{Bus, BusError, Confirm};
use bytes::Bytes;
use contracts::log::{BatchMessage, HeadMark, LogName, LogRow, MarksMessage, SCHEMA_VERSION, Seq, Stretch};
use futures::StreamExt as _;
use futures::stream::FuturesOrdered;
use ids::{PARTITION_COUNT, Partition, PartitionGroup};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

/// Batches that wait for the broker before new ones are dropped.
const QUEUE_BATCHES_MAX: usize = 1_024;

/// Messages that wait for their confirm at once.
const IN_FLIGHT_MAX: usize = 128;

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
        let sender = Sender { bus, progress: Arc::clone(&progress), in_flight: FuturesOrdered::new() };
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

/// The task between a writer and the bus.
struct Sender {
    bus: Bus,
    progress: Arc<Progress>,
    in_flight: FuturesOrdered<InFlight>,
}

impl Sender {
    async fn run<R: LogRow>(mut self, mut work: mpsc::Receiver<Work<R>>) {
        loop {
            tokio::select! {
                biased;
                Some((end, outcome)) = self.in_flight.next(), if !self.in_flight.is_empty() => {
                    self.ended(R::LOG, end, outcome);
                }
                next = work.recv(), if self.in_flight.len() < IN_FLIGHT_MAX => match next {
                    Some(next) => self.take(next).await,
                    None => break,
                },
            }
        }
        self.finish(R::LOG).await;
    }

    async fn take<R: LogRow>(&mut self, next: Work<R>) {
        match next {
            Work::Flush(done) => {
                self.finish(R::LOG).await;
                let _ = done.send(()); // Who asked may have gone.
            }
            Work::Marks(marks) => {
                for group in PartitionGroup::all() {
                    let of_group: Vec<HeadMark> =
                        marks.iter().filter(|mark| mark.partition.group() == group).copied().collect();
                    if !of_group.is_empty() {
                        let message = marks_message::<R>(&self.bus, of_group);
                        self.send(R::LOG, group, End::default(), &message).await;
                    }
                }
            }
            Work::Batch(mut rest) => {
                while let Some(group) = rest.first().map(|stretch| stretch.partition.group()) {
                    let of_group = |stretch: &Stretch<R>| stretch.partition.group() == group;
                    let (stretches, others) = rest.into_iter().partition(of_group);
                    self.send_batch(group, stretches).await;
                    rest = others;
                }
            }
        }
    }

    async fn send_batch<R: LogRow>(&mut self, group: PartitionGroup, stretches: Vec<Stretch<R>>) {
        let publishing = Publishing::begin(&stretches);
        let mut batch = BatchMessage::new(self.bus.lane(), self.bus.generation(), stretches);
        batch.traceparent = publishing.as_ref().map(Publishing::traceparent);
        let span = |stretch: &Stretch<R>| (stretch.partition, stretch.first_seq, stretch.last_seq);
        let spans = batch.stretches.iter().map(span).collect();
        let followed = publishing.map(|publishing| -> Box<dyn FnOnce() + Send> {
            let stretches = batch.stretches.clone();
            Box::new(move || publishing.confirmed(&stretches))
        });
        self.send(R::LOG, group, End { spans, followed }, &LogMessage::Batch(batch)).await;
    }

    async fn send<R: LogRow>(
        &mut self,
        log: LogName,
        group: PartitionGroup,
        end: End,
        message: &LogMessage<R>,
    ) {
        let Ok(payload) = serde_json::to_vec(message) else { return }; // Rows are plain structs.
        match self.bus.send(log.as_str(), group, Bytes::from(payload)).await {
            Ok(confirm) => self.in_flight.push_back(Box::pin(ending(end, confirm))),
            Err(error) => self.ended(log, end, Err(error)),
        }
    }

    async fn finish(&mut self, log: LogName) {
        while let Some((end, outcome)) = self.in_flight.next().await {
            self.ended(log, end, outcome);
        }
    }

    fn ended(&self, log: LogName, End { spans, followed }: End, outcome: Result<(), BusError>) {
        if let (Ok(()), Some(followed)) = (&outcome, followed) {
            followed();
        }
        self.progress.is_heard.store(outcome.is_ok(), Ordering::Relaxed);
        if let Err(error) = &outcome {
            metrics::counter!("largesse_relay_failed_total", "log" => log.as_str()).increment(1);
            tracing::debug!(%log, %error, "a message was not relayed; readers will pull it");
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
