//! The cashier against a real database, through its routes.

mod callbacks;
mod recharges;
mod sandbox_bill;
mod till;
mod writing;
