//! Settlement's SQL, and nothing but.

pub mod book;
pub mod contract_imports;
pub mod contracts;
pub mod earnings;
pub mod items;
pub mod payee_accounts;
pub mod payees;
pub mod payout_batches;
pub mod payout_requests;
pub mod payouts;
pub mod resettlements;
pub mod statement_files;
pub mod statement_lines;
pub mod statements;
pub mod withholding;
pub mod withholding_proposals;

/// A stored code or number that this program does not know: a newer version wrote it, or a hand did.
pub(crate) fn unknown_code(column: &'static str, value: impl std::fmt::Display) -> sqlx::Error {
    sqlx::Error::Decode(format!("the column {column} holds {value}, which is unknown").into())
}
