//! Splits delivered orders by the contract in force.
//!
//! Owns `settlement.items` (the log of what each order earned whom), contracts, netted earnings, statements, and
//! `settlement.payouts` (the log of what becomes of payees' money from the end of its hold to the bank).
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

pub use app::build_batch::{BuiltBatch, Skipped};
pub use app::contract_set::{CONTRACTS_SET, HeldContracts};
pub use app::import_contracts::Imported;
pub use app::pass_batch::{CONFIRM_LINES_MAX, Confirmation, Confirmed};
pub use app::request_payout::{AskPayout, GiveAccount, PayeeView};
pub use app::resettle::Owner;
pub use app::tell::UNEXPLAINED;
pub use app::write_files::FileError;
pub use config::{Config, DEFAULT_TOML, Payer, PayoutSettings};
pub use domain::contract::{Contract, Promo, Terms, TermsError};
pub use domain::payout::{Batch, BatchState, Line, LineState, Outcome, PayoutFile};
pub use error::{ContractError, PayoutError, StartError, StatementError};
pub use http::openapi;
pub use readers::settle_orders::{READER, SettleOrders};
pub use start::{Deps, Running, start};
pub use store::items::ItemsTable;
pub use store::payee_accounts::PayeeAccount;
pub use store::payout_requests::{PayoutRequest, RequestState};
pub use store::payouts::PayoutsTable;
pub use store::statement_lines::{LineOrder, StatementLine, StatementRow};

/// The service's own tables, after those of the set it publishes; `seqlog::MIGRATOR` comes before it.
pub static MIGRATOR: std::sync::LazyLock<pg::Migrator> = std::sync::LazyLock::new(|| {
    let own = pg::migrator(&[
        (101, "init", include_str!("../../../migrations/settlement/0101_init.sql")),
        (102, "contract_imports", include_str!("../../../migrations/settlement/0102_contract_imports.sql")),
        (103, "statement_lines", include_str!("../../../migrations/settlement/0103_statement_lines.sql")),
        (104, "payouts", include_str!("../../../migrations/settlement/0104_payouts.sql")),
        (110, "resettlements", include_str!("../../../migrations/settlement/0110_resettlements.sql")),
        (132, "book_digest", include_str!("../../../migrations/settlement/0132_book_digest.sql")),
        (
            133,
            "withholding_proposals",
            include_str!("../../../migrations/settlement/0133_withholding_proposals.sql"),
        ),
    ]);
    let files = refresh::MIGRATOR.iter().chain(own.iter()).chain(trail::MIGRATOR.iter()).cloned();
    pg::Migrator::with_migrations(files.collect())
});
