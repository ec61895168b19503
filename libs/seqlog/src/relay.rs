//! The relay: after the commit, each partition's rows of a batch travel as one message.
//!
//! Publishing never holds up the writer: a bounded queue and one task stand between. What the queue cannot
//! take is dropped; its readers see the gap, or the next mark, and pull.

use bus::Bus;
use bytes::Bytes;
use contracts::log::{
    BatchMessage, EpochStart, HeadMark, LogName, LogRow, MarksMessage, SCHEMA_VERSION, Seq,
};
use ids::{PARTITION_COUNT, Partition};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::sync::{mpsc, oneshot};

/// Batches that wait for the broker before new ones are dropped.
const QUEUE_BATCHES_MAX: usize = 1_024;

/// What travels on a log's topic. Part of the wire.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", bound(deserialize = "R: serde::de::DeserializeOwned"))]
pub enum LogMessage<R> {
    Batch(BatchMessage<R>),
    Marks(MarksMessage),
}

enum Work<R> {
    Rows { epoch_start: EpochStart, rows: Vec<R> },
    Marks(Vec<HeadMark>),
    Flush(oneshot::Sender<()>),
}

/// The way from one writer to the bus.
pub(crate) struct Relay<R> {
    queue: mpsc::Sender<Work<R>>,
    relayed: Arc<[AtomicI64]>,
}

impl<R: LogRow> Relay<R> {
    pub fn start(bus: Bus) -> Relay<R> {
        let (queue, work) = mpsc::channel(QUEUE_BATCHES_MAX);
        let relayed: Arc<[AtomicI64]> = (0..PARTITION_COUNT).map(|_| AtomicI64::new(0)).collect();
        tokio::spawn(run(bus, work, Arc::clone(&relayed)));
        Relay { queue, relayed }
    }

    /// Hands over the rows of one partition, numbered and committed.
    pub fn rows(&self, epoch_start: EpochStart, rows: Vec<R>) {
        if self.queue.try_send(Work::Rows { epoch_start, rows }).is_err() {
            metrics::counter!("largesse_relay_dropped_total", "log" => R::LOG.as_str()).increment(1);
        }
    }

    pub fn marks(&self, marks: Vec<HeadMark>) {
        // A mark lost to a full queue is followed by another within a second.
        let _ = self.queue.try_send(Work::Marks(marks));
    }

    /// The last seq of a partition that the broker confirmed.
    pub fn relayed_seq(&self, partition: Partition) -> Seq {
        self.relayed[partition.index()].load(Ordering::Relaxed)
    }

    /// Waits until everything handed over so far has been offered to the broker.
    pub async fn flush(&self) {
        let (done, waiting) = oneshot::channel();
        if self.queue.send(Work::Flush(done)).await.is_ok() {
            let _ = waiting.await; // The task is gone: nothing is left to wait for.
        }
    }
}

async fn run<R: LogRow>(bus: Bus, mut work: mpsc::Receiver<Work<R>>, relayed: Arc<[AtomicI64]>) {
    let log: LogName = R::LOG;
    while let Some(next) = work.recv().await {
        let (message, done) = match next {
            Work::Flush(done) => {
                let _ = done.send(());
                continue;
            }
            Work::Marks(marks) => (marks_message(&bus, log, marks), None),
            Work::Rows { epoch_start, rows } => {
                let Some(batch) = batch_message(&bus, log, epoch_start, rows) else { continue };
                let done = (batch.partition, batch.last_seq);
                (LogMessage::Batch(batch), Some(done))
            }
        };
        let Ok(payload) = serde_json::to_vec(&message) else { continue }; // Rows are plain structs.
        match bus.publish(log.as_str(), Bytes::from(payload)).await {
            Ok(()) => {
                if let Some((partition, last_seq)) = done {
                    relayed[partition.index()].fetch_max(last_seq, Ordering::Relaxed);
                }
            }
            Err(error) => {
                metrics::counter!("largesse_relay_failed_total", "log" => log.as_str()).increment(1);
                tracing::debug!(%log, %error, "a message was not relayed; readers will pull it");
            }
        }
    }
}

fn marks_message<R>(bus: &Bus, log: LogName, marks: Vec<HeadMark>) -> LogMessage<R> {
    LogMessage::Marks(MarksMessage {
        schema_version: SCHEMA_VERSION,
        log,
        lane: bus.lane().clone(),
        bus_generation: bus.generation(),
        marks,
    })
}

fn batch_message<R: LogRow>(
    bus: &Bus,
    log: LogName,
    epoch_start: EpochStart,
    rows: Vec<R>,
) -> Option<BatchMessage<R>> {
    let (first, last) = (rows.first()?.stamp(), rows.last()?.stamp());
    Some(BatchMessage {
        schema_version: SCHEMA_VERSION,
        log,
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
