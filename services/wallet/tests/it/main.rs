//! The wallet on a real PostgreSQL. Every test ends by proving the books from the tables alone.

mod bank;
mod books;
mod embedded;
mod failures;
mod holds;
mod payments;
mod repeats;
mod restarts;
