//! One file per act: comparing minutes, comparing vouchers, reading breaks and lag.

pub mod compare_minutes;
pub mod compare_vouchers;
pub mod read_lag;
pub mod seen;
pub mod sources;
