//! The pure part: what rows say, how two sides differ, what vouchers must state, a break's life, and the
//! chain of its trail.

pub mod action;
pub mod break_kind;
pub mod break_state;
pub mod canonical;
pub mod chain;
pub mod compare;
pub mod effect;
pub mod healing;
pub mod saying;
pub mod severity;
pub mod tail;
pub mod voucher_check;
