//! The only SQL of this service.

pub mod account_days;
pub mod adjustments;
pub mod closings;
pub mod journal;
pub mod period_requests;
pub mod periods;
pub mod policies;
pub mod roll_forward;
pub mod vouchers;
