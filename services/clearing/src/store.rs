//! The only SQL of this service.

pub mod account_days;
pub mod periods;
pub mod policies;
pub mod vouchers;
