//! The only SQL of this service.

pub mod audit;
pub mod breaks;
pub mod desk;
pub mod digests;
pub mod marks;
pub mod proposals;
pub mod voucher_ranges;
