//! Readers of other services' logs.

pub mod on_source;
