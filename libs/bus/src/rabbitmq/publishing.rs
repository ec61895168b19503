//! Publishing: one confirming channel, opened again when it breaks.
//!
//! A message counts as published when every queue it went to has it on disk. Many may be in flight at once;
//! their order on the broker is the order in which `send` was called.

use super::link::Link;
use super::{OPERATION_WAIT_MAX, arguments_of, bounded, short};
use crate::{BusError, Confirm, DeadLetter};
use contracts::topology::{DEAD_LETTER_QUEUE, Exchange, QUEUE_HEADER, REASON_HEADER, routing_key};
use futures::FutureExt as _;
use ids::PartitionGroup;
use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, ExchangeKind, PublisherConfirm};
use std::collections::HashSet;
use std::sync::{Arc, PoisonError};
use tokio::sync::Mutex;

/// AMQP's number for a message that outlives a restart of the broker.
const PERSISTENT: u8 = 2;

/// The longest reason a header carries, in bytes.
const REASON_BYTES_MAX: usize = 1_024;

/// An open channel and the exchanges declared on it.
struct Open {
    channel: Channel,
    declared: std::sync::Mutex<HashSet<String>>,
}

impl Open {
    fn knows(&self, exchange: &str) -> bool {
        self.declared.lock().unwrap_or_else(PoisonError::into_inner).contains(exchange)
    }

    fn learn(&self, exchange: &str) {
        self.declared.lock().unwrap_or_else(PoisonError::into_inner).insert(exchange.to_owned());
    }
}

/// One message on its way.
struct Outgoing<'a> {
    exchange: ShortString,
    key: ShortString,
    properties: BasicProperties,
    payload: &'a [u8],
}

/// The publishing side of one broker.
pub(super) struct Publisher {
    link: Link,
    open: Mutex<Option<Arc<Open>>>,
}

impl Publisher {
    pub fn new(link: Link) -> Publisher {
        Publisher { link, open: Mutex::new(None) }
    }

    /// Reaches the broker.
    pub async fn check(&self) -> Result<(), BusError> {
        self.opened().await.map(drop)
    }

    pub async fn send(
        publisher: &Arc<Publisher>,
        topic: &Exchange,
        group: PartitionGroup,
        payload: &[u8],
    ) -> Result<Confirm, BusError> {
        let exchange = short(topic.as_str())?;
        let open = publisher.opened().await?;
        if !open.knows(topic.as_str()) {
            let declared = declare_exchange(&open.channel, exchange.clone()).await;
            publisher.or_discard(&open, declared).await?;
            open.learn(topic.as_str());
        }
        let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
        let key = short(&routing_key(group))?;
        Publisher::hand_over(publisher, open, Outgoing { exchange, key, properties, payload }).await
    }

    /// Keeps a refused message in its log's dead-letter queue.
    pub async fn refuse(publisher: &Arc<Publisher>, letter: DeadLetter) -> Result<Confirm, BusError> {
        let name = letter.topic.dead_letters();
        let exchange = short(&name)?;
        let open = publisher.opened().await?;
        if !open.knows(&name) {
            let declared = declare_dead_letters(&open.channel, exchange.clone()).await;
            publisher.or_discard(&open, declared).await?;
            open.learn(&name);
        }
        let mut reason = letter.reason;
        while reason.len() > REASON_BYTES_MAX {
            reason.pop();
        }
        let mut headers = FieldTable::default();
        headers.insert(REASON_HEADER.into(), AMQPValue::LongString(reason.into()));
        let queue = format!("{}.{}", letter.topic.as_str(), letter.reader);
        headers.insert(QUEUE_HEADER.into(), AMQPValue::LongString(queue.into()));
        let properties = BasicProperties::default().with_delivery_mode(PERSISTENT).with_headers(headers);
        let key = ShortString::default();
        let payload = &letter.payload;
        Publisher::hand_over(publisher, open, Outgoing { exchange, key, properties, payload }).await
    }

    async fn hand_over(
        publisher: &Arc<Publisher>,
        open: Arc<Open>,
        outgoing: Outgoing<'_>,
    ) -> Result<Confirm, BusError> {
        let Outgoing { exchange, key, properties, payload } = outgoing;
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let sending = open.channel.basic_publish(exchange, key, options, payload, properties);
        let sent = match tokio::time::timeout(OPERATION_WAIT_MAX, sending).await {
            Ok(sent) => sent.map_err(|error| BusError::NotConfirmed(error.to_string())),
            Err(_) => Err(BusError::NotConfirmed(format!("not taken in {OPERATION_WAIT_MAX:?}"))),
        };
        let confirming = publisher.or_discard(&open, sent).await?;
        let publisher = Arc::clone(publisher);
        Ok(async move {
            match confirmed(confirming).await {
                Ok(()) => Ok(()),
                Err(Failed::Message(error)) => Err(error),
                Err(Failed::Channel(error)) => publisher.or_discard(&open, Err(error)).await,
            }
        }
        .boxed())
    }

    async fn opened(&self) -> Result<Arc<Open>, BusError> {
        let Ok(mut open) = tokio::time::timeout(OPERATION_WAIT_MAX, self.open.lock()).await else {
            return Err(BusError::Unreachable("another attempt to open a channel still runs".to_owned()));
        };
        if let Some(open) = open.as_ref().filter(|open| open.channel.status().connected()) {
            return Ok(Arc::clone(open));
        }
        let channel = self.link.channel().await?;
        bounded("confirm mode", channel.confirm_select(ConfirmSelectOptions::default())).await?;
        let opened = Arc::new(Open { channel, declared: std::sync::Mutex::default() });
        *open = Some(Arc::clone(&opened));
        Ok(opened)
    }

    /// Forgets a channel that broke, unless another has already taken its place.
    async fn or_discard<T>(&self, used: &Arc<Open>, outcome: Result<T, BusError>) -> Result<T, BusError> {
        if outcome.is_err() {
            self.open.lock().await.take_if(|open| Arc::ptr_eq(open, used));
        }
        outcome
    }
}

/// What failed: the channel, which must be opened again, or this one message.
enum Failed {
    Channel(BusError),
    Message(BusError),
}

async fn confirmed(confirming: PublisherConfirm) -> Result<(), Failed> {
    match tokio::time::timeout(OPERATION_WAIT_MAX, confirming).await {
        Ok(Ok(Confirmation::Ack(None))) => Ok(()),
        Ok(Ok(Confirmation::Ack(Some(_)))) => Err(Failed::Message(BusError::NoQueue)),
        Ok(Ok(Confirmation::Nack(_) | Confirmation::NotRequested)) => {
            Err(Failed::Message(BusError::NotConfirmed("the broker refused it".to_owned())))
        }
        Ok(Err(error)) => Err(Failed::Channel(BusError::NotConfirmed(error.to_string()))),
        Err(_) => {
            let late = format!("no confirm in {OPERATION_WAIT_MAX:?}");
            Err(Failed::Channel(BusError::NotConfirmed(late)))
        }
    }
}

/// Declares a log's exchange; the same declaration again changes nothing.
pub(super) async fn declare_exchange(channel: &Channel, exchange: ShortString) -> Result<(), BusError> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let declaring = channel.exchange_declare(exchange, ExchangeKind::Direct, options, FieldTable::default());
    bounded("the log's exchange", declaring).await
}

/// Declares a log's dead letters: an exchange, and a queue of the same name behind it.
async fn declare_dead_letters(channel: &Channel, name: ShortString) -> Result<(), BusError> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let kind = ExchangeKind::Fanout;
    let declaring = channel.exchange_declare(name.clone(), kind, options, FieldTable::default());
    bounded("the exchange of dead letters", declaring).await?;
    bounded("the queue of dead letters", async {
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(name.clone(), options, arguments_of(&DEAD_LETTER_QUEUE)).await?;
        let (key, none) = (ShortString::default(), FieldTable::default());
        channel.queue_bind(name.clone(), name, key, QueueBindOptions::default(), none).await
    })
    .await
}
