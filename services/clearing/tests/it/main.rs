//! Clearing against a real database: every row posted once, every voucher zero.

mod database;
mod fake_log;
mod ledger;
mod ownership;
mod payouts;
mod policy;
mod refusals;
mod trial_balance_api;
