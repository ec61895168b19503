//! Queues: RabbitMQ, or the same trait in one process.
//!
//! A lost, doubled or late message changes nothing downstream (readers pull gaps), so a full queue drops.

mod in_process;
mod rabbitmq;

use bytes::Bytes;
use contracts::lane::Lane;
use std::sync::Arc;
use tokio::sync::mpsc;

pub use in_process::InProcess;
pub use rabbitmq::{OPERATION_WAIT_MAX, RabbitMq};

/// Messages one subscription holds before it drops.
pub const QUEUE_LEN_MAX: usize = 4_096;

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    #[error("the broker could not be reached: {0}")]
    Unreachable(String),
    #[error("the broker did not confirm the message: {0}")]
    NotConfirmed(String),
    #[error("the broker's URL is wrong: {0}")]
    BadUrl(String),
    #[error("a topic and its group have {0} bytes together; a broker takes at most 255")]
    BadName(usize),
}

/// What carries messages between services.
#[async_trait::async_trait]
pub trait Broker: Send + Sync {
    /// Hands a message over; returns when the broker has confirmed it. A topic that no group ever joined is
    /// nobody's loss: RabbitMQ says so as [`BusError::NotConfirmed`], the in-process broker says nothing.
    async fn publish(&self, topic: &str, payload: Bytes) -> Result<(), BusError>;
    /// Joins `group`'s queue on `topic`: each message reaches each group at least once while it is up.
    async fn subscribe(&self, topic: &str, group: &str) -> Result<Subscription, BusError>;
}

/// One group's queue. Dropping it leaves the group.
pub struct Subscription {
    messages: mpsc::Receiver<Bytes>,
}

impl Subscription {
    pub fn new(messages: mpsc::Receiver<Bytes>) -> Subscription {
        Subscription { messages }
    }

    /// The next message; `None` when the broker is gone for good.
    pub async fn recv(&mut self) -> Option<Bytes> {
        self.messages.recv().await
    }

    /// The next message if one is already here.
    pub fn try_recv(&mut self) -> Option<Bytes> {
        self.messages.try_recv().ok()
    }
}

/// The bus of one lane and one bus generation.
#[derive(Clone)]
pub struct Bus {
    broker: Arc<dyn Broker>,
    lane: Lane,
    generation: u32,
}

impl Bus {
    pub fn new(broker: Arc<dyn Broker>, lane: &Lane, generation: u32) -> Bus {
        Bus { broker, lane: lane.clone(), generation }
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

    /// Publishes to `name` in this lane and generation.
    ///
    /// # Errors
    /// [`BusError`]; the message may or may not have gone out.
    pub async fn publish(&self, name: &str, payload: Bytes) -> Result<(), BusError> {
        self.broker.publish(&self.topic(name), payload).await
    }

    /// Joins `group`'s queue on `name` in this lane and generation.
    ///
    /// # Errors
    /// [`BusError::Unreachable`].
    pub async fn subscribe(&self, name: &str, group: &str) -> Result<Subscription, BusError> {
        self.broker.subscribe(&self.topic(name), group).await
    }

    fn topic(&self, name: &str) -> String {
        format!("{}{name}.g{}", self.lane.prefix(), self.generation)
    }
}
