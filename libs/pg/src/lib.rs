//! PostgreSQL, real or embedded, behind one handle that cannot be had without a lane.
//!
//! Owns connections, schemas and migrations; the only place that knows the embedded database. Must not know
//! any table.

mod db;
#[cfg(feature = "embedded")]
mod embedded;
mod error;
mod migrate;

pub use db::{Db, PoolSettings, connect};
#[cfg(feature = "embedded")]
pub use embedded::Embedded;
pub use error::{PgError, is_connection_lost, is_constraint};
pub use migrate::migrate;
pub use sqlx::migrate::Migrator;
