//! What a file was as a whole, and the sums that grow while its rows are lent. Owns what a proof is.

use crate::error::{BillError, Place};
use crate::source::Digested;
use crate::{BillRow, Currency, Expect, Format, Limits};
use chrono::NaiveDate;
use money::Micros;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// A bill or statement whose rows were all lent and whose promises about itself all held.
#[derive(Clone, Debug, PartialEq)]
pub struct Bill {
    pub format: Format,
    /// The merchants or accounts whose rows are in it, in order.
    pub accounts: Vec<String>,
    /// The days it covers: as it states, else of its first and last row. `None` for a bill without rows.
    pub covers: Option<(NaiveDate, NaiveDate)>,
    pub rows: u64,
    /// Sums per currency. Sums across currencies would mean nothing.
    pub totals: BTreeMap<Currency, Totals>,
    /// What was verified. A format without totals of its own (Stripe) proves less, and says so here.
    pub proofs: BTreeSet<Proof>,
    /// SHA-256 of the unpacked bytes (of a workbook, of the file as it is; of an Alipay archive, of the detail
    /// member). Importing a bill twice is refused by whoever stores this, by a unique key on it.
    pub sha256: [u8; 32],
    /// Unpacked bytes.
    pub bytes: u64,
}

/// Sums over the rows of one currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub rows: u64,
    /// Sum of the amounts from zero up, in minor units.
    pub in_minor: i64,
    /// Sum of the amounts below zero, in minor units: zero or negative.
    pub out_minor: i64,
    /// Sum of the fees, what was given back already taken off.
    pub fee: Micros,
}

impl Totals {
    /// What came in less what went out, before fees.
    pub fn net_minor(&self) -> i64 {
        // Opposite signs: cannot overflow.
        self.in_minor.saturating_add(self.out_minor)
    }
}

/// Something a file states about itself, or that was expected of it, and that its rows bear out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proof {
    /// The stated number of rows.
    RowCount,
    /// The stated sums.
    Sums,
    /// Each row's balance follows from the one before.
    RunningBalance,
    /// Opening balance and rows give the closing balance.
    OpeningToClosing,
    /// In each row, gross less fee is net.
    GrossFeeNet,
    /// Each payout takes exactly what its rows brought.
    PayoutsToZero,
    /// The second member of the archive says the same.
    Summary,
    /// The expected hash.
    Hash,
}

/// How rows are handed on: lent for the call. `Break` ends the reading with [`BillError::Stopped`].
pub type Visit<'v> = dyn FnMut(&BillRow<'_>) -> ControlFlow<()> + 'v;

/// Lends rows and adds them up.
pub(crate) struct Sink<'v> {
    visit: &'v mut Visit<'v>,
    limits: Limits,
    pub rows: u64,
    totals: BTreeMap<Currency, Totals>,
    /// The currency of the row before and its sums: bills rarely change theirs.
    current: Option<(Currency, Totals)>,
    accounts: BTreeSet<String>,
    last_account: String,
    covers: Option<(NaiveDate, NaiveDate)>,
    proofs: BTreeSet<Proof>,
}

impl<'v> Sink<'v> {
    pub fn new(visit: &'v mut Visit<'v>, limits: Limits) -> Sink<'v> {
        Sink {
            visit,
            limits,
            rows: 0,
            totals: BTreeMap::new(),
            current: None,
            accounts: BTreeSet::new(),
            last_account: String::new(),
            covers: None,
            proofs: BTreeSet::new(),
        }
    }

    pub fn row(&mut self, row: &BillRow<'_>) -> Result<(), BillError> {
        if self.rows >= self.limits.rows_max {
            return Err(BillError::TooMuch {
                place: row.place(),
                limit: "rows_max",
                at_most: self.limits.rows_max,
            });
        }
        self.rows += 1;
        if row.account != self.last_account {
            self.account(&row.account, row.place())?;
        }
        let day = row.at.day();
        self.covers = Some(self.covers.map_or((day, day), |(from, to)| (from.min(day), to.max(day))));
        self.add(row)?;
        match (self.visit)(row) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(BillError::Stopped(row.place())),
        }
    }

    fn add(&mut self, row: &BillRow<'_>) -> Result<(), BillError> {
        let current = match &mut self.current {
            Some((currency, totals)) if *currency == row.currency => totals,
            other => {
                let next = self.totals.get(&row.currency).copied().unwrap_or_default();
                if let Some((currency, totals)) = other.replace((row.currency, next)) {
                    self.totals.insert(currency, totals);
                }
                match other {
                    Some((_, totals)) => totals,
                    None => return Ok(()), // It was just put there.
                }
            }
        };
        let overflow = |what: &'static str| BillError::Overflow { place: row.place(), what: what.into() };
        current.rows += 1;
        let side = if row.amount_minor < 0 { &mut current.out_minor } else { &mut current.in_minor };
        *side = side.checked_add(row.amount_minor).ok_or_else(|| overflow("amounts"))?;
        current.fee = current.fee.checked_add(row.fee).map_err(|_| overflow("fees"))?;
        Ok(())
    }

    /// Notes an account, also one without rows.
    pub fn account(&mut self, account: &str, place: Place) -> Result<(), BillError> {
        self.last_account.clear();
        self.last_account.push_str(account);
        if !account.is_empty() && !self.accounts.contains(account) {
            if self.accounts.len() >= self.limits.names_max {
                let at_most = u64::try_from(self.limits.names_max).unwrap_or(u64::MAX);
                return Err(BillError::TooMuch { place, limit: "names_max", at_most });
            }
            self.accounts.insert(account.to_owned());
        }
        Ok(())
    }

    /// Days that the file itself states.
    pub fn covers(&mut self, from: NaiveDate, to: NaiveDate) {
        let (from, to) = if from <= to { (from, to) } else { (to, from) };
        self.covers = Some(self.covers.map_or((from, to), |(first, last)| (first.min(from), last.max(to))));
    }

    pub fn proved(&mut self, proof: Proof) {
        self.proofs.insert(proof);
    }

    pub fn finish(mut self, format: Format, read: Digested, expect: &Expect) -> Result<Bill, BillError> {
        if let Some((currency, totals)) = self.current.take() {
            self.totals.insert(currency, totals);
        }
        if let Some(rows) = expect.rows {
            let (stated, counted) = (as_i64(rows), as_i64(self.rows));
            crate::error::agree("expected rows", Place::default(), (stated, counted), crate::Unit::Rows)?;
            self.proofs.insert(Proof::RowCount);
        }
        if expect.sha1.is_some() || expect.sha256.is_some() {
            self.proofs.insert(Proof::Hash);
        }
        Ok(Bill {
            format,
            accounts: self.accounts.into_iter().collect(),
            covers: self.covers,
            rows: self.rows,
            totals: self.totals,
            proofs: self.proofs,
            sha256: read.sha256,
            bytes: read.bytes,
        })
    }
}

pub(crate) fn as_i64(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
