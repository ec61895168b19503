//! The relay: after the commit, each partition's rows of a batch travel as one message.
//!
//! Publishing never holds up the writer: a bounded queue and one task stand between. Several messages are in flight
//! at once, in their order; what counts as relayed is the prefix that the broker confirmed. What the queue cannot
//! take is dropped; its readers see the gap, or the next mark, and pull; the writer sends it again by and by.

use crate::follow::Publishing;
use crate::message::LogMessage;
use crate::prefix::Prefix;
use bus::{Bus, BusError, Confirm};
use bytes::Bytes;
use contracts::log::{
    BatchMessage, EpochStart, HeadMark, LogName, LogRow, MarksMessage, SCHEMA_VERSION, Seq,
};
use futures::StreamExt as _;
use futures::stream::FuturesOrdered;
use ids::{PARTITION_COUNT, Partition, PartitionGroup};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// Batches that wait for the broker before new ones are dropped.
const QUEUE_BATCHES_MAX: usize = 1_024;

/// Messages that wait for their confirm at once.
const IN_FLIGHT_MAX: usize = 128;

enum Work<R> {
    Rows { epoch_start: EpochStart, rows: Vec<R> },
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

    /// Hands over the rows of one partition, numbered and committed.
    pub fn rows(&self, epoch_start: EpochStart, rows: Vec<R>) {
        let Some((partition, last)) = rows.last().map(|row| (row.stamp().partition, row.stamp().seq)) else {
            return;
        };
        if self.queue.try_send(Work::Rows { epoch_start, rows }).is_err() {
            metrics::counter!("largesse_relay_dropped_total", "log" => R::LOG.as_str()).increment(1);
            self.progress.of(partition).fail(last);
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

/// The rows of a message, for its end.
#[derive(Clone, Copy)]
struct Stretch {
    partition: Partition,
    first: Seq,
    last: Seq,
}

/// What is to be done when a message has ended.
#[derive(Default)]
struct End {
    stretch: Option<Stretch>,
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
            Work::Rows { epoch_start, rows } => {
                let Some(mut batch) = batch_message(&self.bus, epoch_start, rows) else { return };
                let publishing = Publishing::begin(&batch.rows);
                batch.traceparent = publishing.as_ref().map(Publishing::traceparent);
                let stretch =
                    Stretch { partition: batch.partition, first: batch.first_seq, last: batch.last_seq };
                let group = batch.partition.group();
                let followed = publishing.map(|publishing| -> Box<dyn FnOnce() + Send> {
                    let rows = batch.rows.clone();
                    Box::new(move || publishing.confirmed(&rows))
                });
                let end = End { stretch: Some(stretch), followed };
                self.send(R::LOG, group, end, &LogMessage::Batch(batch)).await;
            }
        }
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

    fn ended(&self, log: LogName, End { stretch, followed }: End, outcome: Result<(), BusError>) {
        if let (Ok(()), Some(followed)) = (&outcome, followed) {
            followed();
        }
        self.progress.is_heard.store(outcome.is_ok(), Ordering::Relaxed);
        match (outcome, stretch) {
            (Ok(()), Some(Stretch { partition, first, last })) => {
                self.progress.of(partition).confirm(first, last);
            }
            (Ok(()), None) => {}
            (Err(error), stretch) => {
                metrics::counter!("largesse_relay_failed_total", "log" => log.as_str()).increment(1);
                tracing::debug!(%log, %error, "a message was not relayed; readers will pull it");
                if let Some(Stretch { partition, last, .. }) = stretch {
                    self.progress.of(partition).fail(last);
                }
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

fn batch_message<R: LogRow>(bus: &Bus, epoch_start: EpochStart, rows: Vec<R>) -> Option<BatchMessage<R>> {
    let (first, last) = (rows.first()?.stamp(), rows.last()?.stamp());
    Some(BatchMessage {
        schema_version: SCHEMA_VERSION,
        log: R::LOG,
        partition: first.partition,
        first_seq: first.seq,
        last_seq: last.seq,
        epoch: last.epoch,
        epoch_start,
        lane: bus.lane().clone(),
        bus_generation: bus.generation(),
        traceparent: None,
        rows,
    })
}
