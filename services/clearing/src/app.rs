//! One file per act: posting, keeping partitions, reading the books, closing periods, exporting.

pub mod adjust;
pub mod check_close;
pub mod close_error;
pub mod close_facts;
pub mod close_period;
pub mod export_books;
pub mod keep_partitions;
pub mod post_vouchers;
pub mod read_journal;
pub mod read_trial_balance;
pub mod roll_forward;
pub mod tell_period;
mod write_book;
