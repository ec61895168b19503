//! The broker of the embedded default: bounded queues in memory.

use crate::{Broker, BusError, Confirm, DeadLetter, Joined, Left, Message, Place, joined};
use bytes::Bytes;
use contracts::topology::Exchange;
use futures::FutureExt as _;
use ids::PartitionGroup;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot::error::TryRecvError;

/// Dead letters kept before the oldest go.
const DEAD_LETTERS_MAX: usize = 1_024;

/// A reader's instance in a queue.
struct Consumer {
    sink: mpsc::Sender<Message>,
    left: Left,
}

impl Consumer {
    fn is_here(&mut self) -> bool {
        !self.sink.is_closed() && self.left.try_recv() == Err(TryRecvError::Empty)
    }
}

/// The consumers of each reader's queue, the active one first.
type Readers = BTreeMap<String, VecDeque<Consumer>>;

/// Queues by topic, group and reader. A full queue drops the message: its reader pulls what it missed.
#[derive(Default)]
pub struct InProcess {
    queues: Mutex<HashMap<(Exchange, PartitionGroup), Readers>>,
    dead: Mutex<VecDeque<DeadLetter>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl InProcess {
    /// The messages that readers refused, oldest first.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        lock(&self.dead).iter().cloned().collect()
    }
}

#[async_trait::async_trait]
impl Broker for InProcess {
    async fn send(
        &self,
        topic: &Exchange,
        group: PartitionGroup,
        payload: Bytes,
    ) -> Result<Confirm, BusError> {
        let message = Message::from(payload);
        let mut queues = lock(&self.queues);
        for (reader, consumers) in queues.get_mut(&(topic.clone(), group)).into_iter().flatten() {
            consumers.retain_mut(Consumer::is_here);
            let Some(active) = consumers.front() else { continue };
            if let Err(TrySendError::Full(_)) = active.sink.try_send(message.clone()) {
                metrics::counter!("largesse_bus_dropped_total", "reader" => reader.clone()).increment(1);
            }
        }
        Ok(std::future::ready(Ok(())).boxed())
    }

    async fn join(&self, place: &Place, sink: mpsc::Sender<Message>) -> Result<Joined, BusError> {
        let (joined, left) = joined();
        let mut queues = lock(&self.queues);
        let readers = queues.entry((place.topic.clone(), place.group)).or_default();
        readers.entry(place.reader.clone()).or_default().push_back(Consumer { sink, left });
        Ok(joined)
    }

    async fn refuse(&self, letter: DeadLetter) -> Result<(), BusError> {
        let mut dead = lock(&self.dead);
        if dead.len() >= DEAD_LETTERS_MAX {
            dead.pop_front();
        }
        dead.push_back(letter);
        Ok(())
    }
}
