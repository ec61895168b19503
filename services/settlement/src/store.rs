//! Settlement's SQL, and nothing but.

pub mod book;
pub mod contracts;
pub mod earnings;
pub mod items;
pub mod statements;

/// A stored code or number that this program does not know: a newer version wrote it, or a hand did.
pub(crate) fn unknown_code(column: &'static str, value: impl std::fmt::Display) -> sqlx::Error {
    sqlx::Error::Decode(format!("the column {column} holds {value}, which is unknown").into())
}
