//! What settlement computes, without a clock, a database or a network.

pub mod book;
pub mod book_digest;
pub mod contract;
pub mod contract_file;
pub mod contract_plan;
pub mod earning;
pub mod payee_money;
pub mod payout;
pub mod split;
pub mod statement;
pub mod withholding;
pub mod withholding_terms;
