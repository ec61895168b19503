//! Journals as plain text that `bean-check` and `hledger` read: every entry, and balance assertions that make them
//! prove the books again.

use crate::amount::{bounded, push_decimal};
use crate::books::{by_code, check_balanced, check_id};
use crate::{Account, Balance, Commodity, Entry, ExportError, Posting, UNITS_MAX, decimal_text, ledger_name};
use chrono::NaiveDate;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;

/// The most accounts of a journal: each is declared, and its sum is kept while the journal is written.
pub const ACCOUNTS_MAX: usize = 100_000;

/// Which program the journal is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Beancount,
    Hledger,
}

/// The days of a journal, both included. Accounts open on the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    pub from: NaiveDate,
    pub to: NaiveDate,
}

/// Writes a journal entry by entry, in the order of their posted days, in memory bounded by the chart.
///
/// It keeps each account's sum and compares it with the trial balance that [`JournalWriter::assert_balances`] is
/// given, so a journal that ends without an error agrees with the books before any other program reads it.
#[derive(Debug)]
pub struct JournalWriter<'a, W: Write> {
    sink: W,
    dialect: Dialect,
    period: Period,
    commodities: &'a [Commodity],
    accounts: BTreeMap<&'a str, Ledger>,
    /// No entry may be posted before this day.
    open_day: NaiveDate,
    text: String,
}

#[derive(Debug)]
struct Ledger {
    name: String,
    /// By the commodity's place.
    sums: Vec<i128>,
}

impl<'a, W: Write> JournalWriter<'a, W> {
    /// Writes the declarations: commodities, and every account of the chart.
    ///
    /// # Errors
    /// [`ExportError::BadAccount`], [`ExportError::TooManyAccounts`], [`ExportError::BadCommodity`] where one is there
    /// twice, or writing fails.
    pub fn try_new(
        sink: W,
        dialect: Dialect,
        period: Period,
        chart: &'a [Account],
        commodities: &'a [Commodity],
    ) -> Result<JournalWriter<'a, W>, ExportError> {
        let by_code = by_code(chart, ACCOUNTS_MAX)?;
        for (at, commodity) in commodities.iter().enumerate() {
            if commodities[..at].iter().any(|other| other.code() == commodity.code()) {
                return Err(ExportError::BadCommodity(commodity.code().to_owned()));
            }
        }
        let ledger =
            |account: &Account| Ledger { name: ledger_name(account), sums: vec![0; commodities.len()] };
        let accounts = by_code.iter().map(|(code, account)| (*code, ledger(account))).collect();
        let open_day = period.from;
        let text = String::new();
        let mut writer = JournalWriter { sink, dialect, period, commodities, accounts, open_day, text };
        writer.declare_commodities();
        writer.hand_over()?;
        for account in by_code.values() {
            writer.declare_account(account);
            writer.hand_over()?;
        }
        Ok(writer)
    }

    /// Writes what the accounts held before the first day, as one entry on it. Before any other entry.
    ///
    /// # Errors
    /// As for [`JournalWriter::push`].
    pub fn open_balances(&mut self, balances: &[Balance<'_>]) -> Result<(), ExportError> {
        let postings: Vec<_> = balances
            .iter()
            .filter(|balance| balance.units != 0)
            .map(|balance| {
                let Balance { account, commodity, units } = *balance;
                Posting { account, commodity, units }
            })
            .collect();
        if postings.is_empty() {
            return Ok(());
        }
        self.push(&Entry {
            id: "opening",
            posted_day: self.period.from,
            day: self.period.from,
            rule: "opening balances",
            source: "trial balance",
            from_seq: 0,
            to_seq: 0,
            row_count: 0,
            coins: 0,
            postings: &postings,
        })
    }

    /// Writes one entry.
    ///
    /// # Errors
    /// [`ExportError::BadEntryId`], [`ExportError::DayOutOfOrder`], [`ExportError::NotBalanced`],
    /// [`ExportError::UnknownAccount`], [`ExportError::UnknownCommodity`], [`ExportError::AmountTooLarge`], or
    /// writing fails. The journal is then not whole.
    pub fn push(&mut self, entry: &Entry<'_>) -> Result<(), ExportError> {
        check_id(entry.id)?;
        if entry.posted_day < self.open_day || entry.posted_day > self.period.to {
            return Err(ExportError::DayOutOfOrder { id: entry.id.to_owned(), day: entry.posted_day });
        }
        check_balanced(entry.id, entry.postings)?;
        self.open_day = entry.posted_day;
        self.write_heading(entry);
        for posting in entry.postings {
            let place = self.place_of(posting.commodity)?;
            let unknown = || ExportError::UnknownAccount(posting.account.to_owned());
            let ledger = self.accounts.get_mut(posting.account).ok_or_else(unknown)?;
            let sum = bounded(ledger.sums[place].checked_add(posting.units), || posting.account.to_owned())?;
            ledger.sums[place] = sum;
            let _ = write!(self.text, "  {}  ", ledger.name);
            push_decimal(&mut self.text, posting.units, posting.commodity.places());
            let _ = writeln!(self.text, " {}", posting.commodity.code());
        }
        self.text.push('\n');
        self.hand_over()
    }

    /// Asserts what every account holds at the end of `day`, as a trial balance says it. Accounts that are not
    /// named hold nothing. Entries that follow are of later days.
    ///
    /// # Errors
    /// [`ExportError::BalanceDiffers`] where the trial balance and the entries do not agree;
    /// [`ExportError::DayOutOfOrder`] for a day before the last entry's; [`ExportError::NoNextDay`].
    pub fn assert_balances(&mut self, day: NaiveDate, balances: &[Balance<'_>]) -> Result<(), ExportError> {
        if day < self.open_day || day > self.period.to {
            return Err(ExportError::DayOutOfOrder { id: "balances".to_owned(), day });
        }
        let next_day = day.succ_opt().ok_or(ExportError::NoNextDay(day))?;
        self.compare(balances)?;
        if self.dialect == Dialect::Hledger {
            let _ = writeln!(self.text, "{day} * balances at the end of the day");
        }
        for ledger in self.accounts.values() {
            for (commodity, units) in self.commodities.iter().zip(&ledger.sums) {
                let (name, code) = (&ledger.name, commodity.code());
                let amount = decimal_text(*units, commodity.places());
                let _ = match self.dialect {
                    // Beancount asserts what is held when a day begins, and `~ 0` allows no difference.
                    Dialect::Beancount => {
                        writeln!(self.text, "{next_day} balance {name}  {amount} ~ 0 {code}")
                    }
                    Dialect::Hledger => writeln!(self.text, "  {name}  0 {code} = {amount} {code}"),
                };
            }
        }
        self.text.push('\n');
        self.open_day = next_day;
        self.hand_over()
    }

    /// Ends the journal and gives the sink back.
    ///
    /// # Errors
    /// Writing fails.
    pub fn finish(mut self) -> Result<W, ExportError> {
        self.sink.flush()?;
        Ok(self.sink)
    }

    fn compare(&self, balances: &[Balance<'_>]) -> Result<(), ExportError> {
        let mut stated: BTreeMap<(&str, usize), i128> = BTreeMap::new();
        for balance in balances {
            let place = self.place_of(balance.commodity)?;
            if !self.accounts.contains_key(balance.account) {
                return Err(ExportError::UnknownAccount(balance.account.to_owned()));
            }
            let sum = stated.entry((balance.account, place)).or_default();
            *sum = bounded(sum.checked_add(balance.units), || balance.account.to_owned())?;
        }
        for (code, ledger) in &self.accounts {
            for (place, (commodity, units)) in self.commodities.iter().zip(&ledger.sums).enumerate() {
                let said = stated.get(&(code, place)).copied().unwrap_or(0);
                if said != *units {
                    return Err(ExportError::BalanceDiffers {
                        account: (*code).to_owned(),
                        commodity: commodity.code().to_owned(),
                        entries: decimal_text(*units, commodity.places()),
                        stated: decimal_text(said, commodity.places()),
                    });
                }
            }
        }
        Ok(())
    }

    fn place_of(&self, commodity: &Commodity) -> Result<usize, ExportError> {
        let unknown = || ExportError::UnknownCommodity(commodity.code().to_owned());
        self.commodities.iter().position(|known| known == commodity).ok_or_else(unknown)
    }

    fn declare_commodities(&mut self) {
        let from = self.period.from;
        match self.dialect {
            // An entry sums to zero exactly, not nearly.
            Dialect::Beancount => self.text.push_str("option \"tolerance_multiplier\" \"0\"\n\n"),
            Dialect::Hledger => self.text.push_str("decimal-mark .\n\n"),
        }
        for commodity in self.commodities {
            let code = commodity.code();
            let _ = match self.dialect {
                Dialect::Beancount => writeln!(self.text, "{from} commodity {code}"),
                // The places here are those to which hledger balances entries and shows sums: all of them.
                Dialect::Hledger => {
                    let places = "0".repeat(usize::from(commodity.places()));
                    writeln!(self.text, "commodity 1000.{places} {code}")
                }
            };
        }
        self.text.push('\n');
    }

    fn declare_account(&mut self, account: &Account) {
        let (from, name) = (self.period.from, ledger_name(account));
        let _ = match self.dialect {
            Dialect::Beancount => {
                let (code, words) = (quoted(&account.code), quoted(&account.name));
                writeln!(self.text, "{from} open {name}\n  code: {code}\n  name: {words}")
            }
            Dialect::Hledger => {
                let (code, words) = (remark(&account.code), remark(&account.name));
                writeln!(self.text, "account {name}  ; {code} {words}")
            }
        };
    }

    fn write_heading(&mut self, entry: &Entry<'_>) {
        let Entry { id, posted_day, day, from_seq, to_seq, .. } = entry;
        let _ = match self.dialect {
            Dialect::Beancount => {
                let (rule, source) = (quoted(entry.rule), quoted(entry.source));
                writeln!(
                    self.text,
                    "{posted_day} * {rule}\n  id: \"{id}\"\n  day: {day}\n  source: {source}\n  \
                     rows: \"{from_seq}..{to_seq}\""
                )
            }
            Dialect::Hledger => {
                let (rule, source) = (remark(entry.rule), remark(entry.source));
                writeln!(
                    self.text,
                    "{posted_day} * ({id}) {rule}\n  ; source {source} rows {from_seq}..{to_seq} of {day}"
                )
            }
        };
    }

    fn hand_over(&mut self) -> Result<(), ExportError> {
        self.sink.write_all(self.text.as_bytes())?;
        self.text.clear();
        Ok(())
    }
}

/// One line of text: what would end the line is a space.
fn one_line(text: &str) -> impl Iterator<Item = char> + '_ {
    let is_break = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    text.chars().map(move |c| if is_break(c) { ' ' } else { c })
}

/// A string of beancount's. Nothing in it ends it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in one_line(text) {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

/// Words in a description or comment of hledger's. What has a meaning there (tags, dates, comments, notes) loses it.
fn remark(text: &str) -> String {
    let words = one_line(text).map(|c| match c {
        ':' | ';' | '|' | ',' | '[' | ']' | '(' | ')' => ' ',
        plain => plain,
    });
    words.collect::<String>().trim().to_owned()
}

const _: () = assert!(UNITS_MAX < 10_i128.pow(27), "28 digits hold every sum of two amounts");
