//! Readers of other services' logs.

pub mod desk;
mod keeper_plan;
mod keeper_rows;
mod keeper_turn;
pub mod on_entries;
mod pending_book;
#[cfg(debug_assertions)]
mod planted_fault;
pub mod routed_reports;
