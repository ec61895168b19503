//! Two sides of money rows, compared. [`keyed`] owns the big batch by key, [`csv_rows`] its CSV files, [`passes`] the
//! rules against the outside, [`day`] days as numbers. Must not know services, databases or networks; the only thing it
//! touches is the spill folder that a caller names.
#![doc = ""]
#![doc = include_str!("../README.md")]

pub mod csv_rows;
pub mod day;
pub mod keyed;
pub mod passes;
mod side;

pub use side::Side;
