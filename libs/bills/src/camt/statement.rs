//! One statement of one account while it is read: its balances, its entries, and what they must add up to.

use crate::amount::{Style, minor};
use crate::bill::{Proof, Sink};
use crate::error::{BillError, Flaw, Place, Unit, agree};
use crate::{BillRow, Currency, RowKind, When};
use chrono::NaiveDate;
use money::Micros;
use std::borrow::Cow;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Credit,
    Debit,
}

/// A balance or entry as far as it was read.
#[derive(Default)]
pub(super) struct Balance {
    pub code: String,
    pub amount: Option<(i64, Currency)>,
    pub direction: Option<Direction>,
}

#[derive(Default)]
pub(super) struct Entry {
    from: usize,
    line: u64,
    pub amount: Option<(i64, Currency)>,
    pub direction: Option<Direction>,
    pub status: String,
    pub is_reversal: bool,
    pub booked: Option<When>,
    pub valued: Option<When>,
    pub bank_ref: String,
    pub entry_ref: String,
    pub details: u32,
    pub end_to_end: Option<String>,
}

/// What the summary states about one side.
#[derive(Default)]
pub(super) struct Stated {
    pub rows: Option<(i64, Place)>,
    pub sum: Option<(String, Place)>,
}

#[derive(Clone, Copy, Default)]
struct Counted {
    rows: i64,
    minor: i64,
}

#[derive(Default)]
pub(super) struct Statement {
    pub account: String,
    pub from: Option<NaiveDate>,
    pub to: Option<NaiveDate>,
    /// The currency of the amount that is being read.
    pub currency: Option<String>,
    pub balance: Balance,
    pub entry: Entry,
    pub stated_all: Stated,
    pub stated_credits: Stated,
    pub stated_debits: Stated,
    /// OPBD, PRCD, CLBD, ITBD in the order they stand there, signed.
    balances: Vec<(String, i64, Currency, Place)>,
    credits: Counted,
    debits: Counted,
    booked_minor: i64,
    entries_currency: Option<(Currency, Place)>,
}

/// Balances of these kinds prove the rows; all others are about other days or available money.
const BOOKED: [&str; 4] = ["OPBD", "PRCD", "CLBD", "ITBD"];

fn signed(
    amount: Option<(i64, Currency)>,
    direction: Option<Direction>,
    place: Place,
) -> Result<(i64, Currency), BillError> {
    let missing = |name| BillError::broken(place, name, Flaw::Missing, "");
    let (amount, currency) = amount.ok_or_else(|| missing("Amt"))?;
    match direction.ok_or_else(|| missing("CdtDbtInd"))? {
        Direction::Credit => Ok((amount, currency)),
        Direction::Debit => Ok((-amount, currency)), // Not negative, so it has an opposite.
    }
}

impl Statement {
    pub fn open_balance(&mut self) {
        self.balance = Balance::default();
    }

    pub fn close_balance(&mut self, place: Place) -> Result<(), BillError> {
        let balance = std::mem::take(&mut self.balance);
        if !BOOKED.contains(&balance.code.as_str()) {
            return Ok(());
        }
        let (amount, currency) = signed(balance.amount, balance.direction, place)?;
        let is_twice = self.balances.iter().any(|(code, ..)| *code == balance.code);
        if is_twice && balance.code != "ITBD" {
            return Err(BillError::broken(place, "Bal", Flaw::Twice, &balance.code));
        }
        // A page has two interim balances; a third would be another page's.
        if self.balances.len() > BOOKED.len() {
            return Err(BillError::broken(place, "Bal", Flaw::Twice, &balance.code));
        }
        self.balances.push((balance.code, amount, currency, place));
        Ok(())
    }

    pub fn open_entry(&mut self, from: usize, line: u64) {
        self.entry = Entry { from, line, ..Entry::default() };
    }

    /// Lends the entry if it is booked. `text` is the document, the entry's end in it, and the evidence's length
    /// at most.
    pub fn close_entry(
        &mut self,
        (text, end, raw_bytes_max): (&str, usize, usize),
        place: Place,
        sink: &mut Sink<'_>,
    ) -> Result<(), BillError> {
        let entry = std::mem::take(&mut self.entry);
        let place = Place { line: entry.line, column: 0, byte: place.byte };
        let (amount_minor, currency) = signed(entry.amount, entry.direction, place)?;
        let overflow = || BillError::Overflow { place, what: "entries".into() };
        let side =
            if entry.direction == Some(Direction::Debit) { &mut self.debits } else { &mut self.credits };
        side.rows += 1;
        side.minor = side.minor.checked_add(amount_minor).ok_or_else(overflow)?;
        match entry.status.as_str() {
            "BOOK" => {}
            "PDNG" | "INFO" | "FUTR" => return Ok(()),
            other => return Err(BillError::broken(place, "Sts", Flaw::UnknownWord, other)),
        }
        match self.entries_currency {
            None => self.entries_currency = Some((currency, place)),
            Some((before, _)) if before == currency => {}
            Some(_) => return Err(BillError::broken(place, "Amt", Flaw::Contradiction, currency.code())),
        }
        self.booked_minor = self.booked_minor.checked_add(amount_minor).ok_or_else(overflow)?;
        let at = entry.booked.or(entry.valued);
        let at = at.ok_or_else(|| BillError::broken(place, "BookgDt", Flaw::Missing, ""))?;
        let bank_ref = if entry.bank_ref.is_empty() { entry.entry_ref } else { entry.bank_ref };
        let kind = match entry.is_reversal {
            true => RowKind::Other(Cow::Borrowed("reversal")),
            false => RowKind::Transfer,
        };
        sink.row(&BillRow {
            line: entry.line,
            kind,
            account: Cow::Borrowed(&self.account),
            channel_ref: Cow::Borrowed(&bank_ref),
            // An entry of many payments has no one reference of ours.
            our_ref: entry.end_to_end.filter(|_| entry.details == 1).map(Cow::Owned),
            about_ref: None,
            status: Cow::Borrowed(&entry.status),
            amount_minor,
            fee: Micros::ZERO,
            currency,
            at,
            balance_minor: None,
            raw: Cow::Borrowed(shortened(text.get(entry.from..end).unwrap_or(""), raw_bytes_max)),
        })
    }

    /// Proves the statement when its last element was read.
    pub fn finish(self, place: Place, sink: &mut Sink<'_>) -> Result<(), BillError> {
        let truncated = |awaited: &'static str| BillError::Truncated { place, awaited: awaited.into() };
        let first = |codes: [&str; 3]| {
            codes.iter().find_map(|code| self.balances.iter().find(|(found, ..)| found == code))
        };
        let opening = first(["OPBD", "PRCD", "ITBD"]).ok_or(truncated("an opening balance (OPBD, PRCD)"))?;
        let closing = first(["CLBD", "CLBD", "CLBD"])
            .or_else(|| self.balances.iter().rfind(|(code, ..)| code == "ITBD"))
            .filter(|closing| !std::ptr::eq(*closing, opening))
            .ok_or(truncated("a closing balance (CLBD)"))?;
        let (_, opening_minor, currency, _) = *opening;
        let (_, closing_minor, closing_currency, closing_place) = *closing;
        if closing_currency != currency {
            let found = closing_currency.code();
            return Err(BillError::broken(closing_place, "Ccy of CLBD", Flaw::Contradiction, found));
        }
        if let Some((found, place)) = self.entries_currency.filter(|(found, _)| *found != currency) {
            return Err(BillError::broken(place, "Ccy of Ntry", Flaw::Contradiction, found.code()));
        }
        let counted = opening_minor.checked_add(self.booked_minor);
        let overflow = BillError::Overflow { place, what: "opening balance and entries".into() };
        let counted = counted.ok_or(overflow)?;
        agree("the closing balance", closing_place, (closing_minor, counted), Unit::Minor)?;
        sink.proved(Proof::OpeningToClosing);
        self.check_summary(currency, place, sink)?;
        match (self.from, self.to) {
            (Some(from), Some(to)) => sink.covers(from, to),
            (Some(day), None) | (None, Some(day)) => sink.covers(day, day),
            (None, None) => {}
        }
        Ok(())
    }

    fn check_summary(&self, currency: Currency, place: Place, sink: &mut Sink<'_>) -> Result<(), BillError> {
        let overflow = || BillError::Overflow { place, what: "entries".into() };
        let debits = Counted { minor: self.debits.minor.checked_neg().ok_or_else(overflow)?, ..self.debits };
        let all = Counted {
            rows: self.credits.rows + self.debits.rows,
            minor: self.credits.minor.checked_add(debits.minor).ok_or_else(overflow)?,
        };
        let sides = [
            ("TtlNtries", &self.stated_all, all),
            ("TtlCdtNtries", &self.stated_credits, self.credits),
            ("TtlDbtNtries", &self.stated_debits, debits),
        ];
        for (name, stated, counted) in sides {
            if let Some((rows, place)) = stated.rows {
                agree(format!("{name}/NbOfNtries"), place, (rows, counted.rows), Unit::Rows)?;
                sink.proved(Proof::RowCount);
            }
            if let Some((text, place)) = &stated.sum {
                let sum = minor(text, currency, Style::PLAIN)
                    .map_err(|flaw| BillError::broken(*place, format!("{name}/Sum"), flaw, text))?;
                agree(format!("{name}/Sum"), *place, (sum, counted.minor), Unit::Minor)?;
                sink.proved(Proof::Sums);
            }
        }
        Ok(())
    }
}

/// The beginning of a long entry: evidence, not a copy of a batch of thousands.
fn shortened(text: &str, bytes_max: usize) -> &str {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
