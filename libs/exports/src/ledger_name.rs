//! Names of accounts in plain-text books: legal in both dialects, and no two accounts share one.

use crate::{Account, Growth};
use std::fmt::Write;

/// The five roots that beancount knows and hledger understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    Assets,
    Liabilities,
    Equity,
    Income,
    Expenses,
}

impl Root {
    /// The root of an account, by the Chinese habit of numbering: 1 assets, 2 liabilities, 3 and 4 equity, 5 costs,
    /// 6 income and expenses. Codes of another habit go by the side on which they grow.
    pub fn of(account: &Account) -> Root {
        match (account.code.chars().next(), account.grows) {
            (Some('1'), _) => Root::Assets,
            (Some('2'), _) => Root::Liabilities,
            (Some('3' | '4'), _) => Root::Equity,
            (Some('5'), _) | (Some('6'), Growth::Debit) => Root::Expenses,
            (Some('6'), Growth::Credit) => Root::Income,
            (_, Growth::Debit) => Root::Assets,
            (_, Growth::Credit) => Root::Liabilities,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Root::Assets => "Assets",
            Root::Liabilities => "Liabilities",
            Root::Equity => "Equity",
            Root::Income => "Income",
            Root::Expenses => "Expenses",
        }
    }
}

/// The account's name in beancount and hledger: `2205.01` is `Liabilities:A2205-01`.
///
/// Made from root and code only, so it stays when people rename an account. Letters and digits stay but `Z`, which
/// becomes `ZZ`; a dot becomes `-`; anything else becomes its code point between two `Z`. So the code can be read
/// back, and two codes never meet.
pub fn ledger_name(account: &Account) -> String {
    let mut name = format!("{}:A", Root::of(account).word());
    for character in account.code.chars() {
        match character {
            'Z' => name.push_str("ZZ"),
            '.' => name.push('-'),
            plain if plain.is_ascii_alphanumeric() => name.push(plain),
            other => {
                // Writing to a string cannot fail.
                let _ = write!(name, "Z{:x}Z", u32::from(other));
            }
        }
    }
    name
}
