//! Reading: one reader's quorum queue of one partition group, moved into the bounded queue of a subscription.
//!
//! A message is acknowledged when it is handed over, not when it is applied: what is lost after that is a gap,
//! and readers pull gaps. A slow reader holds back its own queue only; there the broker drops the oldest.

use super::link::{Backoff, Link};
use super::publishing::declare_exchange;
use super::{OPERATION_WAIT_MAX, arguments_of, bounded, short};
use crate::{BusError, Joined, Left, Message, joined};
use contracts::topology::{PREFETCH_MESSAGES, READER_QUEUE, routing_key};
use futures::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Consumer};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::sync::oneshot::error::TryRecvError;

/// Where one reader reads one group.
struct Seat {
    link: Arc<Link>,
    exchange: ShortString,
    queue: ShortString,
    key: ShortString,
}

/// Joins a queue; what is published after this returns reaches it.
pub(super) async fn join(
    link: Arc<Link>,
    place: &crate::Place,
    sink: mpsc::Sender<Message>,
) -> Result<Joined, BusError> {
    let (exchange, queue) = (short(place.topic.as_str())?, short(&place.queue())?);
    let seat = Seat { link, exchange, queue, key: short(&routing_key(place.group))? };
    let opened = seat.open().await?;
    let (joined, left) = joined();
    tokio::spawn(seat.run(opened, sink, left));
    Ok(joined)
}

/// Why moving messages stopped.
enum Stopped {
    Left,
    BrokerLost(String),
}

impl Seat {
    async fn open(&self) -> Result<(Channel, Consumer), BusError> {
        let channel = self.link.channel().await?;
        declare_exchange(&channel, self.exchange.clone()).await?;
        bounded("the reader's queue", async {
            let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
            channel.queue_declare(self.queue.clone(), options, arguments_of(&READER_QUEUE)).await?;
            let (queue, exchange) = (self.queue.clone(), self.exchange.clone());
            let (key, none) = (self.key.clone(), FieldTable::default());
            channel.queue_bind(queue, exchange, key, QueueBindOptions::default(), none).await
        })
        .await?;
        let consumer = bounded("the reader's consumer", async {
            channel.basic_qos(PREFETCH_MESSAGES, BasicQosOptions::default()).await?;
            let (tag, none) = (ShortString::default(), FieldTable::default());
            channel.basic_consume(self.queue.clone(), tag, BasicConsumeOptions::default(), none).await
        })
        .await?;
        Ok((channel, consumer))
    }

    /// Moves messages until the reader leaves, joining again whenever the broker was lost.
    async fn run(self, opened: (Channel, Consumer), sink: mpsc::Sender<Message>, mut left: Left) {
        let (mut channel, mut consumer) = opened;
        loop {
            match forward(&mut consumer, &sink, &mut left).await {
                Stopped::Left => break leave(&channel).await,
                Stopped::BrokerLost(error) => {
                    tracing::warn!(queue = %self.queue, error, "a reader lost the broker; it will join again");
                }
            }
            match self.open_again(&mut left).await {
                Some(opened) => (channel, consumer) = opened,
                None => break,
            }
        }
    }

    /// Joins again with a doubling wait; `None` when the reader left meanwhile.
    async fn open_again(&self, left: &mut Left) -> Option<(Channel, Consumer)> {
        let mut backoff = Backoff::new();
        loop {
            tokio::select! {
                _ = &mut *left => return None,
                () = tokio::time::sleep(backoff.next_wait()) => {}
            }
            match self.open().await {
                // It may have left while the queue was opened; asking a finished `left` again would not end well.
                Ok((channel, _)) if left.try_recv() != Err(TryRecvError::Empty) => {
                    leave(&channel).await;
                    return None;
                }
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

async fn forward(consumer: &mut Consumer, sink: &mpsc::Sender<Message>, left: &mut Left) -> Stopped {
    loop {
        let delivery = tokio::select! {
            _ = &mut *left => return Stopped::Left,
            delivery = consumer.next() => delivery,
        };
        let Delivery { data, acker, .. } = match delivery {
            Some(Ok(delivery)) => delivery,
            Some(Err(error)) => return Stopped::BrokerLost(error.to_string()),
            None => return Stopped::BrokerLost("the consumer was cancelled".to_owned()),
        };
        let handed_over = tokio::select! {
            _ = &mut *left => return Stopped::Left,
            handed_over = sink.send(Message::from(data)) => handed_over,
        };
        if handed_over.is_err() {
            return Stopped::Left;
        }
        match tokio::time::timeout(OPERATION_WAIT_MAX, acker.ack(BasicAckOptions::default())).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Stopped::BrokerLost(error.to_string()),
            Err(_) => return Stopped::BrokerLost(format!("no way to acknowledge in {OPERATION_WAIT_MAX:?}")),
        }
    }
}

/// Closes the channel, which lets the reader's next instance begin. A broker that is gone has let go already.
async fn leave(channel: &Channel) {
    if let Err(error) = bounded("leaving", channel.close(200, "the reader left".into())).await {
        tracing::debug!(%error, "a reader left without a goodbye");
    }
}
