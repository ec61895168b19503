//! One file per act: posting, keeping partitions, reading the trial balance.

pub mod keep_partitions;
pub mod post_vouchers;
pub mod read_trial_balance;
