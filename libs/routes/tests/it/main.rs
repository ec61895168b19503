//! The list of nodes over a real PostgreSQL and a real Redis.

mod fleet;
mod listed;
mod published;
