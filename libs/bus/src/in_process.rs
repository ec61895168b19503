//! The broker of the embedded default: bounded queues in memory.

use crate::{Broker, BusError, QUEUE_LEN_MAX, Subscription};
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tokio::sync::mpsc;

type Queues = HashMap<String, HashMap<String, mpsc::Sender<Bytes>>>;

/// Queues by topic and group. A full queue drops the message: its reader pulls what it missed.
#[derive(Default)]
pub struct InProcess {
    queues: Mutex<Queues>,
}

#[async_trait::async_trait]
impl Broker for InProcess {
    async fn publish(&self, topic: &str, payload: Bytes) -> Result<(), BusError> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(groups) = queues.get_mut(topic) {
            groups.retain(|group, queue| match queue.try_send(payload.clone()) {
                Ok(()) => true,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    tracing::debug!(topic, group, "a full queue dropped a message");
                    true
                }
                Err(mpsc::error::TrySendError::Closed(_)) => false,
            });
        }
        Ok(())
    }

    async fn subscribe(&self, topic: &str, group: &str) -> Result<Subscription, BusError> {
        let (sender, receiver) = mpsc::channel(QUEUE_LEN_MAX);
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.entry(topic.to_owned()).or_default().insert(group.to_owned(), sender);
        Ok(Subscription::new(receiver))
    }
}
