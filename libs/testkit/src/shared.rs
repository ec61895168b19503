//! The servers of this test process: the ones the environment names, or its own, started on first use.
//!
//! Its own are never dropped: their watchdogs stop them when the process ends, however it ends.

use crate::{Fsync, Kind, Postgres, Server};
use std::sync::OnceLock;

static POSTGRES: OnceLock<Result<Server, String>> = OnceLock::new();
static REDIS: OnceLock<Result<Server, String>> = OnceLock::new();
static RABBITMQ: OnceLock<Result<Server, String>> = OnceLock::new();

/// A private PostgreSQL.
///
/// # Panics
/// When none can be started: no test can go on then.
pub async fn postgres() -> Postgres {
    Postgres::at(url(Kind::Postgres).await)
}

/// A PostgreSQL that this test shares with nobody, and the server whose end ends it: for what needs two.
///
/// # Panics
/// When none can be started: no test can go on then.
pub async fn own_postgres() -> (Postgres, Server) {
    let start = || Server::start(Kind::Postgres, Fsync::Off).map_err(|error| error.to_string());
    match tokio::task::spawn_blocking(start).await {
        Ok(Ok(server)) => (Postgres::at(server.url().to_owned()), server),
        Ok(Err(reason)) => panic!("no private PostgreSQL: {reason}"),
        Err(error) => panic!("no private PostgreSQL: {error}"),
    }
}

/// The URL of a private Redis. Tests share it: each uses keys of its own.
///
/// # Panics
/// When none can be started: no test can go on then.
pub async fn redis_url() -> String {
    url(Kind::Redis).await
}

/// The URL of a private RabbitMQ. Tests share it: each uses exchanges and queues of its own.
///
/// # Panics
/// When none can be started: no test can go on then.
pub async fn amqp_url() -> String {
    url(Kind::RabbitMq).await
}

async fn url(kind: Kind) -> String {
    if let Ok(url) = std::env::var(kind.variable()) {
        return url;
    }
    let own = match kind {
        Kind::Postgres => &POSTGRES,
        Kind::Redis => &REDIS,
        Kind::RabbitMq => &RABBITMQ,
    };
    let start =
        move || own.get_or_init(|| Server::start(kind, Fsync::Off).map_err(|error| error.to_string()));
    match tokio::task::spawn_blocking(start).await {
        Ok(Ok(server)) => server.url().to_owned(),
        Ok(Err(reason)) => panic!("no private {kind}: {reason}"),
        Err(error) => panic!("no private {kind}: {error}"),
    }
}
