//! Recon against a real database: what differs is found and named, what agrees costs nothing.

mod breaks_api;
mod database;
mod fake_log;
mod minutes;
mod vouchers;
