//! The cashier against a real database, through its routes.

mod callbacks;
mod money_back;
mod recharges;
mod sandbox_bill;
mod till;
mod writing;
