//! The chart of accounts: code, name, and the side on which each account grows.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The side of an account that grows, or of a posting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Debit,
    Credit,
}

impl Side {
    pub const ALL: [Side; 2] = [Side::Debit, Side::Credit];

    /// The number in the column `side`. Part of the stored format.
    pub const fn code(self) -> i16 {
        match self {
            Side::Debit => 1,
            Side::Credit => 2,
        }
    }

    /// The side of a stored code.
    pub fn of_code(code: i16) -> Option<Side> {
        Side::ALL.into_iter().find(|side| side.code() == code)
    }

    pub const fn opposite(self) -> Side {
        match self {
            Side::Debit => Side::Credit,
            Side::Credit => Side::Debit,
        }
    }
}

/// One account of the general ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// 1 to 32 of `0-9A-Za-z.-`: codes travel in array literals, so nothing that needs quoting.
    pub code: String,
    pub name: String,
    pub side: Side,
}

impl Account {
    /// Whether the code may be stored.
    pub fn has_plain_code(&self) -> bool {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
        (1..=32).contains(&self.code.len()) && self.code.bytes().all(plain)
    }
}
