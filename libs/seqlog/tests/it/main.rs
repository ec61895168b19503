//! The log against a real PostgreSQL, and its pure parts against chance.

mod cursor;
mod echo;
mod faults;
mod moving;
mod nodes;
mod notes;
mod sharing;
mod writers;
