//! The cashier against a real database, through its routes.

mod callbacks;
mod recharges;
mod till;
mod writing;
