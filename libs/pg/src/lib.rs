//! PostgreSQL, real or embedded, behind one handle that cannot be had without a lane.
//!
//! Owns connections, schemas and migrations; the only place that knows the embedded database. Must not know
//! any table.

mod copy;
mod db;
#[cfg(feature = "embedded")]
mod embedded;
mod error;
mod migrate;
mod pool;
mod pooled;
mod reading;
mod server;

pub use copy::copy_rows;
pub use db::Db;
#[cfg(feature = "embedded")]
pub use embedded::Embedded;
pub use error::{PgError, is_certain, is_connection_lost, is_constraint};
pub use migrate::{check_migrated, migrate, migrator, missing_migrations};
pub use pool::{Access, Plans, PoolSettings, connect, place_of, report_pool, server_of};
pub use pooled::{Call, Pooled, went};
pub use reading::ReadDb;
pub use server::{ServerFacts, TooFewConnections, server_facts};
pub use sqlx::migrate::Migrator;
