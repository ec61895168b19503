//! The handle: a pool, a schema, a lane.

use crate::PgError;
use contracts::lane::Lane;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgPool, Postgres, Transaction};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// Bounds on what one process takes from the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    pub connections_max: u32,
    /// How long an act waits for a connection before it fails.
    pub acquire_timeout: Duration,
    /// The longest any statement may run.
    pub statement_timeout: Duration,
}

impl Default for PoolSettings {
    fn default() -> PoolSettings {
        PoolSettings {
            connections_max: 8,
            acquire_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(5),
        }
    }
}

/// Connects to a real PostgreSQL. Waits for nothing: a server that is not there is an error at once.
///
/// # Errors
/// [`PgError::BadUrl`] or [`PgError::Open`].
pub async fn connect(url: &str, settings: PoolSettings) -> Result<PgPool, PgError> {
    let options = PgConnectOptions::from_str(url).map_err(|_| PgError::BadUrl(redacted(url)))?;
    let timeout_ms = settings.statement_timeout.as_millis().to_string();
    let options = options.application_name("largesse").options([
        ("statement_timeout", timeout_ms.as_str()),
        ("idle_in_transaction_session_timeout", "5000"),
    ]);
    PgPoolOptions::new()
        .max_connections(settings.connections_max)
        .acquire_timeout(settings.acquire_timeout)
        .connect_with(options)
        .await
        .map_err(|source| PgError::Open { place: redacted(url), source })
}

/// The URL without its password: what may be shown.
fn redacted(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 < at => {
            let user = url[scheme + 3..at].split(':').next().unwrap_or_default();
            format!("{}{}@{}", &url[..scheme + 3], user, &url[at + 1..])
        }
        _ => url.to_owned(),
    }
}

/// One service's tables in one lane.
#[derive(Clone, Debug)]
pub struct Db {
    pool: PgPool,
    schema: Arc<str>,
    lane: Lane,
}

impl Db {
    /// The tables of `service` in `lane`. The schema is the service's name, behind the lane's prefix.
    pub fn new(pool: PgPool, service: &str, lane: &Lane) -> Db {
        let schema = format!("{}{service}", lane.prefix());
        Db { pool, schema: schema.into(), lane: lane.clone() }
    }

    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub fn schema(&self) -> &str {
        &self.schema
    }

    pub fn lane(&self) -> &Lane {
        &self.lane
    }

    /// Fills the schema into a statement: `{s}` becomes this handle's schema. `text` is ours, never a user's.
    pub fn sql(&self, text: &'static str) -> AssertSqlSafe<String> {
        AssertSqlSafe(text.replace("{s}", &self.schema))
    }

    /// Opens a transaction. Whoever opens it closes it, in the same function.
    ///
    /// # Errors
    /// Whatever the database says; nothing has happened then.
    pub async fn begin(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        self.pool.begin().await
    }
}

#[cfg(test)]
mod tests {
    use super::redacted;

    #[test]
    fn a_password_never_shows() {
        assert_eq!(redacted("postgres://ann:secret@host:5432/db"), "postgres://ann@host:5432/db");
        assert_eq!(redacted("postgres://host/db"), "postgres://host/db");
    }
}
