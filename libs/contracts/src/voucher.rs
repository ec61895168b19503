//! Rows of `clearing.vouchers`: balanced accounting documents, netted per rule, day, partition and range.

use crate::log::{LogName, Seq, Stamp};
use chrono::NaiveDate;
use money::Micros;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One line of a voucher. Exactly one side is above zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Posting {
    /// The account's code in the chart (`2205.01`).
    pub account: String,
    pub debit: Micros,
    pub credit: Micros,
}

/// One row of `clearing.vouchers`. `stamp.origin_seq` is `to_seq`, `stamp.day` the accounting day of the
/// rows; unique on (source, rule, day, partition, from_seq). Its postings sum to zero: the database refuses it
/// otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Voucher {
    pub stamp: Stamp,
    /// The accounting rule, by its name in the rule table.
    pub rule: String,
    /// The log it was made from.
    pub source: LogName,
    /// The range of the source's rows it covers, both ends included.
    pub from_seq: Seq,
    pub to_seq: Seq,
    /// The day whose books it stands in: the rows' own, or the first open one after it where that is locked.
    pub posted_day: NaiveDate,
    /// Rows of the range that the rule applied to, and their coins.
    pub row_count: i64,
    pub coins: i64,
    pub postings: Vec<Posting>,
}

crate::log_row!(Voucher, LogName::Vouchers);
