//! One connection that comes back: who asks while the broker is away gets an error at once, and one asker at a
//! time tries again, after a wait that doubles.

use super::{OPERATION_WAIT_MAX, bounded};
use crate::BusError;
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// The first wait before connecting again.
const BACKOFF_MIN: Duration = Duration::from_millis(100);

/// The longest wait before connecting again.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// A doubling wait.
pub(super) struct Backoff(Duration);

impl Backoff {
    pub fn new() -> Backoff {
        Backoff(BACKOFF_MIN)
    }

    /// The wait to take now; the next is twice as long.
    pub fn next_wait(&mut self) -> Duration {
        let wait = self.0;
        self.0 = wait.saturating_mul(2).min(BACKOFF_MAX);
        wait
    }
}

/// The connection, while there is one, and when the next may be tried.
struct State {
    connection: Option<Connection>,
    backoff: Backoff,
    not_before: Option<Instant>,
}

/// One connection to the broker.
pub(super) struct Link {
    uri: AMQPUri,
    name: &'static str,
    state: Mutex<State>,
}

impl Link {
    pub fn new(uri: AMQPUri, name: &'static str) -> Link {
        let state = State { connection: None, backoff: Backoff::new(), not_before: None };
        Link { uri, name, state: Mutex::new(state) }
    }

    /// A new channel, on a new connection if the old one is gone.
    pub async fn channel(&self) -> Result<Channel, BusError> {
        let Ok(mut state) = tokio::time::timeout(OPERATION_WAIT_MAX, self.state.lock()).await else {
            return Err(BusError::Unreachable("another attempt to connect still runs".to_owned()));
        };
        if let Some(connection) = state.connection.as_ref().filter(|open| open.status().connected()) {
            match bounded("a channel", connection.create_channel()).await {
                Ok(channel) => return Ok(channel),
                Err(error) => tracing::warn!(link = self.name, %error, "a connection broke; opening another"),
            }
        }
        state.connection = None;
        if state.not_before.is_some_and(|at| Instant::now() < at) {
            return Err(BusError::Unreachable(
                "the broker is away; waiting before the next attempt".to_owned(),
            ));
        }
        match self.open().await {
            Ok((connection, channel)) => {
                tracing::info!(link = self.name, "connected to the broker");
                *state = State { connection: Some(connection), backoff: Backoff::new(), not_before: None };
                Ok(channel)
            }
            Err(error) => {
                let wait = state.backoff.next_wait();
                state.not_before = Some(Instant::now() + wait);
                tracing::warn!(link = self.name, %error, ?wait, "the broker could not be reached");
                Err(error)
            }
        }
    }

    async fn open(&self) -> Result<(Connection, Channel), BusError> {
        let properties = ConnectionProperties::default().with_connection_name(self.name.into());
        // One bound over both steps: an error comes within it, whatever the broker does.
        bounded("connecting", async {
            let connection = Connection::connect_uri(self.uri.clone(), properties).await?;
            let channel = connection.create_channel().await?;
            Ok((connection, channel))
        })
        .await
    }
}
