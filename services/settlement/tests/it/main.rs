//! Settlement against a real database, fed with orders as gift would write them.

mod contracts_of_streamers;
mod desk;
mod model;
mod orders;
mod readers;
mod statements;
