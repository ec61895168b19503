//! Invariant under test: both stores keep the same contract, so the embedded default proves what ships.

mod contract;
mod failing;
mod feed_ids;
mod telling;
