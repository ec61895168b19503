//! The fees that a channel's fund bill takes against those that its trade bill states: one payment's with its own where
//! the fund bill names it, and the rest as one sum of the day.
//!
//! A fund bill moves whole minor units and a trade bill may state parts of one, so they agree where they are less than
//! one apart. Where no trade bill has the payment there is nothing to compare.

use super::daily_error::{DailyError, FINDINGS_MAX};
use super::match_bills::{BillMatching, FILES_MAX, PAGE_LEN, Place};
use crate::domain::bill_findings::{amount_name, logs_of};
use crate::domain::bill_line::BillScope;
use crate::domain::break_kind::BreakKind;
use crate::store::bills::{self, row_id};
use crate::store::breaks::NewBreak;
use crate::store::fund_fees::{self, FeeLine, Page, ROWS_MAX};
use chrono::{Days, NaiveDate};
use ids::Uuid;
use money::MICROS_PER_MINOR;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Days that a fee or a trade may lie from the movement it is about: behind midnight.
const APART_DAYS_MAX: Days = Days::new(1);

/// What fees come to.
#[derive(Default)]
pub struct Fees {
    /// The day's differences.
    pub found: Vec<NewBreak>,
    /// The facts that differ, of the day before too: what the day's file has explained of it is not here any more.
    differing: BTreeSet<String>,
    since: Option<NaiveDate>,
}

impl Fees {
    /// Whether a fact of an earlier day is a fee that this day's file has explained; `None` where it is no fee.
    pub fn explain(&self, fact: &str, day: Option<NaiveDate>) -> Option<bool> {
        let is_fee = fact.starts_with("funds.") && fact.contains("/bill_amount_mismatch/fee/");
        is_fee.then(|| self.since.is_some_and(|since| day >= Some(since)) && !self.differing.contains(fact))
    }
}

/// Fees of one currency that name no row of their fund bill, and payments that no fee names.
#[derive(Default)]
struct Rest {
    taken_micro: i64,
    stated_micro: i64,
    /// Payments of which the trade bill states parts of a minor unit: each may be rounded by less than one.
    parts: i64,
    rows: Vec<String>,
}

impl BillMatching<'_> {
    /// Compares fees, where the channel's fund bill and trade bill are both here.
    ///
    /// # Errors
    /// [`DailyError::TooMany`], and whatever the database says.
    pub(super) async fn fees(&self, place: &Place) -> Result<Fees, DailyError> {
        let since = self.day.checked_sub_days(APART_DAYS_MAX).unwrap_or(self.day);
        let mut rest = self.nameless(&place.1).await?;
        let mut fees = Fees { since: Some(since), ..Fees::default() };
        let mut page = self.page(&place.1, since);
        let mut has_trades = false;
        loop {
            let lines = fund_fees::list_booked(self.db, page).await?;
            let Some(last) = lines.last() else { break };
            page.after = last.place;
            for line in lines.iter().filter(|line| line.is_newest) {
                let Some(stated) = line.stated_micro else { continue };
                let is_of_day = line.place.0 == self.day;
                has_trades |= is_of_day;
                // What no fee names is compared as a sum, where fees that name nothing are there to pay it.
                if let Some(rest) = rest.get_mut(&line.currency).filter(|_| is_of_day && !line.is_named) {
                    rest.stated_micro = rest.stated_micro.saturating_add(stated);
                    rest.taken_micro = rest.taken_micro.saturating_add(line.taken_micro);
                    rest.parts += i64::from(stated % MICROS_PER_MINOR != 0);
                } else if apart(stated, line.taken_micro) >= MICROS_PER_MINOR {
                    self.fee_differs(place, (line, stated), &mut fees).await?;
                }
            }
        }
        for (currency, rest) in rest.iter().filter(|_| has_trades) {
            let apart_max = rest.parts.max(1).saturating_mul(MICROS_PER_MINOR);
            if apart(rest.stated_micro, rest.taken_micro) >= apart_max {
                let why = "fees of the fund bill that name no payment are not those that the trade bill states of the rest";
                let fact = fact_of(place, &format!("fees/{}/{currency}", self.day));
                let sums = (rest.stated_micro, rest.taken_micro);
                fees.found.push(self.fee_break(place, fact, (currency, sums), (&rest.rows, why)).await?);
            }
        }
        Ok(fees)
    }

    /// Rows of fund bills from the beginning of a day on.
    fn page<'a>(&self, channel: &'a str, from: NaiveDate) -> Page<'a> {
        let near = (
            from.checked_sub_days(APART_DAYS_MAX).unwrap_or(from),
            self.day.checked_add_days(APART_DAYS_MAX).unwrap_or(self.day),
        );
        let before = from.pred_opt().unwrap_or(from);
        Page { channel, after: (before, Uuid::max(), i64::MAX), until: self.day, near, limit: PAGE_LEN }
    }

    async fn nameless(&self, channel: &str) -> Result<BTreeMap<String, Rest>, DailyError> {
        let mut rest: BTreeMap<String, Rest> = BTreeMap::new();
        let mut page = self.page(channel, self.day);
        loop {
            let fees = fund_fees::list_fees(self.db, page).await?;
            let Some(last) = fees.last() else { return Ok(rest) };
            page.after = last.place;
            for fee in fees.iter().filter(|fee| !fee.is_named) {
                let rest = rest.entry(fee.currency.clone()).or_default();
                rest.taken_micro = rest.taken_micro.saturating_add(fee.taken_micro);
                if usize::try_from(ROWS_MAX).is_ok_and(|max| rest.rows.len() < max) {
                    rest.rows.push(row_id(fee.place.1, fee.place.2));
                }
            }
        }
    }

    async fn fee_differs(
        &self,
        place: &Place,
        (line, stated): (&FeeLine, i64),
        fees: &mut Fees,
    ) -> Result<(), DailyError> {
        if fees.differing.len() >= FINDINGS_MAX {
            return Err(DailyError::TooMany { what: "fees of one channel that differ", max: FINDINGS_MAX });
        }
        let fact = fact_of(place, &format!("fee/{}/{}", line.reference, line.currency));
        if line.place.0 == self.day {
            let why = "the fund bill takes another fee than the trade bill states";
            let sums = (stated, line.taken_micro);
            let found =
                self.fee_break(place, fact.clone(), (&line.currency, sums), (&line.rows, why)).await?;
            fees.found.push(found);
        }
        fees.differing.insert(fact);
        Ok(())
    }

    async fn fee_break(
        &self,
        place: &Place,
        fact_key: String,
        (currency, (stated_micro, taken_micro)): (&str, (i64, i64)),
        (rows, why): (&[String], &'static str),
    ) -> Result<NewBreak, DailyError> {
        let mut theirs = Vec::new();
        for (bill_id, row_no) in rows.iter().filter_map(|id| bills::parts_of_row_id(id)) {
            theirs.extend(bills::find_row(self.db, bill_id, row_no).await?);
        }
        // Both files of the day, by their hashes: of a sum, no one row of the trade bill stands for it.
        let covering = bills::list_covering(self.db, self.day, FILES_MAX).await?;
        let is_of_channel =
            |bill: &&bills::BillView| bill.channel == place.1 && bill.scope != BillScope::Bank;
        let file = |bill: &bills::BillView| json!({ "sha256": bill.sha256, "format": bill.format });
        let files: Vec<Value> = covering.iter().filter(is_of_channel).map(file).collect();
        let by_minor = apart(stated_micro, taken_micro) / MICROS_PER_MINOR;
        let mut evidence = json!({
            "ours": [], "theirs": theirs, "files": files, "currency": currency,
            "stated_fee_micro": stated_micro, "taken_fee_micro": taken_micro, "why": why,
        });
        evidence[amount_name(BillScope::Funds)] = json!(by_minor);
        let kind = BreakKind::BillAmountMismatch;
        Ok(NewBreak { fact_key, kind, coins: self.coins(by_minor), evidence, ..self.blank(place) })
    }
}

fn fact_of((scope, channel): &Place, about: &str) -> String {
    format!("{}/{}/{about}", logs_of(*scope, channel), BreakKind::BillAmountMismatch.as_str())
}

fn apart(one: i64, other: i64) -> i64 {
    one.saturating_sub(other).saturating_abs()
}
