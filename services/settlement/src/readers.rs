//! What settlement reads of other services' logs.

mod resettle;
pub mod settle_orders;
