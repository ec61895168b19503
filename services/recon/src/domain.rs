//! The pure part: what rows say, how two sides differ, what vouchers must state, and a break's life.

pub mod break_kind;
pub mod break_state;
pub mod compare;
pub mod effect;
pub mod saying;
pub mod tail;
pub mod voucher_check;
