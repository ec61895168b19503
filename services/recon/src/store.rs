//! The only SQL of this service.

pub mod breaks;
pub mod digests;
pub mod marks;
pub mod voucher_ranges;
