//! Splits delivered orders by the contract in force.
//!
//! Owns `settlement.items` (the log of what each order earned whom), contracts, netted earnings, and statements.
//! Must not move coins, and must not know how an order was delivered: it reads `gift.orders`.

mod app;
mod config;
mod domain;
mod error;
mod http;
mod jobs;
mod readers;
mod start;
mod store;

pub use config::{Config, DEFAULT_TOML};
pub use domain::contract::{Contract, Promo, Terms, TermsError};
pub use error::{ContractError, StartError, StatementError};
pub use http::openapi;
pub use readers::settle_orders::{READER, SettleOrders};
pub use start::{Deps, Running, start};
pub use store::items::ItemsTable;

/// The service's own tables, migrated after [`seqlog::MIGRATOR`].
pub static MIGRATOR: std::sync::LazyLock<pg::Migrator> = std::sync::LazyLock::new(|| {
    pg::migrator(&[(101, "init", include_str!("../../../migrations/settlement/0101_init.sql"))])
});
