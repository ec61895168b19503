//! Nets the rows of one range into vouchers: one per (rule, accounting day).

use super::chart::Side;
use super::movement::{Accountable, BadRow, Terms};
use super::rules::RuleTable;
use chrono::{DateTime, NaiveDate, Utc};
use contracts::log::{LogName, Seq, Stamp};
use contracts::voucher::{Posting, Voucher};
use money::Micros;
use std::collections::BTreeMap;

/// Vouchers of one partition and range, before they know the day whose books they stand in.
#[derive(Debug)]
pub struct Drafts<'a> {
    drafts: BTreeMap<(&'a str, NaiveDate), Draft<'a>>,
    source: LogName,
    from_seq: Seq,
    last: Stamp,
}

#[derive(Debug, Default)]
struct Draft<'a> {
    row_count: i64,
    coins: i64,
    sums: BTreeMap<(&'a str, Side), Micros>,
}

impl<'a> Drafts<'a> {
    /// Nets consecutive rows of one partition; `None` for no rows.
    ///
    /// # Errors
    /// The seq of the row that cannot be posted, and why.
    pub fn of_rows<R: Accountable>(
        rows: &[R],
        terms: &Terms,
        rules: &'a RuleTable,
    ) -> Result<Option<Drafts<'a>>, (Seq, BadRow)> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(None) };
        let mut drafts = BTreeMap::new();
        for row in rows {
            add_row(&mut drafts, row, terms, rules).map_err(|why| (row.stamp().seq, why))?;
        }
        let (from_seq, last) = (first.stamp().seq, last.stamp().clone());
        Ok(Some(Drafts { drafts, source: R::LOG, from_seq, last }))
    }

    /// The accounting days of the rows.
    pub fn days(&self) -> impl Iterator<Item = NaiveDate> + '_ {
        self.drafts.keys().map(|(_, day)| *day)
    }

    /// The vouchers, decided at `now`, standing in the books of the days that `posted_day` names.
    pub fn into_vouchers<F>(self, now: DateTime<Utc>, posted_day: F) -> impl Iterator<Item = Voucher> + 'a
    where
        F: Fn(NaiveDate) -> NaiveDate + 'a,
    {
        let (source, from_seq, last) = (self.source, self.from_seq, self.last);
        self.drafts.into_iter().map(move |((rule, day), draft)| Voucher {
            stamp: Stamp { day, ..Stamp::derived(&last, now) },
            rule: rule.to_owned(),
            source,
            from_seq,
            to_seq: last.seq,
            posted_day: posted_day(day),
            row_count: draft.row_count,
            coins: draft.coins,
            postings: draft.sums.into_iter().filter_map(posting).collect(),
        })
    }
}

fn posting(((account, side), amount): ((&str, Side), Micros)) -> Option<Posting> {
    let account = account.to_owned();
    match side {
        _ if amount == Micros::ZERO => None,
        Side::Debit => Some(Posting { account, debit: amount, credit: Micros::ZERO }),
        Side::Credit => Some(Posting { account, debit: Micros::ZERO, credit: amount }),
    }
}

fn add_row<'a, R: Accountable>(
    drafts: &mut BTreeMap<(&'a str, NaiveDate), Draft<'a>>,
    row: &R,
    terms: &Terms,
    rules: &'a RuleTable,
) -> Result<(), BadRow> {
    let Some(movement) = row.movement(terms)? else { return Ok(()) };
    let rule = rules.rule_of(&movement)?;
    let draft = drafts.entry((rule.name.as_str(), row.stamp().day)).or_default();
    draft.row_count += 1;
    draft.coins = draft.coins.checked_add(movement.coins.get()).ok_or(money::MoneyError::Overflow)?;
    for line in &rule.lines {
        let amounts = movement.amounts.iter().filter(|(component, _)| *component == line.component);
        for (_, amount) in amounts {
            add_line(draft, (&line.debit, &line.credit), *amount)?;
        }
    }
    Ok(())
}

/// Adds one amount to both of its accounts; an amount below zero goes the other way round.
fn add_line<'a>(draft: &mut Draft<'a>, accounts: (&'a str, &'a str), amount: Micros) -> Result<(), BadRow> {
    let (debit, credit) = if amount < Micros::ZERO { (accounts.1, accounts.0) } else { accounts };
    let amount = if amount < Micros::ZERO { amount.checked_neg()? } else { amount };
    for (account, side) in [(debit, Side::Debit), (credit, Side::Credit)] {
        let sum = draft.sums.entry((account, side)).or_default();
        *sum = sum.checked_add(amount)?;
    }
    Ok(())
}
