//! What settlement reads of other services' logs.

pub mod settle_orders;
