//! Publishing: one confirming channel, opened again when it breaks.
//!
//! A message counts as published when every queue it went to has it on disk. Many may be in flight at once;
//! their order on the broker is the order in which `publish` was called.

use super::link::Link;
use super::{OPERATION_WAIT_MAX, bounded, short};
use crate::BusError;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, ExchangeKind};
use std::collections::HashSet;
use std::sync::{Arc, PoisonError};
use tokio::sync::Mutex;

/// AMQP's number for a message that outlives a restart of the broker.
const PERSISTENT: u8 = 2;

/// An open channel and the exchanges declared on it.
struct Open {
    channel: Channel,
    declared: std::sync::Mutex<HashSet<String>>,
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

    pub async fn publish(&self, topic: &str, payload: &[u8]) -> Result<(), BusError> {
        let exchange = short(topic)?;
        let open = self.opened().await?;
        let sent = self.send(&open, topic, exchange, payload).await;
        if matches!(sent, Err(Failed::Channel(_))) {
            self.discard(&open).await;
        }
        sent.map_err(|failed| match failed {
            Failed::Channel(error) | Failed::Message(error) => error,
        })
    }

    async fn send(
        &self,
        open: &Open,
        topic: &str,
        exchange: ShortString,
        payload: &[u8],
    ) -> Result<(), Failed> {
        let is_declared = open.declared.lock().unwrap_or_else(PoisonError::into_inner).contains(topic);
        if !is_declared {
            declare_exchange(&open.channel, exchange.clone()).await.map_err(Failed::Channel)?;
            open.declared.lock().unwrap_or_else(PoisonError::into_inner).insert(topic.to_owned());
        }
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
        let confirming = async {
            let key = ShortString::default(); // A fanout exchange does not look at it.
            open.channel.basic_publish(exchange, key, options, payload, properties).await?.await
        };
        match tokio::time::timeout(OPERATION_WAIT_MAX, confirming).await {
            Ok(Ok(Confirmation::Ack(None))) => Ok(()),
            Ok(Ok(Confirmation::Ack(Some(_)))) => {
                Err(Failed::Message(BusError::NotConfirmed("no group has a queue on the topic".to_owned())))
            }
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
    async fn discard(&self, broken: &Arc<Open>) {
        self.open.lock().await.take_if(|open| Arc::ptr_eq(open, broken));
    }
}

/// What failed: the channel, which must be opened again, or this one message.
enum Failed {
    Channel(BusError),
    Message(BusError),
}

/// Declares a topic's exchange; the same declaration again changes nothing.
pub(super) async fn declare_exchange(channel: &Channel, exchange: ShortString) -> Result<(), BusError> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let declaring = channel.exchange_declare(exchange, ExchangeKind::Fanout, options, FieldTable::default());
    bounded("the topic's exchange", declaring).await
}
