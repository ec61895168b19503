//! The embedded default: the same PostgreSQL inside the process, with one connection.
//!
//! It survives a killed process, not a power cut: it runs with `fsync` off. Durable figures always come from
//! a real PostgreSQL.

use crate::{PgError, Plans};
use pglite_oxide::PgliteServer;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

/// How long an act waits for the one connection. Longer than for a real server: everything shares it.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// A running embedded database. Dropped without [`Embedded::close`], as when an error ends the process, its thread
/// is left to end with the process: waiting for a database that may be dead could take for ever.
pub struct Embedded {
    server: Option<PgliteServer>,
    pool: PgPool,
}

impl Embedded {
    /// Opens the database in `folder`, creating it if needed.
    ///
    /// # Errors
    /// [`PgError::Embedded`] when the folder cannot be used or another process has it open.
    pub async fn open(folder: &Path) -> Result<Embedded, PgError> {
        let place = folder.display().to_string();
        let failed = |reason: String| PgError::Embedded { place: place.clone(), reason };
        let path = folder.to_owned();
        let started = tokio::task::spawn_blocking(move || PgliteServer::builder().path(path).start())
            .await
            .map_err(|error| failed(error.to_string()))?;
        let server = started.map_err(|error| failed(format!("{error:#}")))?;
        let options = PgConnectOptions::from_str(&server.database_url())
            .map_err(|_| PgError::BadUrl(server.database_url()))?
            .options(Plans::ByIndex.settings().iter().copied());
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false) // The server lives in this process: a ping a transaction buys nothing.
            .connect_with(options)
            .await
            .map_err(|source| PgError::Open { place: folder.display().to_string(), source })?;
        Ok(Embedded { server: Some(server), pool })
    }

    pub fn pool(&self) -> PgPool {
        self.pool.clone()
    }

    /// Closes the pool, then the server.
    pub async fn close(mut self) {
        self.pool.close().await;
        if let Some(server) = self.server.take() {
            // The server thread ends by itself with the process; an error here has no reader.
            let _ = tokio::task::spawn_blocking(move || server.shutdown()).await;
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        std::mem::forget(self.server.take());
    }
}
