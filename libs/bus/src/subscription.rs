//! One reader of one log: the queues of the groups it owns, moved into one bounded queue in memory.
//!
//! A task of its own joins and leaves queues, so that a broker that is away never holds up the reader.

use crate::{Broker, DeadLetter, Joined, Message, Place, QUEUE_LEN_MAX};
use bytes::Bytes;
use contracts::topology::Exchange;
use ids::{GroupSet, PartitionGroup};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// The pause before a queue that could not be joined is tried again.
const JOIN_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Refused messages that wait to be kept before further ones are only logged.
const REFUSED_LEN_MAX: usize = 256;

/// One reader's place at a log. Dropping it leaves every queue.
pub struct Subscription {
    topic: Exchange,
    reader: String,
    messages: mpsc::Receiver<Message>,
    wanted: watch::Sender<GroupSet>,
    joined: watch::Receiver<GroupSet>,
    refused: mpsc::Sender<DeadLetter>,
    task: JoinHandle<()>,
}

impl Subscription {
    pub(crate) fn start(broker: Arc<dyn Broker>, topic: Exchange, reader: &str) -> Subscription {
        let (sink, messages) = mpsc::channel(QUEUE_LEN_MAX);
        let (wanted, wanting) = watch::channel(GroupSet::EMPTY);
        let (joined_in, joined) = watch::channel(GroupSet::EMPTY);
        let (refused, refusing) = mpsc::channel(REFUSED_LEN_MAX);
        let joiner = Joiner {
            broker,
            topic: topic.clone(),
            reader: reader.to_owned(),
            sink,
            queues: BTreeMap::new(),
            joined: joined_in,
        };
        let task = tokio::spawn(joiner.run(wanting, refusing));
        Subscription { topic, reader: reader.to_owned(), messages, wanted, joined, refused, task }
    }

    /// Hears these groups from now on, and no others. Returns at once; costs nothing where nothing changes.
    pub fn follow(&self, groups: GroupSet) {
        self.wanted.send_if_modified(|known| std::mem::replace(known, groups) != groups);
    }

    /// Waits until the queues of what it follows are joined: what is sent afterwards reaches them.
    pub async fn joined(&mut self) {
        let wanted = *self.wanted.borrow();
        let all = self.joined.wait_for(|joined| *joined == wanted);
        let _ = all.await; // The task ends with this subscription only.
    }

    /// The next message.
    pub async fn recv(&mut self) -> Option<Message> {
        self.messages.recv().await
    }

    /// The next message if one is already here.
    pub fn try_recv(&mut self) -> Option<Message> {
        self.messages.try_recv().ok()
    }

    /// Refuses a message that can never be read: it is kept in the log's dead-letter queue, with the reason.
    pub fn refuse(&self, payload: Bytes, reason: String) {
        tracing::error!(queue = %self.topic.as_str(), reader = self.reader, reason, "refused a message");
        metrics::counter!("largesse_bus_refused_total", "reader" => self.reader.clone()).increment(1);
        let letter = DeadLetter { topic: self.topic.clone(), reader: self.reader.clone(), reason, payload };
        if self.refused.try_send(letter).is_err() {
            tracing::error!(
                reader = self.reader,
                "too many messages are refused at once; this one is not kept"
            );
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Joiner {
    broker: Arc<dyn Broker>,
    topic: Exchange,
    reader: String,
    sink: mpsc::Sender<Message>,
    queues: BTreeMap<PartitionGroup, Joined>,
    joined: watch::Sender<GroupSet>,
}

impl Joiner {
    async fn run(mut self, mut wanted: watch::Receiver<GroupSet>, mut refused: mpsc::Receiver<DeadLetter>) {
        loop {
            let groups = *wanted.borrow_and_update();
            self.queues.retain(|group, _| groups.contains(*group));
            let all = self.join_missing(groups).await;
            self.joined.send_replace(self.queues.keys().copied().collect());
            tokio::select! {
                changed = wanted.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                Some(letter) = refused.recv() => self.keep(letter).await,
                () = tokio::time::sleep(JOIN_AGAIN_AFTER), if !all => {}
            }
        }
    }

    /// Joins what is missing; `false` when that failed.
    async fn join_missing(&mut self, groups: GroupSet) -> bool {
        for group in groups.iter() {
            if self.queues.contains_key(&group) {
                continue;
            }
            let place = Place { topic: self.topic.clone(), reader: self.reader.clone(), group };
            match self.broker.join(&place, self.sink.clone()).await {
                Ok(joined) => {
                    self.queues.insert(group, joined);
                }
                Err(error) => {
                    tracing::warn!(queue = place.queue(), %error, "no queue; reading by pulls only");
                    return false; // One failure is enough to know that the broker is away.
                }
            }
        }
        true
    }

    async fn keep(&self, letter: DeadLetter) {
        if let Err(error) = self.broker.refuse(letter).await {
            tracing::error!(reader = self.reader, %error, "a refused message could not be kept");
        }
    }
}
