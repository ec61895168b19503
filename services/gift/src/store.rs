//! The only SQL of gift.

pub mod limits;
pub mod nodes;
pub mod orders;
pub mod pending;
pub mod refund_cases;
pub mod refund_lines;
pub mod refunds;
pub mod shelf;
pub mod switches;
