//! One movement of money as a channel or bank tells it, in exact integers.

use crate::{Currency, error::Place};
use chrono::{NaiveDate, NaiveDateTime};
use money::Micros;
use std::borrow::Cow;

/// What a row is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RowKind {
    Payment,
    Refund,
    Fee,
    /// From the channel's balance to a bank account.
    Payout,
    Dispute,
    Transfer,
    /// Anything else, by the file's own word.
    Other(Cow<'static, str>),
}

impl RowKind {
    pub fn name(&self) -> &str {
        match self {
            RowKind::Payment => "payment",
            RowKind::Refund => "refund",
            RowKind::Fee => "fee",
            RowKind::Payout => "payout",
            RowKind::Dispute => "dispute",
            RowKind::Transfer => "transfer",
            RowKind::Other(name) => name,
        }
    }
}

/// When, as exactly as the file tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum When {
    /// A day of the bank's or channel's calendar, without a time.
    Day(NaiveDate),
    /// A local time and what it is ahead of UTC, in seconds. Chinese bills are China Standard Time (+28,800);
    /// files that tell no offset get the one their format prescribes or their profile names.
    Moment { local: NaiveDateTime, offset_s: i32 },
}

impl When {
    /// The day on the local calendar.
    pub fn day(&self) -> NaiveDate {
        match self {
            When::Day(day) => *day,
            When::Moment { local, .. } => local.date(),
        }
    }
}

/// One row. Borrows from the file while it is read; [`BillRow::into_owned`] keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillRow<'a> {
    /// Where the row begins; in a workbook, the sheet's row.
    pub line: u64,
    pub kind: RowKind,
    /// The merchant or account whose row this is; empty where the file does not tell.
    pub account: Cow<'a, str>,
    /// The channel's own id of this movement: the transaction for a payment, the refund for a refund.
    pub channel_ref: Cow<'a, str>,
    /// Our own id as we gave it to the channel (order, or refund request), where the file has one.
    pub our_ref: Option<Cow<'a, str>>,
    /// The channel's id of what a refund, dispute or fee is about, where the file has one.
    pub about_ref: Option<Cow<'a, str>>,
    /// The state in the file's own word (SUCCESS, REFUND, BOOK, paid); empty where it has none.
    pub status: Cow<'a, str>,
    /// In minor units of `currency`: positive where money comes to us, before the fee.
    pub amount_minor: i64,
    /// What the channel keeps for this row, in millionths of a minor unit: positive where we pay it, negative
    /// where it gives it back. Exact also for fees of five decimals.
    pub fee: Micros,
    pub currency: Currency,
    pub at: When,
    /// The account's balance after this row, in minor units.
    pub balance_minor: Option<i64>,
    /// The row as it stands in the file, for evidence.
    pub raw: Cow<'a, str>,
}

impl BillRow<'_> {
    pub fn into_owned(self) -> BillRow<'static> {
        fn own(text: Cow<'_, str>) -> Cow<'static, str> {
            Cow::Owned(text.into_owned())
        }
        BillRow {
            line: self.line,
            kind: self.kind,
            account: own(self.account),
            channel_ref: own(self.channel_ref),
            our_ref: self.our_ref.map(own),
            about_ref: self.about_ref.map(own),
            status: own(self.status),
            amount_minor: self.amount_minor,
            fee: self.fee,
            currency: self.currency,
            at: self.at,
            balance_minor: self.balance_minor,
            raw: own(self.raw),
        }
    }

    pub(crate) fn place(&self) -> Place {
        Place::line(self.line)
    }
}
