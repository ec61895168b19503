//! What the cashier decides, without a clock, a database or a network.

pub mod callback;
pub mod ledger;
pub mod notice;
pub mod pricing;
pub mod recharge;
pub mod returning;
pub mod signature;
