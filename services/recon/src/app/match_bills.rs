//! A day's bills and statements against the payments: ordered passes over both sides' lines, by the rules in force.
//!
//! Lines of some days before that still wait for theirs take part again. What another day's run has matched does not.

use super::compare_fees::Fees;
use super::daily_error::DailyError;
use crate::domain::bill_findings::{self, BothSides, Due, logs_of};
use crate::domain::bill_line::{BillScope, OurLine, TheirLine, WithdrawalSettings, names_payments};
use crate::domain::break_kind::BreakKind;
use crate::domain::canonical::{hash_of, hex};
use crate::domain::channel_paid::{ChannelPaid, PaidAbout};
use crate::domain::report::{ChannelResult, FileLine};
use crate::store::bills::{self, BillView};
use crate::store::breaks::NewBreak;
use crate::store::day_lines;
use crate::store::matches::MatchView;
use crate::store::matching_rules;
use crate::store::{payout_lines, withdrawals};
use chrono::{Days, NaiveDate};
use ids::{Uuid, named_id, partition_of};
use matching::passes::{CheckedRules, LINES_MAX, Line, Match, Outcome, Rules, run};
use pg::Db;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Lines one page reads.
pub(super) const PAGE_LEN: i64 = 5_000;

/// Files that may cover one day.
pub(super) const FILES_MAX: i64 = 1_000;

/// Channels that one day may have.
const CHANNELS_MAX: i64 = 200;

/// What the matching of a day needs.
pub struct BillMatching<'a> {
    pub db: &'a Db,
    pub day: NaiveDate,
    /// Days before this one whose open lines take part again.
    pub lag_days: u16,
    /// What one coin is worth.
    pub micros_per_coin: i64,
    /// The name under which statements of the account that payouts leave come in.
    pub payout_bank: &'a str,
    /// Channels whose money reaches a bank by withdrawals.
    pub withdrawals: &'a [WithdrawalSettings],
    /// Accounts at banks that send a statement for every day, by the names under which these come in.
    pub expected_statements: &'a [String],
}

/// What one channel's day came to.
pub struct Matched {
    pub result: ChannelResult,
    pub matches: Vec<MatchView>,
    pub found: Vec<NewBreak>,
    pub fees: Fees,
    /// What the channel has paid to us, where this is a bank's statement.
    pub paid: Vec<ChannelPaid>,
    /// Every row that is in a match now.
    pub matched_rows: BTreeSet<String>,
}

/// One channel in one scope, and its files of the day.
pub type Place = (BillScope, String);

impl BillMatching<'_> {
    /// The channels of the day: those that payments came through, and those that have a file. In a fixed order.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn places(&self) -> Result<BTreeMap<Place, Vec<BillView>>, DailyError> {
        let mut places: BTreeMap<Place, Vec<BillView>> = BTreeMap::new();
        for channel in day_lines::list_channels(self.db, self.day, CHANNELS_MAX).await? {
            places.entry((BillScope::Channel, channel)).or_default();
        }
        for bill in bills::list_covering(self.db, self.day, FILES_MAX).await? {
            // A balance whose payments no file names is matched with nothing; a channel may send no such file at all.
            if bill.scope != BillScope::Funds || names_payments(&bill.format) {
                places.entry((bill.scope, bill.channel.clone())).or_default().push(bill);
            }
        }
        for bank in self.expected_statements {
            places.entry((BillScope::Bank, bank.clone())).or_default();
        }
        // Payouts are due when the bank has had its days, whether or not a statement came.
        if payout_lines::is_any_of(self.db, self.first_day()).await? {
            places.entry((BillScope::Bank, self.payout_bank.to_owned())).or_default();
        }
        for WithdrawalSettings { channel, bank, .. } in self.withdrawals {
            if withdrawals::is_any_of(self.db, channel, self.first_day()).await? {
                places.entry((BillScope::Bank, bank.clone())).or_default();
            }
        }
        Ok(places)
    }

    /// Channels whose withdrawals arrive at a bank.
    pub(super) fn withdrawn_to(&self, bank: &str) -> impl Iterator<Item = &str> {
        let here = self.withdrawals.iter().filter(move |of| of.bank == bank);
        here.map(|of| of.channel.as_str())
    }

    fn first_day(&self) -> NaiveDate {
        self.day.checked_sub_days(Days::new(u64::from(self.lag_days))).unwrap_or(self.day)
    }

    fn due(&self, scope: BillScope) -> Due {
        let ours = match scope {
            BillScope::Bank => self.first_day(),
            BillScope::Channel | BillScope::Funds => self.day,
        };
        Due { scope, ours, theirs: self.day }
    }

    /// Both sides' lines that no other day's match has.
    ///
    /// # Errors
    /// [`DailyError::TooMany`], and whatever the database says.
    pub async fn lines(&self, (scope, channel): (BillScope, &str)) -> Result<BothSides, DailyError> {
        let before = self.first_day().pred_opt().unwrap_or(self.day);
        let mut sides = BothSides::default();
        self.payments((scope, channel), before, &mut sides).await?;
        if scope == BillScope::Bank {
            for withdrawn in self.withdrawn_to(channel) {
                self.withdrawals(withdrawn, before, &mut sides).await?;
            }
        }
        if (scope, channel) == (BillScope::Bank, self.payout_bank) {
            self.payouts(before, &mut sides).await?;
        }
        let mut after = (before, Uuid::max(), i64::MAX);
        loop {
            let page =
                bills::list_theirs(self.db, (scope, channel), (after, self.day), self.day, PAGE_LEN).await?;
            let Some((place, _)) = page.last() else { break };
            after = *place;
            sides.theirs.extend(page.into_iter().map(|(_, line)| (line.row_id.clone(), line)));
            too_many("rows of one channel", sides.theirs.len())?;
        }
        Ok(sides)
    }

    async fn payments(
        &self,
        of: (BillScope, &str),
        before: NaiveDate,
        sides: &mut BothSides,
    ) -> Result<(), DailyError> {
        let mut after = (before, Uuid::max());
        loop {
            let page = day_lines::list_ours(self.db, of, (after, self.day), self.day, PAGE_LEN).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = (last.paid_day, Uuid::try_parse(&last.payment_id).unwrap_or_default());
            // At a bank what a channel pays by withdrawals is looked for as these: its payments would take the money off it
            // twice.
            let is_withdrawn =
                |line: &OurLine| self.withdrawals.iter().any(|w| w.covers(&line.channel, line.paid_day));
            let page = page.into_iter().filter(|line| of.0 != BillScope::Bank || !is_withdrawn(line));
            sides.ours.extend(page.map(|line| (line.payment_id.clone(), line)));
            too_many("payments of one channel", sides.ours.len())?;
        }
    }

    async fn withdrawals(
        &self,
        channel: &str,
        before: NaiveDate,
        sides: &mut BothSides,
    ) -> Result<(), DailyError> {
        let mut after = (before, Uuid::max(), i64::MAX);
        loop {
            let page = withdrawals::list(self.db, channel, (after, self.day), self.day, PAGE_LEN).await?;
            let Some((place, _)) = page.last() else { return Ok(()) };
            after = *place;
            let page = page.into_iter().map(|(_, line)| line);
            let page = page.filter(|line| self.withdrawals.iter().any(|w| w.covers(channel, line.paid_day)));
            sides.ours.extend(page.map(|line| (line.payment_id.clone(), line)));
            too_many("withdrawals of one channel", sides.ours.len())?;
        }
    }

    async fn payouts(&self, before: NaiveDate, sides: &mut BothSides) -> Result<(), DailyError> {
        let mut after = (before, String::from("\u{10ffff}"));
        loop {
            let place = (after.0, after.1.as_str());
            let page =
                payout_lines::list(self.db, self.payout_bank, (place, self.day), self.day, PAGE_LEN).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = (last.day, last.payment_id.clone());
            sides.ours.extend(page.into_iter().map(|line| (line.payment_id.clone(), line)));
            too_many("payouts", sides.ours.len())?;
        }
    }

    /// Matches one channel's day.
    ///
    /// # Errors
    /// [`DailyError`]; nothing was written.
    pub async fn run(&self, place: &Place, files: &[BillView]) -> Result<Matched, DailyError> {
        let (scope, channel) = (place.0, place.1.as_str());
        let rules = rules_in_force(self.db, scope).await?;
        let sides = self.lines((scope, channel)).await?;
        let (left, right) = lines_of(&sides);
        let outcome = run(&rules, &left, &right)?;
        let matches: Vec<MatchView> =
            outcome.matches.iter().map(|of| self.match_view(place, of, &sides)).collect();
        let paid: Vec<ChannelPaid> = match scope {
            BillScope::Bank => matches.iter().filter_map(|of| channel_paid(of, &sides)).collect(),
            BillScope::Channel | BillScope::Funds => Vec::new(),
        };
        let mut found: Vec<NewBreak> = Vec::new();
        let is_missing = files.is_empty()
            && match scope {
                BillScope::Channel => true,
                BillScope::Bank => self.expected_statements.iter().any(|bank| bank == channel),
                BillScope::Funds => false,
            };
        if is_missing {
            found.push(self.missing_bill(place, &sides));
        }
        // Lines that waited for a bank are due whether or not its statement of this day came.
        if !is_missing || scope == BillScope::Bank {
            let findings = bill_findings::findings(self.due(scope), &sides, &outcome);
            found.extend(findings.into_iter().map(|finding| {
                let kind = finding.kind.as_str();
                NewBreak {
                    fact_key: format!("{}/{kind}/{}", logs_of(scope, channel), finding.rows),
                    kind: finding.kind,
                    coins: self.coins(finding.amount_minor),
                    evidence: finding.evidence,
                    ..self.blank(place)
                }
            }));
        }
        let mut fees = match scope {
            BillScope::Channel | BillScope::Bank => Fees::default(),
            BillScope::Funds => self.fees(place).await?,
        };
        found.append(&mut fees.found);
        let matched_rows = matches.iter().flat_map(|of| of.ours.iter().chain(&of.theirs)).cloned().collect();
        let result = self.result(place, files, &sides, (&outcome, &matches));
        Ok(Matched { result, matches, found, fees, paid, matched_rows })
    }

    pub(super) fn blank(&self, (scope, channel): &Place) -> NewBreak {
        NewBreak {
            fact_key: String::new(),
            kind: BreakKind::MissingBill,
            logs: logs_of(*scope, channel),
            // Money outside is in no partition; the column wants one.
            partition: partition_of(Uuid::nil()),
            minute: None,
            order_id: None,
            coins: 0,
            evidence: Value::Null,
            day: Some(self.day),
        }
    }

    /// What an amount is worth in coins, which is what breaks are weighed by.
    pub(super) fn coins(&self, amount_minor: i64) -> i64 {
        let micro = i128::from(amount_minor) * i128::from(money::MICROS_PER_MINOR);
        i64::try_from(micro / i128::from(self.micros_per_coin.max(1))).unwrap_or(i64::MAX)
    }

    fn missing_bill(&self, place: &Place, sides: &BothSides) -> NewBreak {
        let of_day = sides.ours.values().filter(|line| line.paid_day == self.day);
        let (count, amount) = of_day.fold((0_i64, 0_i64), |(count, amount), line| {
            (count + 1, amount.saturating_add(line.amount_minor.saturating_abs()))
        });
        NewBreak {
            fact_key: format!("{}/missing_bill/{}", logs_of(place.0, &place.1), self.day),
            coins: self.coins(amount),
            evidence: json!({ "amount_minor": amount, "payments": count, "day": self.day }),
            ..self.blank(place)
        }
    }

    fn match_view(&self, (scope, channel): &Place, of: &Match, sides: &BothSides) -> MatchView {
        let ours: Vec<String> = of.left.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect();
        let theirs: Vec<String> = of.right.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect();
        let amount = ours.iter().filter_map(|id| sides.ours.get(id));
        let amount_minor = amount.fold(0_i64, |sum, line| sum.saturating_add(line.amount_minor));
        let currency = ours.first().and_then(|id| sides.ours.get(id)).map(|line| line.currency.clone());
        let name = hex(&hash_of(
            format!("{}.{channel}", scope.as_str()).as_bytes(),
            &json!({ "ours": ours, "theirs": theirs, "day": self.day, "pass": of.pass, "version": of.version }),
        ));
        MatchView {
            match_id: named_id("match", &name),
            scope: *scope,
            channel: channel.clone(),
            day: self.day,
            pass: of.pass.clone(),
            rules_version: i32::try_from(of.version).unwrap_or(i32::MAX),
            tolerance: of.variance.as_ref().map(|variance| variance.tolerance.clone()),
            variance_minor: of.variance.as_ref().map_or(0, |variance| variance.variance_minor),
            amount_minor,
            currency: currency.unwrap_or_default(),
            ours,
            theirs,
        }
    }

    fn result(
        &self,
        (scope, channel): &Place,
        files: &[BillView],
        sides: &BothSides,
        (outcome, matches): (&Outcome, &[MatchView]),
    ) -> ChannelResult {
        let matched: BTreeSet<&String> = matches.iter().flat_map(|of| &of.ours).collect();
        let ours: Vec<_> = sides.ours.values().filter(|line| line.paid_day == self.day).collect();
        let theirs: Vec<_> = sides.theirs.values().filter(|line| line.day == self.day).collect();
        let (movements, others): (Vec<_>, Vec<_>) = theirs.into_iter().partition(|line| line.is_movement());
        let is_matched = ours.iter().filter(|line| matched.contains(&line.payment_id));
        let sum = |amounts: &mut dyn Iterator<Item = i64>| {
            amounts.fold((0_i64, 0_i64), |(count, sum), amount| (count + 1, sum.saturating_add(amount)))
        };
        let (ours_count, ours_minor) = sum(&mut ours.iter().map(|line| line.amount_minor.saturating_abs()));
        let (matched_count, matched_minor) =
            sum(&mut is_matched.map(|line| line.amount_minor.saturating_abs()));
        let (theirs_count, theirs_minor) =
            sum(&mut movements.iter().map(|line| line.amount_minor.saturating_abs()));
        let of_day = |ids: &[String], theirs: bool| {
            let day = |id: &String| match theirs {
                true => sides.theirs.get(id).map(|line| line.day),
                false => sides.ours.get(id).map(|line| line.paid_day),
            };
            count(ids.iter().filter(|id| day(id) == Some(self.day)).count())
        };
        let ids: Vec<&Uuid> = matches.iter().map(|of| &of.match_id).collect();
        let suggestions = outcome.suggestions.iter().map(|of| {
            format!("{} {} = {} ({})", of.pass, of.left.join("+"), of.right.join("+"), json!(of.certainty))
        });
        ChannelResult {
            scope: *scope,
            channel: channel.clone(),
            has_file: !files.is_empty(),
            files: files
                .iter()
                .map(|bill| FileLine {
                    sha256: bill.sha256.clone(),
                    format: bill.format.clone(),
                    rows: bill.rows,
                })
                .collect(),
            rules_version: outcome.version,
            ours_count,
            ours_minor,
            matched_count,
            matched_minor,
            theirs_count,
            theirs_minor,
            other_rows: count(others.len()),
            ambiguous_groups: count(outcome.ambiguous.len()),
            unmatched_ours: of_day(&outcome.unmatched_left, false),
            unmatched_theirs: of_day(&outcome.unmatched_right, true),
            variance_minor: matches.iter().fold(0, |sum, of| sum.saturating_add(of.variance_minor)),
            matches_sha256: hex(&hash_of(b"matches", &json!(ids))),
            suggestions: suggestions.collect(),
        }
    }
}

/// What a channel has paid to us; `None` where the match is about payouts, or about two channels' money.
fn channel_paid(of: &MatchView, sides: &BothSides) -> Option<ChannelPaid> {
    let ours = of.ours.iter().map(|id| sides.ours.get(id).filter(|line| line.payout.is_none()));
    let ours: Vec<&OurLine> = ours.collect::<Option<_>>()?;
    let theirs: Vec<&TheirLine> = of.theirs.iter().filter_map(|id| sides.theirs.get(id)).collect();
    let about =
        |line: &OurLine| if line.is_withdrawal { PaidAbout::Withdrawals } else { PaidAbout::Payments };
    let first = ours.first()?;
    let is_one = |line: &&OurLine| (about(line), &line.channel) == (about(first), &first.channel);
    ours.iter().all(is_one).then_some(())?;
    Some(ChannelPaid {
        match_id: of.match_id,
        about: about(first),
        channel: first.channel.clone(),
        day: theirs.iter().map(|line| line.day).max()?,
        gross_minor: of.amount_minor,
        net_minor: theirs.iter().try_fold(0_i64, |sum, line| sum.checked_add(line.amount_minor))?,
        currency: of.currency.clone(),
        payments: count(ours.len()),
    })
}

fn count(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}

fn too_many(what: &'static str, len: usize) -> Result<(), DailyError> {
    if len > LINES_MAX { Err(DailyError::TooMany { what, max: LINES_MAX }) } else { Ok(()) }
}

/// Both sides as the passes take them. Rows that are no payment or refund are no lines.
pub fn lines_of(sides: &BothSides) -> (Vec<Line>, Vec<Line>) {
    let left = sides.ours.values().map(|line| line.line()).collect();
    let right = sides.theirs.values().filter(|line| line.is_movement()).map(|line| line.line()).collect();
    (left, right)
}

/// Rules as they are stored, made ready to run.
///
/// # Errors
/// [`DailyError::BadRules`].
pub fn checked(rules: &Value) -> Result<CheckedRules, DailyError> {
    let rules: Rules =
        serde_json::from_value(rules.clone()).map_err(|error| DailyError::BadRules(error.to_string()))?;
    rules.check().map_err(|error| DailyError::BadRules(error.to_string()))
}

/// The rules of a scope.
///
/// # Errors
/// [`DailyError::NoRules`], [`DailyError::BadRules`], and whatever the database says.
pub async fn rules_in_force(db: &Db, scope: BillScope) -> Result<CheckedRules, DailyError> {
    let found = matching_rules::find_in_force(db, scope).await?;
    checked(&found.ok_or(DailyError::NoRules(scope.as_str()))?.rules)
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::class::{Classed, ErrorClass};

    #[test]
    fn a_day_of_more_lines_than_memory_is_meant_to_hold_is_refused_by_name_and_for_good() {
        assert!(too_many("rows of one channel", LINES_MAX).is_ok());
        let refused = too_many("rows of one channel", LINES_MAX + 1).expect_err("one too many");
        assert_ne!(refused.class(), ErrorClass::Transient, "it is not tried again for hours");
        assert!(refused.to_string().contains("rows of one channel"), "{refused}");
    }
}
