//! The promises of testkit: servers answer, databases are private, and nothing is left, however it ends.

mod browser;
mod databases;
mod leftovers;
mod run;
mod servers;
