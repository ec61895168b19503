//! What books are made of, as an export sees them: a chart, entries of postings, balances.

use crate::amount::bounded;
use crate::{ExportError, SCALE_MAX};
use chrono::NaiveDate;
use std::collections::BTreeMap;

/// The longest account code.
const CODE_CHARS_MAX: usize = 64;
const ENTRY_ID_CHARS_MAX: usize = 64;

/// What amounts are counted in: a currency, or coins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Commodity {
    code: String,
    places: u8,
}

impl Commodity {
    /// A commodity whose units have `places` decimal places: 8 for millionths of a fen, 0 for whole coins.
    ///
    /// # Errors
    /// [`ExportError::BadCommodity`] unless the code is 2 to 12 of `A-Z0-9` and begins with a letter.
    pub fn try_new(code: &str, places: u8) -> Result<Commodity, ExportError> {
        let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        let begins_well = code.as_bytes().first().is_some_and(u8::is_ascii_uppercase);
        if !begins_well || !(2..=12).contains(&code.len()) || !code.bytes().all(plain) || places > SCALE_MAX {
            return Err(ExportError::BadCommodity(code.to_owned()));
        }
        Ok(Commodity { code: code.to_owned(), places })
    }

    pub fn code(&self) -> &str {
        &self.code
    }

    /// Decimal places of one unit.
    pub fn places(&self) -> u8 {
        self.places
    }
}

/// The side on which an account grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    Debit,
    Credit,
}

impl Growth {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Growth::Debit => "debit",
            Growth::Credit => "credit",
        }
    }
}

/// One account of the chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub code: String,
    pub name: String,
    pub grows: Growth,
}

/// One line of an entry: above zero is a debit, below zero a credit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting<'a> {
    pub account: &'a str,
    pub commodity: &'a Commodity,
    /// In the commodity's units.
    pub units: i128,
}

/// One balanced document of the journal: a voucher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Unique in the journal: 1 to 64 of `0-9A-Za-z._:-`, `17-4211` for row 4211 of partition 17.
    pub id: &'a str,
    /// The day whose books it stands in.
    pub posted_day: NaiveDate,
    /// The accounting day of what it was made from.
    pub day: NaiveDate,
    /// The accounting rule that made it.
    pub rule: &'a str,
    /// The log it was made from, and the range of rows, both ends included.
    pub source: &'a str,
    pub from_seq: i64,
    pub to_seq: i64,
    /// Rows of the range that the rule applied to, and their coins.
    pub row_count: i64,
    pub coins: i64,
    pub postings: &'a [Posting<'a>],
}

/// What an account holds of one commodity: debits less credits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance<'a> {
    pub account: &'a str,
    pub commodity: &'a Commodity,
    pub units: i128,
}

/// Whether the entry's id can stand in every format.
pub(crate) fn check_id(id: &str) -> Result<(), ExportError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-');
    if (1..=ENTRY_ID_CHARS_MAX).contains(&id.len()) && id.bytes().all(plain) {
        return Ok(());
    }
    Err(ExportError::BadEntryId(id.to_owned()))
}

/// The chart by code.
///
/// # Errors
/// [`ExportError::BadAccount`] for a code that is there twice, empty or too long; [`ExportError::TooManyAccounts`].
pub(crate) fn by_code(
    chart: &[Account],
    accounts_max: usize,
) -> Result<BTreeMap<&str, &Account>, ExportError> {
    if chart.len() > accounts_max {
        return Err(ExportError::TooManyAccounts { accounts: chart.len(), max: accounts_max });
    }
    let mut by_code = BTreeMap::new();
    for account in chart {
        let has_length = (1..=CODE_CHARS_MAX).contains(&account.code.chars().count());
        if !has_length || by_code.insert(account.code.as_str(), account).is_some() {
            return Err(ExportError::BadAccount(account.code.clone()));
        }
    }
    Ok(by_code)
}

/// Refuses postings that do not sum to zero in every commodity.
pub(crate) fn check_balanced(id: &str, postings: &[Posting<'_>]) -> Result<(), ExportError> {
    let mut sums: BTreeMap<&Commodity, i128> = BTreeMap::new();
    for posting in postings {
        let units = bounded(Some(posting.units), || format!("entry {id}"))?;
        let sum = sums.entry(posting.commodity).or_default();
        *sum = bounded(sum.checked_add(units), || format!("entry {id}"))?;
    }
    match sums.into_iter().find(|(_, sum)| *sum != 0) {
        None => Ok(()),
        Some((commodity, _)) => {
            let commodity = commodity.code().to_owned();
            Err(ExportError::NotBalanced { id: id.to_owned(), commodity })
        }
    }
}
