//! The binary as its users run it: real processes, the embedded database, real HTTP.

mod command_line;
mod crashes;
mod everything;
mod place;
