//! Queues: RabbitMQ, or the same trait in one process.
//!
//! A topic is one log; it carries eight partition groups, and each reader has one queue per group. A lost, doubled or
//! late message changes nothing downstream (readers pull gaps), so a full queue drops.

mod in_process;
mod message;
mod rabbitmq;
mod subscription;

use bytes::Bytes;
use contracts::calls::{CallWatch, Went};
use contracts::lane::Lane;
use contracts::topology::Exchange;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use ids::PartitionGroup;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

pub use in_process::InProcess;
pub use message::Message;
pub use rabbitmq::{OPERATION_WAIT_MAX, RabbitMq};
pub use subscription::Subscription;

/// Messages one subscription holds before it drops.
pub const QUEUE_LEN_MAX: usize = 4_096;

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    #[error("the broker could not be reached: {0}")]
    Unreachable(String),
    #[error("the broker did not confirm the message: {0}")]
    NotConfirmed(String),
    #[error("no reader has a queue for the message")]
    NoQueue,
    #[error("the broker's URL is wrong: {0}")]
    BadUrl(String),
    #[error("a name on the broker has {0} bytes; it takes at most 255")]
    BadName(usize),
}

/// What a message's end says of the broker.
fn went(failed: Option<&BusError>) -> Went {
    match failed {
        Some(BusError::Unreachable(_) | BusError::NotConfirmed(_)) => Went::Badly,
        // It answered, or was not asked.
        None | Some(BusError::NoQueue | BusError::BadUrl(_) | BusError::BadName(_)) => Went::Well,
    }
}

/// One queue: the messages of one group of one topic for one reader.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub topic: Exchange,
    pub reader: String,
    pub group: PartitionGroup,
}

impl Place {
    /// The queue's name on the broker.
    pub fn queue(&self) -> String {
        self.topic.queue(&self.reader, self.group)
    }
}

/// A message that a reader refuses, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    pub topic: Exchange,
    pub reader: String,
    pub reason: String,
    pub payload: Bytes,
}

/// Resolves when the broker has the message on disk in every queue it went to, or says why not.
pub type Confirm = BoxFuture<'static, Result<(), BusError>>;

/// A reader in its queue. Dropping it leaves the queue to the reader's next instance.
#[must_use]
pub struct Joined(#[expect(dead_code, reason = "its end is its drop")] oneshot::Sender<()>);

/// How the broker hears that a reader has left.
type Left = oneshot::Receiver<()>;

/// A way in, and its end.
fn joined() -> (Joined, Left) {
    let (guard, left) = oneshot::channel();
    (Joined(guard), left)
}

/// What carries messages between services.
#[async_trait::async_trait]
pub trait Broker: Send + Sync {
    /// Hands a message over; messages reach the broker in the order of these calls. Many may be unconfirmed at once.
    /// A group that no reader ever joined is nobody's loss: RabbitMQ's confirm says [`BusError::NoQueue`], the in-process
    /// broker's says nothing.
    async fn send(
        &self,
        topic: &Exchange,
        group: PartitionGroup,
        payload: Bytes,
    ) -> Result<Confirm, BusError>;

    /// Joins a queue: its messages go into `sink`, to one reader at a time. What is sent after this returns reaches
    /// the queue.
    async fn join(&self, place: &Place, sink: mpsc::Sender<Message>) -> Result<Joined, BusError>;

    /// Keeps a refused message, with its reason, for a person.
    async fn refuse(&self, letter: DeadLetter) -> Result<(), BusError>;

    /// Whether the broker can be reached now. One inside the process always can.
    async fn check(&self) -> Result<(), BusError> {
        Ok(())
    }
}

/// The bus of one lane and one bus generation.
#[derive(Clone)]
pub struct Bus {
    broker: Arc<dyn Broker>,
    lane: Lane,
    generation: u32,
    watch: Option<Arc<dyn CallWatch>>,
}

impl Bus {
    pub fn new(broker: Arc<dyn Broker>, lane: &Lane, generation: u32) -> Bus {
        Bus { broker, lane: lane.clone(), generation, watch: None }
    }

    /// The same bus; `watch` hears how each message that is handed over fares, from the call to its confirm.
    #[must_use]
    pub fn watched_by(self, watch: Arc<dyn CallWatch>) -> Bus {
        Bus { watch: Some(watch), ..self }
    }

    /// A bus inside this process, for the embedded default and tests.
    pub fn in_process(lane: &Lane) -> Bus {
        Bus::new(Arc::new(InProcess::default()), lane, 1)
    }

    /// A bus over RabbitMQ, reached before this returns.
    ///
    /// # Errors
    /// [`BusError::BadUrl`]; [`BusError::Unreachable`] within [`OPERATION_WAIT_MAX`]. To start without the broker,
    /// build the bus over [`RabbitMq::try_new`], which connects on first use.
    pub async fn connect(url: &str, lane: &Lane, generation: u32) -> Result<Bus, BusError> {
        Ok(Bus::new(Arc::new(RabbitMq::connect(url).await?), lane, generation))
    }

    pub fn lane(&self) -> &Lane {
        &self.lane
    }

    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Whether the broker can be reached now.
    ///
    /// # Errors
    /// [`BusError::Unreachable`].
    pub async fn check(&self) -> Result<(), BusError> {
        self.broker.check().await
    }

    /// Hands a message of `log` over, in this lane and generation; its confirm comes later.
    ///
    /// # Errors
    /// [`BusError`]; the message did not go out.
    pub async fn send(&self, log: &str, group: PartitionGroup, payload: Bytes) -> Result<Confirm, BusError> {
        let Some(watch) = self.watch.clone() else {
            return self.broker.send(&self.topic(log), group, payload).await;
        };
        let since = Instant::now();
        match self.broker.send(&self.topic(log), group, payload).await {
            Ok(confirm) => Ok(async move {
                let confirmed = confirm.await;
                watch.went(went(confirmed.as_ref().err()), since.elapsed());
                confirmed
            }
            .boxed()),
            Err(error) => {
                watch.went(went(Some(&error)), since.elapsed());
                Err(error)
            }
        }
    }

    /// Hands a message over and waits for its confirm.
    ///
    /// # Errors
    /// [`BusError`]; the message may or may not have gone out.
    pub async fn publish(&self, log: &str, group: PartitionGroup, payload: Bytes) -> Result<(), BusError> {
        self.send(log, group, payload).await?.await
    }

    /// A reader's subscription of `log`, in this lane and generation. It hears no group before it follows one; while
    /// the broker is away it hears nothing, and joins by itself when it is back.
    pub fn subscribe(&self, log: &str, reader: &str) -> Subscription {
        Subscription::start(Arc::clone(&self.broker), self.topic(log), reader)
    }

    fn topic(&self, log: &str) -> Exchange {
        Exchange::new(&self.lane, log, self.generation)
    }
}
