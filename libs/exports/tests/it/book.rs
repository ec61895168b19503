//! A small book to export: a chart with names that try to be more than names, and entries that balance.

use chrono::NaiveDate;
use exports::{Account, Balance, Commodity, Entry, Growth, Posting};
use proptest::prelude::*;
use std::collections::BTreeMap;

pub fn day(number: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, number).expect("November has that day")
}

pub fn cny() -> Commodity {
    Commodity::try_new("CNY", 8).expect("a plain code")
}

pub fn coin() -> Commodity {
    Commodity::try_new("COIN", 0).expect("a plain code")
}

/// Names that end strings, begin comments, tags, dates, directives and formulas.
pub const NASTY: [&str; 8] = [
    "Contract liability: paid coins",
    "x\" \\\" \\ end\\",
    "a ; type:X, date:2020-01-01 [2020-01-01] | b",
    "line one\n2026-11-01 open Assets:Stolen\n    Assets:Stolen  9 CNY",
    "=HYPERLINK(\"https://example.org\")",
    "应付主播 🎁",
    "\u{2028}account Assets:Stolen\r\nP 2026-01-01 CNY 5 COIN",
    "  spaces, (code) * ! ",
];

pub fn chart() -> Vec<Account> {
    let codes = ["1122", "1221", "2205.01", "2205.02", "2241.01", "6001", "6401.01", "X-9.z"];
    let grows =
        |code: &str| if code.starts_with('1') || code == "6401.01" { Growth::Debit } else { Growth::Credit };
    let account =
        |(code, name): (&str, &str)| Account { code: code.into(), name: name.into(), grows: grows(code) };
    codes.into_iter().zip(NASTY).map(account).collect()
}

/// An entry that owns what it says.
#[derive(Clone, Debug)]
pub struct OwnEntry {
    pub id: String,
    pub posted_day: NaiveDate,
    pub rule: String,
    /// Account's place in the chart, commodity's place, units.
    pub lines: Vec<(usize, usize, i128)>,
}

#[derive(Clone, Debug)]
pub struct Book {
    pub chart: Vec<Account>,
    pub commodities: Vec<Commodity>,
    pub entries: Vec<OwnEntry>,
}

impl Book {
    /// Gives each entry, in order, to `take`.
    pub fn each(&self, mut take: impl FnMut(&Entry<'_>)) {
        for own in &self.entries {
            let postings: Vec<Posting<'_>> = own
                .lines
                .iter()
                .map(|(account, commodity, units)| Posting {
                    account: &self.chart[*account].code,
                    commodity: &self.commodities[*commodity],
                    units: *units,
                })
                .collect();
            take(&Entry {
                id: &own.id,
                posted_day: own.posted_day,
                day: own.posted_day,
                rule: &own.rule,
                source: "cashier.payments",
                from_seq: 1,
                to_seq: 9,
                row_count: 9,
                coins: 1_000,
                postings: &postings,
            });
        }
    }

    /// What every account holds at the end of `day`, by account's and commodity's place. Computed from the lines
    /// alone, by other code than the writer's.
    pub fn sums(&self, day: NaiveDate) -> BTreeMap<(usize, usize), i128> {
        let mut sums = BTreeMap::new();
        for entry in self.entries.iter().filter(|entry| entry.posted_day <= day) {
            for (account, commodity, units) in &entry.lines {
                *sums.entry((*account, *commodity)).or_default() += units;
            }
        }
        sums
    }

    pub fn balances(&self, day: NaiveDate) -> Vec<Balance<'_>> {
        let balance = |((account, commodity), units): ((usize, usize), i128)| Balance {
            account: &self.chart[account].code,
            commodity: &self.commodities[commodity],
            units,
        };
        self.sums(day).into_iter().map(balance).collect()
    }
}

/// Amounts of every size: single micros, round sums, more digits than a double holds.
fn units(commodity: usize) -> BoxedStrategy<i128> {
    if commodity == 1 {
        return (1_i128..1_000_000_000).boxed();
    }
    prop_oneof![1_i128..100, 1_i128..10_000_000_000_000, Just(5_000_000_000), 1_i128..=i128::from(i64::MAX)]
        .boxed()
}

fn entry() -> impl Strategy<Value = (u32, String, Vec<(usize, usize, i128)>)> {
    let pair = (0_usize..8, 1_usize..8, 0_usize..2).prop_flat_map(|(debit, step, commodity)| {
        units(commodity)
            .prop_map(move |units| [(debit, commodity, units), ((debit + step) % 8, commodity, -units)])
    });
    let rule =
        prop_oneof![Just("recharge-paid".to_owned()), (0_usize..8).prop_map(|at| NASTY[at].to_owned())];
    (1_u32..=28, rule, proptest::collection::vec(pair, 1..4))
        .prop_map(|(day, rule, pairs)| (day, rule, pairs.into_iter().flatten().collect()))
}

/// A random book of November with `entries` entries, by day.
pub fn book(entries: std::ops::Range<usize>) -> impl Strategy<Value = Book> {
    proptest::collection::vec(entry(), entries).prop_map(|mut drawn| {
        drawn.sort_by_key(|(day, ..)| *day);
        let own = |(number, (at, rule, lines)): (usize, (u32, String, Vec<_>))| OwnEntry {
            id: format!("17-{number}"),
            posted_day: day(at),
            rule,
            lines,
        };
        let entries = drawn.into_iter().enumerate().map(own).collect();
        Book { chart: chart(), commodities: vec![cny(), coin()], entries }
    })
}
