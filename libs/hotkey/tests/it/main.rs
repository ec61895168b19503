//! Invariant under test: what is hot is served from memory and is never staler than promised; what is counted
//! arrives once.

mod counters;
mod detection;
mod races;
mod rig;
mod serving;
mod staleness;
