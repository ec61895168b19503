//! Readers of the four logs.

pub mod on_log;
pub mod on_vouchers;
