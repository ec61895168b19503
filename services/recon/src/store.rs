//! The only SQL of this service.

pub mod ageing;
pub mod audit;
pub mod bills;
pub mod breaks;
pub mod channel_settlements;
pub mod closing;
pub mod day_lines;
pub mod desk;
pub mod digests;
pub mod found_breaks;
pub mod fund_fees;
pub mod marks;
pub mod matches;
pub mod matching_rules;
pub mod payout_lines;
pub mod proposals;
pub mod runs;
pub mod voucher_ranges;
pub mod withdrawals;
