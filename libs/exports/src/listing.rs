//! Journal and trial balance as tables: which columns they have, and how an entry becomes rows.

use crate::amount::bounded;
use crate::books::{by_code, check_balanced, check_id};
use crate::plain_text::ACCOUNTS_MAX;
use crate::{Account, Cell, Column, Commodity, Entry, ExportError, Kind, TableWriter};
use std::collections::BTreeMap;

/// The journal as a table: one row per posting. Each commodity has columns of its own, so that sums mean something.
#[derive(Debug)]
pub struct JournalListing<'a> {
    accounts: BTreeMap<&'a str, &'a Account>,
    commodities: &'a [Commodity],
}

impl<'a> JournalListing<'a> {
    /// A listing with the chart's names and these commodities.
    ///
    /// # Errors
    /// [`ExportError::BadAccount`], [`ExportError::TooManyAccounts`].
    pub fn try_new(
        chart: &'a [Account],
        commodities: &'a [Commodity],
    ) -> Result<JournalListing<'a>, ExportError> {
        Ok(JournalListing { accounts: by_code(chart, ACCOUNTS_MAX)?, commodities })
    }

    pub fn columns(&self) -> Vec<Column> {
        let mut columns = vec![
            Column::new("entry", Kind::Id),
            Column::new("line", Kind::Count),
            Column::new("posted_day", Kind::Day),
            Column::new("day", Kind::Day),
            Column::new("rule", Kind::Text),
            Column::new("source", Kind::Text),
            Column::new("from_seq", Kind::Count),
            Column::new("to_seq", Kind::Count),
            Column::new("row_count", Kind::Count),
            Column::new("coins", Kind::Count),
            Column::new("account", Kind::Id),
            Column::new("account_name", Kind::Text),
        ];
        columns
            .extend(self.commodities.iter().flat_map(|commodity| amounts(commodity, &["debit", "credit"])));
        columns
    }

    /// Writes one row per posting. Coins and row counts belong to the entry and stand on each of its rows.
    ///
    /// # Errors
    /// [`ExportError::BadEntryId`], [`ExportError::NotBalanced`], [`ExportError::UnknownAccount`],
    /// [`ExportError::UnknownCommodity`], or what the table says.
    pub fn push(&self, table: &mut impl TableWriter, entry: &Entry<'_>) -> Result<(), ExportError> {
        check_id(entry.id)?;
        check_balanced(entry.id, entry.postings)?;
        let mut row = Vec::with_capacity(12 + 2 * self.commodities.len());
        for (line, posting) in (1..).zip(entry.postings) {
            let unknown = || ExportError::UnknownAccount(posting.account.to_owned());
            let account = self.accounts.get(posting.account).ok_or_else(unknown)?;
            row.clear();
            row.extend([
                Cell::Id(entry.id),
                Cell::Count(line),
                Cell::Day(entry.posted_day),
                Cell::Day(entry.day),
                Cell::Text(entry.rule),
                Cell::Text(entry.source),
                Cell::Count(entry.from_seq),
                Cell::Count(entry.to_seq),
                Cell::Count(entry.row_count),
                Cell::Count(entry.coins),
                Cell::Id(posting.account),
                Cell::Text(&account.name),
            ]);
            let unknown = || ExportError::UnknownCommodity(posting.commodity.code().to_owned());
            let place =
                self.commodities.iter().position(|known| known == posting.commodity).ok_or_else(unknown)?;
            for at in 0..self.commodities.len() {
                row.extend(match (at == place, posting.units > 0) {
                    (false, _) => [Cell::Empty, Cell::Empty],
                    (true, true) => [Cell::Money(posting.units), Cell::Empty],
                    (true, false) => [Cell::Empty, Cell::Money(-posting.units)],
                });
            }
            table.push(&row)?;
        }
        Ok(())
    }
}

/// What an account moved in one commodity, in its units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    pub debit_units: i128,
    pub credit_units: i128,
}

/// One account of the trial balance: what it moved, by the listing's commodities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrialLine<'a> {
    pub account: &'a Account,
    pub moved: &'a [Moved],
}

/// The trial balance as a table: one row per account; every balance column's total is zero, or the books are broken.
#[derive(Debug)]
pub struct TrialBalanceListing<'a> {
    commodities: &'a [Commodity],
}

impl<'a> TrialBalanceListing<'a> {
    pub fn new(commodities: &'a [Commodity]) -> TrialBalanceListing<'a> {
        TrialBalanceListing { commodities }
    }

    pub fn columns(&self) -> Vec<Column> {
        let mut columns = vec![
            Column::new("account", Kind::Id),
            Column::new("account_name", Kind::Text),
            Column::new("grows", Kind::Text),
        ];
        let words = ["debit", "credit", "balance"];
        columns.extend(self.commodities.iter().flat_map(|commodity| amounts(commodity, &words)));
        columns
    }

    /// Writes one account. The balance is debits less credits.
    ///
    /// # Errors
    /// [`ExportError::AmountTooLarge`], [`ExportError::RowLength`] where the line has another number of commodities,
    /// or what the table says.
    pub fn push(&self, table: &mut impl TableWriter, line: &TrialLine<'_>) -> Result<(), ExportError> {
        let account = line.account;
        let mut row =
            vec![Cell::Id(&account.code), Cell::Text(&account.name), Cell::Text(account.grows.word())];
        for moved in line.moved {
            let balance = moved.debit_units.checked_sub(moved.credit_units);
            let balance = bounded(balance, || format!("account {}", account.code))?;
            row.extend([
                Cell::Money(moved.debit_units),
                Cell::Money(moved.credit_units),
                Cell::Money(balance),
            ]);
        }
        table.push(&row)
    }
}

fn amounts(commodity: &Commodity, words: &[&str]) -> Vec<Column> {
    let code = commodity.code().to_lowercase();
    let kind = Kind::Money { scale: commodity.places() };
    words.iter().map(|word| Column::totalled(format!("{word}_{code}"), kind)).collect()
}
