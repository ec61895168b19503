//! The pure part: what rows say, how two sides differ, what vouchers must state, a break's life, the chain of its
//! trail, and what a day's run finds and reports.

pub mod action;
pub mod bill_findings;
pub mod bill_line;
pub mod break_kind;
pub mod break_state;
pub mod channel_paid;
pub mod compare;
pub mod controls;
pub mod covering;
pub mod credits;
pub mod day;
pub mod effect;
pub mod healing;
pub mod pair_walk;
pub mod receivable;
pub mod report;
pub mod roll_forward;
pub mod saying;
pub mod severity;
pub mod tail;
pub mod voucher_check;
pub mod write_off;

pub use trail::{canonical, chain};
