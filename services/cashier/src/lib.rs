//! Payment channels: each payment credited once.
//!
//! Owns `cashier.payments` (the log of money that moved), what viewers asked to buy, and what channels told us.
//! Must not know balances: the wallet reads the log and moves the coins.

mod app;
mod config;
mod domain;
mod error;
mod http;
mod start;
mod store;

pub use app::return_recharges::Owner;
pub use config::{ChannelConfig, Config, DEFAULT_TOML, Profile, SANDBOX, Secrets};
pub use domain::pricing::Bonus;
pub use domain::signature::{ChannelSecret, SIGNATURE_HEADER, TIMESTAMP_HEADER};
pub use error::{CallbackError, RechargeError, StartError};
pub use http::openapi;
pub use start::{Deps, Running, Status, start};
pub use store::payments::PaymentsTable;
pub use store::returns::Receivable;

/// The service's own tables, migrated after [`seqlog::MIGRATOR`].
pub static MIGRATOR: std::sync::LazyLock<pg::Migrator> = std::sync::LazyLock::new(|| {
    pg::migrator(&[
        (101, "init", include_str!("../../../migrations/cashier/0101_init.sql")),
        (110, "money_back", include_str!("../../../migrations/cashier/0110_money_back.sql")),
    ])
});
