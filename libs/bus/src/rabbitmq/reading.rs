//! Reading: one group's quorum queue on one topic, moved into the bounded queue of a [`Subscription`].
//!
//! A message is acknowledged when it is handed over, not when it is applied: what is lost after that is a gap,
//! and readers pull gaps. A slow reader holds back its own queue only; there the broker drops the oldest.

use super::link::{Backoff, Link};
use super::publishing::declare_exchange;
use super::{OPERATION_WAIT_MAX, bounded, short};
use crate::{BusError, QUEUE_LEN_MAX, Subscription};
use bytes::Bytes;
use futures::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, Consumer};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Messages the broker may send ahead of acknowledgements.
const PREFETCH_MESSAGES: u16 = 256;

/// Messages one group's queue keeps on the broker before it drops the oldest.
const BROKER_QUEUE_LEN_MAX: i64 = 4_096;

/// Bytes one group's queue keeps on the broker before it drops the oldest.
const BROKER_QUEUE_BYTES_MAX: i64 = 256 << 20;

/// A queue nobody has used for so long is deleted by the broker: an old generation's, an ended shadow run's.
const QUEUE_UNUSED_MS_MAX: i64 = 7 * 24 * 3_600_000;

/// Where one group reads.
struct Place {
    link: Arc<Link>,
    exchange: ShortString,
    queue: ShortString,
}

/// Joins `group`'s queue on `topic`; what is published after this returns reaches the queue.
pub(super) async fn join(link: Arc<Link>, topic: &str, group: &str) -> Result<Subscription, BusError> {
    let place = Place { link, exchange: short(topic)?, queue: short(&format!("{topic}.{group}"))? };
    let opened = place.open().await?;
    let (sender, receiver) = mpsc::channel(QUEUE_LEN_MAX);
    tokio::spawn(place.run(opened, sender));
    Ok(Subscription::new(receiver))
}

/// Why moving messages stopped.
enum Stopped {
    SubscriptionDropped,
    BrokerLost(String),
}

impl Place {
    async fn open(&self) -> Result<(Channel, Consumer), BusError> {
        let channel = self.link.channel().await?;
        declare_exchange(&channel, self.exchange.clone()).await?;
        bounded("the group's queue", async {
            let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
            channel.queue_declare(self.queue.clone(), options, queue_arguments()).await?;
            let (queue, exchange) = (self.queue.clone(), self.exchange.clone());
            let (key, none) = (ShortString::default(), FieldTable::default());
            channel.queue_bind(queue, exchange, key, QueueBindOptions::default(), none).await
        })
        .await?;
        let consumer = bounded("the group's consumer", async {
            channel.basic_qos(PREFETCH_MESSAGES, BasicQosOptions::default()).await?;
            let (tag, none) = (ShortString::default(), FieldTable::default());
            channel.basic_consume(self.queue.clone(), tag, BasicConsumeOptions::default(), none).await
        })
        .await?;
        Ok((channel, consumer))
    }

    /// Moves messages until the subscription is dropped, joining again whenever the broker was lost.
    async fn run(self, opened: (Channel, Consumer), sender: mpsc::Sender<Bytes>) {
        let (mut channel, mut consumer) = opened;
        loop {
            match forward(&mut consumer, &sender).await {
                Stopped::SubscriptionDropped => break leave(&channel).await,
                Stopped::BrokerLost(error) => {
                    tracing::warn!(queue = %self.queue, error, "a reader lost the broker; it will join again");
                }
            }
            match self.open_again(&sender).await {
                Some(opened) => (channel, consumer) = opened,
                None => break,
            }
        }
    }

    /// Joins again with a doubling wait; `None` when the subscription was dropped meanwhile.
    async fn open_again(&self, sender: &mpsc::Sender<Bytes>) -> Option<(Channel, Consumer)> {
        let mut backoff = Backoff::new();
        loop {
            tokio::select! {
                () = sender.closed() => return None,
                () = tokio::time::sleep(backoff.next_wait()) => {}
            }
            match self.open().await {
                Ok(opened) => {
                    tracing::info!(queue = %self.queue, "a reader joined its queue again");
                    return Some(opened);
                }
                Err(error) => {
                    tracing::debug!(queue = %self.queue, %error, "a reader could not join its queue")
                }
            }
        }
    }
}

async fn forward(consumer: &mut Consumer, sender: &mpsc::Sender<Bytes>) -> Stopped {
    loop {
        let delivery = tokio::select! {
            () = sender.closed() => return Stopped::SubscriptionDropped,
            delivery = consumer.next() => delivery,
        };
        let Delivery { data, acker, .. } = match delivery {
            Some(Ok(delivery)) => delivery,
            Some(Err(error)) => return Stopped::BrokerLost(error.to_string()),
            None => return Stopped::BrokerLost("the consumer was cancelled".to_owned()),
        };
        if sender.send(Bytes::from(data)).await.is_err() {
            return Stopped::SubscriptionDropped;
        }
        match tokio::time::timeout(OPERATION_WAIT_MAX, acker.ack(BasicAckOptions::default())).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Stopped::BrokerLost(error.to_string()),
            Err(_) => return Stopped::BrokerLost(format!("no way to acknowledge in {OPERATION_WAIT_MAX:?}")),
        }
    }
}

/// Closes the channel, which lets the group's next consumer begin. A broker that is gone has let go already.
async fn leave(channel: &Channel) {
    if let Err(error) = bounded("leaving", channel.close(200, "the reader left".into())).await {
        tracing::debug!(%error, "a reader left without a goodbye");
    }
}

fn queue_arguments() -> FieldTable {
    let mut arguments = FieldTable::default();
    let words = [("x-queue-type", "quorum"), ("x-overflow", "drop-head")];
    for (name, word) in words {
        arguments.insert(name.into(), AMQPValue::LongString(word.into()));
    }
    let limits = [
        ("x-max-length", BROKER_QUEUE_LEN_MAX),
        ("x-max-length-bytes", BROKER_QUEUE_BYTES_MAX),
        ("x-expires", QUEUE_UNUSED_MS_MAX),
    ];
    for (name, limit) in limits {
        arguments.insert(name.into(), AMQPValue::LongLongInt(limit));
    }
    arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
    arguments
}
