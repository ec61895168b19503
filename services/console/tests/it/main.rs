//! Invariants under test: pages show what the API says and nothing more, everybody in a room sees a gift, and
//! whatever happens to a connection, a gift is charged once. Browser steps take a base URL (`steps.rs`), so that
//! they also run against the real thing; here the API behind the pages is a stand-in (`stub.rs`).

mod browsers;
mod cutter;
mod finance_approvals;
mod finance_books;
mod finance_browsers;
mod finance_close;
mod finance_control;
mod finance_glance;
mod finance_markup;
mod finance_payees;
mod finance_refunds;
mod finance_statements;
mod finance_stub;
mod markup;
mod sample;
mod steps;
mod stub;
