//! What settlement computes, without a clock, a database or a network.

pub mod book;
pub mod contract;
pub mod earning;
pub mod split;
pub mod statement;
