//! The wallet on a real PostgreSQL. Every test ends by proving the books from the tables alone.

mod bank;
mod books;
mod embedded;
mod every_payment;
mod failures;
mod holds;
mod moves;
mod nodes;
mod payments;
mod repeats;
mod restarts;
mod retired;
