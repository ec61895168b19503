//! Clearing against a real database: every row posted once, every voucher zero.

mod adjustments;
mod close_api;
mod closing;
mod database;
mod exports;
mod fake_log;
mod journal;
mod ledger;
mod ownership;
mod payouts;
mod policy;
mod refusals;
mod trial_balance_api;
