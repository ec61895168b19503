//! The words services share: lanes, logs and their rows, wallet commands and answers, error classes.
//!
//! Owns what crosses a wall between two services, and nothing that only one of them needs. Pure: no I/O, no
//! clock. A change here is a change of the wire and shows in the snapshots of `tests/it`.

pub mod calls;
pub mod catalogue;
pub mod class;
pub mod digest;
pub mod entry;
pub mod item;
pub mod lane;
pub mod log;
pub mod order;
pub mod owner;
pub mod payment;
pub mod payout;
pub mod sheet;
pub mod show;
pub mod topology;
pub mod voucher;
pub mod wallet;
