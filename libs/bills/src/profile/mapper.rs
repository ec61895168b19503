//! Rows of a table, of whatever file, to rows of a bill, by a profile.

use super::{AmountColumns, ColumnProfile, dates, kind_named};
use crate::amount::{Style, kind_by_sign, micros, minor, plain_decimal};
use crate::balance::Chain;
use crate::bill::{Proof, Sink};
use crate::error::{BillError, Flaw, Place};
use crate::header::{Header, plain};
use crate::{BillRow, Currency, Limits, RowKind};
use money::Micros;
use std::borrow::Cow;
use std::collections::HashMap;

/// Rows that are looked at for the header, behind those that are skipped.
const HEADER_ROWS_MAX: u64 = 100;

/// A field of a CSV or a cell of a workbook.
#[derive(Clone, Debug)]
pub(crate) struct Cell<'a> {
    pub text: Cow<'a, str>,
    /// A number as a workbook stores it: with a point, whatever the profile says, and maybe with an exponent.
    pub kind: CellKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CellKind {
    Text,
    Number,
}

impl<'a> Cell<'a> {
    pub fn text(text: Cow<'a, str>) -> Cell<'a> {
        Cell { text, kind: CellKind::Text }
    }
}

struct Places {
    at: usize,
    channel_ref: usize,
    our_ref: Option<usize>,
    about_ref: Option<usize>,
    kind: Option<usize>,
    status: Option<usize>,
    fee: Option<usize>,
    currency: Option<usize>,
    account: Option<usize>,
    balance: Option<usize>,
    amount: usize,
    amount_out: Option<usize>,
}

pub(crate) struct Mapper<'p> {
    profile: &'p ColumnProfile,
    limits: Limits,
    kinds: HashMap<&'p str, RowKind>,
    style: Style,
    currency: Option<Currency>,
    seen: u64,
    table: Option<(Header, Places)>,
    chains: HashMap<String, Chain>,
    last_line: u64,
    done: bool,
}

/// A cell with its column, for errors.
#[derive(Clone, Copy)]
struct At<'c> {
    line: u64,
    cells: &'c [Cell<'c>],
    header: &'c Header,
}

impl<'c> At<'c> {
    fn text(&self, index: Option<usize>) -> &'c str {
        index.and_then(|index| self.cells.get(index)).map_or("", |cell| cell.text.trim())
    }

    fn broken(&self, index: usize, flaw: Flaw) -> BillError {
        self.header.broken(self.line, index, flaw, self.text(Some(index)))
    }

    fn is_number(&self, index: usize) -> bool {
        self.cells.get(index).is_some_and(|cell| cell.kind == CellKind::Number)
    }
}

impl<'p> Mapper<'p> {
    pub fn new(profile: &'p ColumnProfile, limits: Limits) -> Mapper<'p> {
        let kinds =
            profile.kinds.iter().filter_map(|word| Some((word.word.as_str(), kind_named(&word.kind)?)));
        let byte = |mark: char| u8::try_from(mark).unwrap_or(0);
        Mapper {
            profile,
            limits,
            kinds: kinds.collect(),
            style: Style {
                point: byte(profile.decimals.point),
                grouping: profile.decimals.grouping.map(byte),
            },
            currency: profile.currency.as_deref().and_then(Currency::find),
            seen: 0,
            table: None,
            chains: HashMap::new(),
            last_line: 0,
            done: false,
        }
    }

    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Takes the next row of the file. `raw` is the row as evidence.
    pub fn row(
        &mut self,
        line: u64,
        cells: &[Cell<'_>],
        raw: &str,
        sink: &mut Sink<'_>,
    ) -> Result<(), BillError> {
        self.seen += 1;
        self.last_line = line;
        if self.done || self.seen <= self.profile.skip_rows {
            return Ok(());
        }
        let Some((header, places)) = self.table.take() else { return self.look_for_header(line, cells) };
        let read = self.table_row(At { line, cells, header: &header }, &places, raw, sink);
        self.table = Some((header, places));
        read
    }

    fn look_for_header(&mut self, line: u64, cells: &[Cell<'_>]) -> Result<(), BillError> {
        let header = Header::of(line, cells.iter().map(|cell| &*cell.text), &self.limits)?;
        let has = |name: &String| header.names().any(|(_, column)| column == plain(name));
        if self.profile.column_names().all(has) {
            let places = self.places(&header)?;
            self.table = Some((header, places));
            return Ok(());
        }
        if self.seen < self.profile.skip_rows.saturating_add(HEADER_ROWS_MAX) {
            return Ok(());
        }
        Err(self.no_header())
    }

    fn no_header(&self) -> BillError {
        let names: Vec<&str> = self.profile.column_names().map(String::as_str).collect();
        let place = Place::line(self.last_line);
        BillError::broken(
            place,
            "the header with all columns of the profile",
            Flaw::Missing,
            &names.join(", "),
        )
    }

    fn places(&self, header: &Header) -> Result<Places, BillError> {
        let get = |name: &String| header.get(&[plain(name).as_str()]);
        let find = |name: &Option<String>| name.as_ref().map(get).transpose();
        let columns = &self.profile.columns;
        let (amount, amount_out) = match &columns.amount {
            AmountColumns::InPositive { column } | AmountColumns::OutPositive { column } => {
                (get(column)?, None)
            }
            AmountColumns::InAndOut { money_in, money_out } => (get(money_in)?, Some(get(money_out)?)),
        };
        Ok(Places {
            at: get(&columns.at)?,
            channel_ref: get(&columns.channel_ref)?,
            our_ref: find(&columns.our_ref)?,
            about_ref: find(&columns.about_ref)?,
            kind: find(&columns.kind)?,
            status: find(&columns.status)?,
            fee: find(&columns.fee)?,
            currency: find(&columns.currency)?,
            account: find(&columns.account)?,
            balance: find(&columns.balance)?,
            amount,
            amount_out,
        })
    }

    /// A field as a decimal: stripped, and a workbook's number brought into the profile's style.
    fn decimal<'c>(&self, at: At<'c>, index: usize) -> Result<(Cow<'c, str>, Style), BillError> {
        let text = at.text(Some(index));
        if at.is_number(index) {
            let text = plain_decimal(text).map_err(|flaw| at.broken(index, flaw))?;
            return Ok((Cow::Owned(text), Style::PLAIN));
        }
        let strip = &self.profile.decimals.strip;
        if !text.contains(|c: char| strip.contains(c)) {
            return Ok((Cow::Borrowed(text), self.style));
        }
        Ok((Cow::Owned(text.chars().filter(|c| !strip.contains(*c)).collect()), self.style))
    }

    fn minor(&self, at: At<'_>, index: usize, currency: Currency) -> Result<i64, BillError> {
        let (text, style) = self.decimal(at, index)?;
        minor(&text, currency, style).map_err(|flaw| at.broken(index, flaw))
    }

    fn amount(&self, at: At<'_>, places: &Places, currency: Currency) -> Result<i64, BillError> {
        let Some(out) = places.amount_out else {
            let amount = self.minor(at, places.amount, currency)?;
            return match &self.profile.columns.amount {
                AmountColumns::OutPositive { .. } => {
                    amount.checked_neg().ok_or_else(|| at.broken(places.amount, Flaw::TooLarge))
                }
                AmountColumns::InPositive { .. } | AmountColumns::InAndOut { .. } => Ok(amount),
            };
        };
        let side = |index: usize| {
            let is_empty = matches!(at.text(Some(index)), "" | "-" | "--");
            if is_empty { Ok(0) } else { self.minor(at, index, currency) }
        };
        match (side(places.amount)?, side(out)?) {
            (money_in, _) if money_in < 0 => Err(at.broken(places.amount, Flaw::Contradiction)),
            (_, money_out) if money_out < 0 => Err(at.broken(out, Flaw::Contradiction)),
            (money_in, 0) => Ok(money_in),
            (0, money_out) => Ok(-money_out), // Not negative, so it has an opposite.
            _ => Err(at.broken(out, Flaw::Contradiction)),
        }
    }

    /// What the channel keeps; an empty field is nothing.
    fn fee(&self, at: At<'_>, places: &Places, currency: Currency) -> Result<Micros, BillError> {
        match places.fee.filter(|index| !at.text(Some(*index)).is_empty()) {
            Some(index) => {
                let (text, style) = self.decimal(at, index)?;
                micros(&text, currency, style).map_err(|flaw| at.broken(index, flaw))
            }
            None => Ok(Micros::ZERO),
        }
    }

    fn table_row(
        &mut self,
        at: At<'_>,
        places: &Places,
        raw: &str,
        sink: &mut Sink<'_>,
    ) -> Result<(), BillError> {
        let first = at.text(Some(0));
        if self.profile.footer.as_ref().is_some_and(|footer| first.starts_with(footer.as_str())) {
            self.done = true;
            return Ok(());
        }
        if at.cells.iter().all(|cell| cell.text.trim().is_empty()) {
            return Ok(()); // Workbooks end with rows that only look like rows.
        }
        at.header.check_width(at.line, at.cells.len(), raw)?;
        let currency = match (self.currency, places.currency) {
            (_, Some(index)) => {
                let found = Currency::find(at.text(Some(index)));
                found.ok_or_else(|| at.broken(index, Flaw::NotACurrency))?
            }
            (Some(currency), None) => currency,
            (None, None) => {
                return Err(BillError::broken(Place::line(at.line), "currency", Flaw::Missing, ""));
            }
        };
        let amount_minor = self.amount(at, places, currency)?;
        let fee = self.fee(at, places, currency)?;
        let account = match places.account {
            Some(index) => at.text(Some(index)),
            None => self.profile.account.as_deref().unwrap_or(""),
        };
        let balance_minor = places.balance.map(|index| self.minor(at, index, currency)).transpose()?;
        if let (Some(balance), Some(index)) = (balance_minor, places.balance) {
            self.link(account, Place::field(at.line, index), (amount_minor, balance))?;
            sink.proved(Proof::RunningBalance);
        }
        let when = match at.is_number(places.at) {
            true => dates::read_number(at.text(Some(places.at)), &self.profile.dates),
            false => dates::read(at.text(Some(places.at)), &self.profile.dates),
        };
        let word = at.text(places.kind);
        let kind = match (places.kind, self.kinds.get(word)) {
            (_, Some(kind)) => kind.clone(),
            (Some(_), None) if !word.is_empty() => RowKind::Other(Cow::Owned(word.to_owned())),
            _ => kind_by_sign(amount_minor),
        };
        let some =
            |index: Option<usize>| Some(at.text(index)).filter(|text| !text.is_empty()).map(Cow::Borrowed);
        sink.row(&BillRow {
            line: at.line,
            kind,
            account: Cow::Borrowed(account),
            channel_ref: Cow::Borrowed(at.text(Some(places.channel_ref))),
            our_ref: some(places.our_ref),
            about_ref: some(places.about_ref),
            status: Cow::Borrowed(at.text(places.status)),
            amount_minor,
            fee,
            currency,
            at: when.map_err(|flaw| at.broken(places.at, flaw))?,
            balance_minor,
            raw: Cow::Borrowed(raw),
        })
    }

    fn link(&mut self, account: &str, place: Place, (amount, balance): (i64, i64)) -> Result<(), BillError> {
        if !self.chains.contains_key(account) {
            if self.chains.len() >= self.limits.names_max {
                let at_most = u64::try_from(self.limits.names_max).unwrap_or(u64::MAX);
                return Err(BillError::TooMuch { place, limit: "names_max", at_most });
            }
            self.chains.insert(account.to_owned(), Chain::default());
        }
        match self.chains.get_mut(account) {
            Some(chain) => chain.link(place, "the balance", amount, balance),
            None => Ok(()), // It was just put there.
        }
    }

    /// After the last row.
    pub fn finish(&self) -> Result<(), BillError> {
        if self.table.is_none() {
            return Err(self.no_header());
        }
        if let Some(footer) = self.profile.footer.as_ref().filter(|_| !self.done) {
            let place = Place::line(self.last_line.saturating_add(1));
            return Err(BillError::Truncated { place, awaited: format!("its footer {footer:?}").into() });
        }
        Ok(())
    }
}
