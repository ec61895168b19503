//! The statements of an MT940 file: opening balance, lines, closing balance, and pages that follow each other.

use super::Field;
use crate::amount::{Style, minor};
use crate::bill::{Proof, Sink};
use crate::error::{BillError, Flaw, Place, Unit, agree};
use crate::time::swift_day;
use crate::{BillRow, Currency, RowKind, When};
use chrono::{Datelike, NaiveDate};
use money::Micros;
use std::borrow::Cow;

/// Fields that may stand in a statement and move no money.
const SILENT: [&str; 10] = ["13", "13D", "21", "28", "28C", "34F", "64", "65", "NS", "86"];

/// A line that waits for its details.
struct Pending {
    field: Field,
    details: Vec<String>,
}

#[derive(Default)]
struct Statement {
    begun: bool,
    account: Option<String>,
    opening: Option<(i64, Currency)>,
    /// Opening balance and the lines so far.
    running: i64,
    pending: Option<Pending>,
    closed: bool,
}

#[derive(Default)]
pub(super) struct Statements {
    current: Statement,
    statements: u64,
    /// The account and closing balance of a page that is not the last (`:62M:`).
    page: Option<(String, i64, Currency)>,
}

/// `C190725EUR1234,56`: direction, day, currency, amount.
fn balance(field: &Field) -> Result<(i64, NaiveDate, Currency), BillError> {
    let text = field.first();
    let direction = text.get(..1).unwrap_or("");
    let day = text.get(1..7).and_then(swift_day).ok_or_else(|| field.broken(1, "the day", Flaw::NotATime))?;
    let currency = text.get(7..10).and_then(Currency::find);
    let currency = currency.ok_or_else(|| field.broken(7, "the currency", Flaw::NotACurrency))?;
    let amount = amount(field, 10, text.get(10..).unwrap_or(""), currency)?;
    match direction {
        "C" => Ok((amount, day, currency)),
        "D" => Ok((-amount, day, currency)), // Not negative, so it has an opposite.
        _ => Err(field.broken(0, "the direction", Flaw::UnknownWord)),
    }
}

fn amount(field: &Field, at: usize, text: &str, currency: Currency) -> Result<i64, BillError> {
    let is_unsigned = text.starts_with(|first: char| first.is_ascii_digit()) && text.contains(',');
    let flawed = |flaw| field.broken(at, "the amount", flaw);
    if !is_unsigned {
        return Err(flawed(Flaw::NotAnAmount));
    }
    minor(text, currency, Style::COMMA).map_err(flawed)
}

impl Statements {
    /// Takes the next field, complete.
    pub fn field(&mut self, field: Option<Field>, sink: &mut Sink<'_>) -> Result<(), BillError> {
        let Some(field) = field else { return Ok(()) };
        if field.tag == "20" {
            self.end(field.place(0), sink)?;
            self.current.begun = true;
            return Ok(());
        }
        if !self.current.begun {
            return Err(field.broken(0, "a field before :20:", Flaw::Misplaced));
        }
        if field.tag == "86" && self.current.pending.is_some() {
            if let Some(pending) = &mut self.current.pending {
                pending.details = field.lines;
            }
            return self.lend(sink);
        }
        self.lend(sink)?;
        match field.tag.as_str() {
            "25" if self.current.account.is_none() => {
                sink.account(field.first(), field.place(0))?;
                self.current.account = Some(field.first().to_owned());
                Ok(())
            }
            "60F" | "60M" if self.current.opening.is_none() => self.open(&field, sink),
            "61" if self.current.opening.is_some() && !self.current.closed => {
                self.current.pending = Some(Pending { field, details: Vec::new() });
                Ok(())
            }
            "62F" | "62M" if self.current.opening.is_some() && !self.current.closed => {
                self.close(&field, sink)
            }
            "25" | "60F" | "60M" | "61" | "62F" | "62M" => Err(field.broken(0, "the field", Flaw::Misplaced)),
            tag if SILENT.contains(&tag) => Ok(()),
            _ => Err(field.broken(0, "the tag", Flaw::UnknownWord)),
        }
    }

    fn open(&mut self, field: &Field, sink: &mut Sink<'_>) -> Result<(), BillError> {
        let (opening, day, currency) = balance(field)?;
        sink.covers(day, day);
        let account = self.current.account.clone().unwrap_or_default();
        match self.page.take() {
            Some((of, closing, in_currency)) if field.tag == "60M" && of == account => {
                if in_currency != currency {
                    return Err(field.broken(7, "the currency", Flaw::Contradiction));
                }
                agree("the page's opening balance", field.place(10), (opening, closing), Unit::Minor)?;
            }
            Some(_) => return Err(field.broken(0, "the page after :62M:", Flaw::Missing)),
            // A file may begin with a later page: its interim balance opens it.
            None => {}
        }
        self.current.opening = Some((opening, currency));
        self.current.running = opening;
        Ok(())
    }

    fn close(&mut self, field: &Field, sink: &mut Sink<'_>) -> Result<(), BillError> {
        let (closing, day, currency) = balance(field)?;
        sink.covers(day, day);
        if self.current.opening.is_some_and(|(_, opened)| opened != currency) {
            return Err(field.broken(7, "the currency", Flaw::Contradiction));
        }
        agree("the closing balance", field.place(10), (closing, self.current.running), Unit::Minor)?;
        sink.proved(Proof::OpeningToClosing);
        self.current.closed = true;
        if field.tag == "62M" {
            let account = self.current.account.clone().unwrap_or_default();
            self.page = Some((account, closing, currency));
        }
        Ok(())
    }

    /// Lends the line that waits.
    fn lend(&mut self, sink: &mut Sink<'_>) -> Result<(), BillError> {
        let Some(Pending { field, details }) = self.current.pending.take() else { return Ok(()) };
        let Some((_, currency)) = self.current.opening else { return Ok(()) };
        let line = Line::read(&field, currency)?;
        let running = self.current.running.checked_add(line.amount_minor);
        let overflow = BillError::Overflow { place: field.place(0), what: "lines".into() };
        self.current.running = running.ok_or(overflow)?;
        let mut raw = format!(":61:{}", field.lines.join("\n"));
        if !details.is_empty() {
            raw.push_str("\n:86:");
            raw.push_str(&details.join("\n"));
        }
        sink.row(&BillRow {
            line: field.line,
            kind: line.kind,
            account: Cow::Borrowed(self.current.account.as_deref().unwrap_or("")),
            channel_ref: Cow::Borrowed(line.bank_ref),
            our_ref: (!matches!(line.our_ref, "" | "NONREF")).then_some(Cow::Borrowed(line.our_ref)),
            about_ref: None,
            status: Cow::Borrowed(line.transaction_type),
            amount_minor: line.amount_minor,
            fee: Micros::ZERO,
            currency,
            at: When::Day(line.day),
            balance_minor: None,
            raw: Cow::Owned(raw),
        })
    }

    /// Ends the statement that is open, if one is.
    pub fn end(&mut self, place: Place, sink: &mut Sink<'_>) -> Result<(), BillError> {
        if !self.current.begun {
            return Ok(());
        }
        self.lend(sink)?;
        let statement = std::mem::take(&mut self.current);
        let truncated = |awaited: &'static str| BillError::Truncated { place, awaited: awaited.into() };
        if statement.account.is_none() {
            return Err(truncated("the account (:25:)"));
        }
        if !statement.closed {
            return Err(truncated("the closing balance (:62F:)"));
        }
        self.statements += 1;
        Ok(())
    }

    /// Ends the file.
    pub fn finish(&self, place: Place) -> Result<(), BillError> {
        if self.statements == 0 {
            return Err(BillError::Truncated { place, awaited: "a statement".into() });
        }
        if self.page.is_some() {
            return Err(BillError::Truncated { place, awaited: "the page after :62M:".into() });
        }
        Ok(())
    }
}

/// `:61:` taken apart: `1907250725CR6,00NTRFINV-1//BANK-1`.
struct Line<'a> {
    day: NaiveDate,
    amount_minor: i64,
    kind: RowKind,
    transaction_type: &'a str,
    our_ref: &'a str,
    bank_ref: &'a str,
}

impl<'a> Line<'a> {
    fn read(field: &'a Field, currency: Currency) -> Result<Line<'a>, BillError> {
        let text = field.first();
        let value_day = text.get(..6).and_then(swift_day);
        let value_day = value_day.ok_or_else(|| field.broken(0, "the value day", Flaw::NotATime))?;
        let mut at = 6;
        let entry = text.get(6..10).filter(|entry| entry.bytes().all(|byte| byte.is_ascii_digit()));
        let mut day = value_day;
        if let Some(entry) = entry {
            at = 10;
            day = entry_day(entry, value_day)
                .ok_or_else(|| field.broken(6, "the entry day", Flaw::NotATime))?;
        }
        let rest = text.get(at..).unwrap_or("");
        // RC takes a credit back, RD a debit.
        let marks = [("RC", true), ("RD", false), ("C", false), ("D", true)];
        let (mark, is_debit) = *marks
            .iter()
            .find(|(mark, _)| rest.starts_with(mark))
            .ok_or_else(|| field.broken(at, "the direction", Flaw::UnknownWord))?;
        at += mark.len();
        // The third letter of the currency may follow.
        if text.get(at..at + 1).is_some_and(|letter| letter.bytes().all(|byte| byte.is_ascii_uppercase())) {
            at += 1;
        }
        let rest = text.get(at..).unwrap_or("");
        let len = rest.find(|c: char| !(c.is_ascii_digit() || c == ',')).unwrap_or(rest.len());
        let amount = amount(field, at, &rest[..len], currency)?;
        at += len;
        let transaction_type = text.get(at..at + 4).filter(|code| code.is_ascii());
        let transaction_type =
            transaction_type.ok_or_else(|| field.broken(at, "the transaction type", Flaw::Missing))?;
        let refs = text.get(at + 4..).unwrap_or("");
        let (our_ref, bank_ref) = refs.split_once("//").unwrap_or((refs, ""));
        let kind = match transaction_type.get(1..) {
            Some("CHG" | "COM") => RowKind::Fee,
            _ if mark.starts_with('R') => RowKind::Other(Cow::Borrowed("reversal")),
            _ => RowKind::Transfer,
        };
        let amount_minor = if is_debit { -amount } else { amount };
        Ok(Line { day, amount_minor, kind, transaction_type, our_ref, bank_ref })
    }
}

/// The entry's month and day in the year that brings it closest to the value day.
fn entry_day(text: &str, value_day: NaiveDate) -> Option<NaiveDate> {
    let month = text.get(..2)?.parse().ok()?;
    let day = text.get(2..)?.parse().ok()?;
    let years = [value_day.year(), value_day.year() - 1, value_day.year() + 1];
    let days = years.into_iter().filter_map(|year| NaiveDate::from_ymd_opt(year, month, day));
    days.min_by_key(|day| day.signed_duration_since(value_day).num_days().abs())
}
