//! The cashier's SQL, and nothing but.

pub mod notices;
pub mod payments;
pub mod recharges;
pub mod returns;
pub mod sandbox_rows;

/// A stored code or number that this program does not know: a newer version wrote it, or a hand did.
pub(crate) fn unknown_code(column: &'static str, value: impl std::fmt::Display) -> sqlx::Error {
    sqlx::Error::Decode(format!("the column {column} holds {value}, which is unknown").into())
}
