//! Settlement's acts, one file each.

pub mod build_batch;
pub mod change_withholding;
pub mod contract_set;
pub mod import_contracts;
pub mod log_moves;
pub mod make_contract;
pub mod make_statement;
pub mod pass_batch;
pub mod read_statements;
pub mod release_statements;
pub mod request_payout;
pub mod resettle;
pub mod tell;
pub mod write_files;

use crate::config::{Payer, PayoutSettings};
use contracts::log::AccountingZone;
use contracts::order::Order;
use pg::Db;
use refresh::Control;
use seqlog::LogSource;
use std::sync::Arc;

/// What every act needs.
pub struct Settlement {
    pub(crate) db: Db,
    pub(crate) zone: AccountingZone,
    /// ISO 4217.
    pub(crate) currency: String,
    pub(crate) payouts: PayoutSettings,
    /// Who pays, in files for the bank.
    pub(crate) payer: Payer,
    /// Where people open what files point to.
    pub(crate) public_url: String,
    /// Where whoever publishes the contracts is told of a change.
    pub(crate) contracts: Control,
    /// `gift.orders`, for single rows.
    pub(crate) orders: Arc<dyn LogSource<Order>>,
}
