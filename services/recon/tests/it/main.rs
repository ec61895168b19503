//! Recon against a real database: what differs is found and named, what agrees costs nothing; and what
//! people and rules do about it.

mod breaks_api;
mod database;
mod desk;
mod desk_api;
mod fake_log;
mod fake_owner;
mod healing;
mod minutes;
mod trail;
mod vouchers;
