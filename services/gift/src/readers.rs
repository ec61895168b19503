//! Readers of other services' logs.

pub mod desk;
mod keeper_rows;
pub mod on_entries;
mod pending_book;
