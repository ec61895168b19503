//! gift against a real PostgreSQL and a small wallet that keeps real entries.

mod bench;
mod boxes;
mod catalogue;
mod combos;
mod fake_cashier;
mod fake_wallet;
mod keeper;
mod quotas;
mod ranking;
mod reading;
mod refund_cases;
mod refund_trail;
mod sending;
mod store;
mod streaming;
mod switches;
