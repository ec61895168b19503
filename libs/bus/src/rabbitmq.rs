//! The broker of production: RabbitMQ 3.10 or later.
//!
//! Declares what `contracts::topology` says: a durable direct exchange per log, per reader and group a durable quorum
//! queue with one active consumer and a bounded length that drops its oldest, and per log a queue of dead letters.
//! Connects again by itself, publishing and consuming apart, so that a blocked publisher stops no reader. Must not know
//! what a message says.

mod link;
mod publishing;
mod reading;

use crate::{Broker, BusError, Confirm, DeadLetter, Joined, Message, Place};
use bytes::Bytes;
use contracts::topology::{Argument, Exchange};
use ids::PartitionGroup;
use lapin::types::{AMQPValue, FieldTable};
use lapin::uri::AMQPUri;
use link::Link;
use publishing::Publisher;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long one operation may take before it counts as failed: connecting, declaring, a confirm.
pub const OPERATION_WAIT_MAX: Duration = Duration::from_secs(5);

/// How often both sides prove that they live; two missed beats end a connection.
const HEARTBEAT_S: u16 = 10;

/// RabbitMQ behind the [`Broker`] trait.
pub struct RabbitMq {
    publisher: Arc<Publisher>,
    reading: Arc<Link>,
}

impl RabbitMq {
    /// A broker that connects on its first use.
    ///
    /// # Errors
    /// [`BusError::BadUrl`]; the message never carries the URL, which may hold a password.
    pub fn try_new(url: &str) -> Result<RabbitMq, BusError> {
        let mut uri: AMQPUri = url.parse().map_err(BusError::BadUrl)?;
        uri.query.heartbeat = uri.query.heartbeat.or(Some(HEARTBEAT_S));
        let wait_max_ms = u64::try_from(OPERATION_WAIT_MAX.as_millis()).unwrap_or(u64::MAX);
        uri.query.connection_timeout =
            Some(uri.query.connection_timeout.unwrap_or(wait_max_ms).min(wait_max_ms));
        let reading = Arc::new(Link::new(uri.clone(), "largesse reading"));
        let publisher = Arc::new(Publisher::new(Link::new(uri, "largesse publishing")));
        Ok(RabbitMq { publisher, reading })
    }

    /// A broker that was reached.
    ///
    /// # Errors
    /// [`BusError::BadUrl`]; [`BusError::Unreachable`] within [`OPERATION_WAIT_MAX`].
    pub async fn connect(url: &str) -> Result<RabbitMq, BusError> {
        let broker = RabbitMq::try_new(url)?;
        broker.publisher.check().await?;
        Ok(broker)
    }
}

#[async_trait::async_trait]
impl Broker for RabbitMq {
    async fn send(
        &self,
        topic: &Exchange,
        group: PartitionGroup,
        payload: Bytes,
    ) -> Result<Confirm, BusError> {
        Publisher::send(&self.publisher, topic, group, &payload).await
    }

    async fn join(&self, place: &Place, sink: mpsc::Sender<Message>) -> Result<Joined, BusError> {
        reading::join(Arc::clone(&self.reading), place, sink).await
    }

    async fn refuse(&self, letter: DeadLetter) -> Result<(), BusError> {
        Publisher::refuse(&self.publisher, letter).await?.await
    }

    async fn check(&self) -> Result<(), BusError> {
        self.publisher.check().await
    }
}

/// Waits for one operation, at most [`OPERATION_WAIT_MAX`].
async fn bounded<T>(
    what: &str,
    operation: impl Future<Output = Result<T, lapin::Error>>,
) -> Result<T, BusError> {
    match tokio::time::timeout(OPERATION_WAIT_MAX, operation).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(BusError::Unreachable(format!("{what}: {error}"))),
        Err(_) => Err(BusError::Unreachable(format!("{what}: no answer in {OPERATION_WAIT_MAX:?}"))),
    }
}

/// A name as the protocol carries it.
fn short(name: &str) -> Result<lapin::types::ShortString, BusError> {
    lapin::types::ShortString::try_new(name).map_err(|_| BusError::BadName(name.len()))
}

/// What a queue is declared with, as the protocol carries it.
fn arguments_of(arguments: &[(&str, Argument)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, argument) in arguments {
        let value = match argument {
            Argument::Word(word) => AMQPValue::LongString((*word).into()),
            Argument::Number(number) => AMQPValue::LongLongInt(*number),
            Argument::Flag => AMQPValue::Boolean(true),
        };
        table.insert((*name).into(), value);
    }
    table
}
