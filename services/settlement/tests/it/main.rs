//! Settlement against a real database, fed with orders as gift would write them.

mod contract_files;
mod contract_set;
mod contracts_of_streamers;
mod desk;
mod files;
mod model;
mod money;
mod orders;
mod payouts;
mod readers;
mod resettling;
mod roles;
mod statement_lines;
mod statements;
mod waiting;
mod withholding;
