//! A line: what one side says about one movement of money.

use crate::Side;
use serde::{Deserialize, Serialize};

/// A line of our books, of a channel's bill, of a bank statement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Names the line on its side, once.
    pub id: String,
    /// In minor units of the currency.
    pub amount_minor: i64,
    pub currency: String,
    /// Days since 1970-01-01.
    pub day: i32,
    #[serde(default)]
    pub reference: Option<String>,
    #[serde(default)]
    pub second_reference: Option<String>,
    #[serde(default)]
    pub batch: Option<String>,
    #[serde(default)]
    pub account: Option<String>,
}

/// What a pass may compare beside amount, currency and day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// Names the movement, such as the order's number.
    Reference,
    /// Names it otherwise, such as the channel's own number.
    SecondReference,
    /// Names a batch that many movements are paid in.
    Batch,
    /// Whose money it is. Many movements share it, so it narrows and never identifies.
    Account,
}

impl Field {
    pub(super) const ALL: [Field; 4] =
        [Field::Reference, Field::SecondReference, Field::Batch, Field::Account];

    /// Whether a value names one movement.
    pub(super) fn identifies(self) -> bool {
        match self {
            Field::Reference | Field::SecondReference => true,
            Field::Batch | Field::Account => false,
        }
    }

    pub(super) fn index(self) -> usize {
        match self {
            Field::Reference => 0,
            Field::SecondReference => 1,
            Field::Batch => 2,
            Field::Account => 3,
        }
    }

    /// The line's value; an empty text is none.
    pub(super) fn of(self, line: &Line) -> Option<&str> {
        let value = match self {
            Field::Reference => &line.reference,
            Field::SecondReference => &line.second_reference,
            Field::Batch => &line.batch,
            Field::Account => &line.account,
        };
        value.as_deref().filter(|text| !text.is_empty())
    }
}

/// Lines that cannot be matched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    #[error("the {side} side has {lines} lines, more than {max}")]
    TooManyLines { side: Side, lines: usize, max: usize },
    #[error("two lines of the {side} side are called {id:?}")]
    IdTwice { side: Side, id: String },
}
