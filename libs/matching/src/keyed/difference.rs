//! What a comparison answers: differences by kind, and how many rows were looked at.

use super::row::{Row, RowBuf};
use std::collections::BTreeMap;

/// What can differ within a pair of rows with the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    Account,
    Amount,
    Currency,
    Status,
    Day,
}

/// What a difference is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The key is on the left side only.
    OnlyLeft,
    OnlyRight,
    /// The pair differs in exactly this field.
    AccountDiffers,
    AmountDiffers,
    CurrencyDiffers,
    StatusDiffers,
    DayDiffers,
    /// The pair differs in more than one field; [`Difference::fields`] says in which.
    SeveralDiffer,
    /// A further row of a key on the left side; it matched nothing.
    DuplicateLeft,
    DuplicateRight,
    /// One of several rows of a key of which no two are equal: which belong together is not for a program to say.
    Ambiguous,
    /// A row that could not be read.
    InvalidLeft,
    InvalidRight,
}

impl Kind {
    /// The stable name, for files and tables.
    pub fn name(self) -> &'static str {
        match self {
            Kind::OnlyLeft => "only-left",
            Kind::OnlyRight => "only-right",
            Kind::AccountDiffers => "account-differs",
            Kind::AmountDiffers => "amount-differs",
            Kind::CurrencyDiffers => "currency-differs",
            Kind::StatusDiffers => "status-differs",
            Kind::DayDiffers => "day-differs",
            Kind::SeveralDiffer => "several-differ",
            Kind::DuplicateLeft => "duplicate-left",
            Kind::DuplicateRight => "duplicate-right",
            Kind::Ambiguous => "ambiguous",
            Kind::InvalidLeft => "invalid-left",
            Kind::InvalidRight => "invalid-right",
        }
    }

    /// The kind of a pair that differs in these fields; `None` for none.
    pub(super) fn of_fields(fields: &[Field]) -> Option<Kind> {
        match fields {
            [] => None,
            [Field::Account] => Some(Kind::AccountDiffers),
            [Field::Amount] => Some(Kind::AmountDiffers),
            [Field::Currency] => Some(Kind::CurrencyDiffers),
            [Field::Status] => Some(Kind::StatusDiffers),
            [Field::Day] => Some(Kind::DayDiffers),
            [_, _, ..] => Some(Kind::SeveralDiffer),
        }
    }
}

/// A row and where it was: its number on its side, from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FoundRow {
    pub number: u64,
    pub row: RowBuf,
}

/// A row that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidRow {
    pub number: u64,
    pub reason: String,
}

/// One difference. A pair that differs has both rows, an invalid row has neither, every other kind has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub kind: Kind,
    pub left: Option<FoundRow>,
    pub right: Option<FoundRow>,
    pub invalid: Option<InvalidRow>,
}

impl Difference {
    /// The key it is about; `None` for an invalid row.
    pub fn key(&self) -> Option<&[u8]> {
        self.left.as_ref().or(self.right.as_ref()).map(|found| found.row.key.as_slice())
    }

    /// In which fields the pair differs; empty where there is no pair.
    pub fn fields(&self) -> Vec<Field> {
        match (&self.left, &self.right) {
            (Some(left), Some(right)) => differing(&left.row.as_row(), &right.row.as_row()),
            _ => Vec::new(),
        }
    }
}

pub(super) fn differing(left: &Row<'_>, right: &Row<'_>) -> Vec<Field> {
    let differs = [
        (Field::Account, left.account != right.account),
        (Field::Amount, left.amount_minor != right.amount_minor),
        (Field::Currency, left.currency != right.currency),
        (Field::Status, left.status != right.status),
        (Field::Day, left.day != right.day),
    ];
    differs.into_iter().filter(|(_, differs)| *differs).map(|(field, _)| field).collect()
}

/// How a comparison went. `left_rows = matched + left rows of differences`, and so on the right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub left_rows: u64,
    pub right_rows: u64,
    /// Pairs that are equal in every byte.
    pub matched: u64,
    /// How many differences there are of each kind.
    pub kinds: BTreeMap<Kind, u64>,
    /// Bytes that went to the spill file; depends on memory and may differ from run to run.
    pub spilled_bytes: u64,
}

impl Summary {
    pub(super) fn count(&mut self, kind: Kind) {
        *self.kinds.entry(kind).or_default() += 1;
    }

    /// How many differences there are.
    pub fn differences(&self) -> u64 {
        self.kinds.values().sum()
    }
}
