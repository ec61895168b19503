//! Messages to whoever listens now: nothing is kept, and a message may be lost.

use bytes::Bytes;
use tokio::sync::broadcast;

/// Why a subscription has no next message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChannelLoss {
    /// Too slow: this many messages are gone. The channel goes on.
    #[error("the subscriber lost {0} messages")]
    Behind(u64),
    /// The cache is gone for good.
    #[error("the channel has ended")]
    Ended,
}

/// A subscription to one channel. Dropping it ends it.
///
/// At most once: what is published while the store cannot be reached is lost, and nobody is told.
pub struct Channel {
    messages: broadcast::Receiver<Bytes>,
}

impl Channel {
    pub(crate) fn new(messages: broadcast::Receiver<Bytes>) -> Channel {
        Channel { messages }
    }

    /// The next message. Safe to cancel.
    ///
    /// # Errors
    /// [`ChannelLoss`]; after `Behind` the channel goes on.
    pub async fn recv(&mut self) -> Result<Bytes, ChannelLoss> {
        self.messages.recv().await.map_err(|error| match error {
            broadcast::error::RecvError::Lagged(messages) => ChannelLoss::Behind(messages),
            broadcast::error::RecvError::Closed => ChannelLoss::Ended,
        })
    }
}
