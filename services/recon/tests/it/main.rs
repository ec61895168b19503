//! Recon against a real database: what differs is found and named, what agrees costs nothing; and what
//! people and rules do about it.

mod bills;
mod breaks_api;
mod closing_facts;
mod daily;
mod database;
mod desk;
mod desk_api;
mod fake_log;
mod fake_owner;
mod funds;
mod healing;
mod inbox;
mod matching;
mod matching_rules;
mod minutes;
mod payouts;
mod settling;
mod small_day;
mod trail;
mod vouchers;
mod withdrawals;
