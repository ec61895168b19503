//! Connecting: what one process takes from a real PostgreSQL, and what it says about that.

use crate::PgError;
use log::LevelFilter;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgPool};
use std::str::FromStr;
use std::time::Duration;

/// Bounds on what one process takes from the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    pub connections_max: u32,
    /// How long an act waits for a connection before it fails.
    pub acquire_timeout: Duration,
    /// The longest any statement may run.
    pub statement_timeout: Duration,
    /// A statement that runs longer is told about and counted.
    pub slow_statement: Duration,
    pub access: Access,
    pub plans: Plans,
}

/// What a pool's statements read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plans {
    /// A few rows by an index, whatever a table looked like when the statement was planned first: a plan made
    /// while a table was new reads all of it, and is kept until the server looks at the table again.
    ByIndex,
    /// Whole tables, for proofs.
    Any,
}

impl Plans {
    /// A page out of order costs what one in order does where it lies in memory or on a disk without a head: by the
    /// server's own figure, four times as much, a wide index that has all columns loses to the table behind a narrow one.
    pub(crate) const fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Plans::ByIndex => &[("enable_seqscan", "off"), ("random_page_cost", "1.1")],
            Plans::Any => &[("enable_seqscan", "on")],
        }
    }
}

/// What a pool's connections may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    ReadWrite,
    /// For the read URL: the server refuses every write.
    ReadOnly,
}

impl Default for PoolSettings {
    fn default() -> PoolSettings {
        PoolSettings {
            connections_max: 8,
            acquire_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(5),
            slow_statement: Duration::from_millis(500),
            access: Access::ReadWrite,
            plans: Plans::ByIndex,
        }
    }
}

/// How long a connection that was just used counts as alive without asking.
const PROVEN_FOR: Duration = Duration::from_millis(500);

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
        ("default_transaction_read_only", if settings.access == Access::ReadOnly { "on" } else { "off" }),
        // A plan that must scan costs a made-up ten thousand million where scans are off, and PostgreSQL compiles what
        // costs so much: for hundreds of milliseconds, each time.
        ("jit", "off"),
    ]);
    let options = options.options(settings.plans.settings().iter().copied());
    let options = options.log_slow_statements(LevelFilter::Warn, settings.slow_statement);
    PgPoolOptions::new()
        .max_connections(settings.connections_max)
        .acquire_timeout(settings.acquire_timeout)
        // A busy connection is known to live; asking it first would cost every act a round trip.
        .test_before_acquire(false)
        .before_acquire(|connection, state| {
            Box::pin(async move {
                let is_proven = state.idle_for < PROVEN_FOR || connection.ping().await.is_ok();
                Ok(is_proven)
            })
        })
        .connect_with(options)
        .await
        .map_err(|source| PgError::Open { place: redacted(url), source })
}

/// Where a pool's database is, for people: `host:port/database`.
pub fn place_of(pool: &PgPool) -> String {
    let options = pool.connect_options();
    let database = options.get_database().unwrap_or_default();
    format!("{}:{}/{database}", options.get_host(), options.get_port())
}

/// The server of a URL, as `host:port`: databases and users of one server share its connections.
///
/// # Errors
/// [`PgError::BadUrl`].
pub fn server_of(url: &str) -> Result<String, PgError> {
    let options = PgConnectOptions::from_str(url).map_err(|_| PgError::BadUrl(redacted(url)))?;
    Ok(format!("{}:{}", options.get_host(), options.get_port()))
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

/// Says how many connections there are, as of now.
pub fn report_pool(pool: &PgPool) {
    let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
    let in_use = pool.size().saturating_sub(idle);
    metrics::gauge!("largesse_db_open_connections", "state" => "in_use").set(f64::from(in_use));
    metrics::gauge!("largesse_db_open_connections", "state" => "idle").set(f64::from(idle));
    metrics::gauge!("largesse_db_max_connections").set(f64::from(pool.options().get_max_connections()));
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
