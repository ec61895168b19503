//! What a channel's day comes to: what was matched is settled, and everything else has a type and both sides' rows.

use super::bill_line::{BillScope, OurLine, PayoutOutcome, TheirLine};
use super::break_kind::BreakKind;
use super::canonical::{hash_of, hex};
use chrono::NaiveDate;
use matching::passes::Outcome;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Rows of each side that a finding shows; its key covers all of them.
const SHOWN_MAX: usize = 10;

/// Ids that a finding's key spells out; of more it has their hash.
const SPELLED_MAX: usize = 4;

/// One difference between our payments and a channel's rows.
#[derive(Clone, Debug, PartialEq)]
pub struct BillFinding {
    pub kind: BreakKind,
    /// Which rows exactly: the same at every run.
    pub rows: String,
    /// In minor units, zero or more: what is in question.
    pub amount_minor: i64,
    pub evidence: Value,
}

/// Both sides' lines by id.
#[derive(Clone, Debug, Default)]
pub struct BothSides {
    pub ours: BTreeMap<String, OurLine>,
    pub theirs: BTreeMap<String, TheirLine>,
}

/// Lines that one finding is about.
#[derive(Default)]
struct About<'a> {
    ours: Vec<&'a OurLine>,
    theirs: Vec<&'a TheirLine>,
}

/// Whose lines are told when they are left: a line is told on one day's run only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    pub scope: BillScope,
    /// Payments of this day. A bank has a channel's money later than the channel, so what it lacks is due later.
    pub ours: NaiveDate,
    pub theirs: NaiveDate,
}

impl About<'_> {
    fn is_of(&self, due: Due) -> bool {
        self.ours.iter().any(|line| line.paid_day == due.ours)
            || self.theirs.iter().any(|line| line.day == due.theirs)
    }

    fn rows(&self) -> String {
        let ids = self.ours.iter().map(|line| line.payment_id.as_str());
        let ids: BTreeSet<&str> = ids.chain(self.theirs.iter().map(|line| line.row_id.as_str())).collect();
        if ids.len() <= SPELLED_MAX {
            return ids.into_iter().collect::<Vec<_>>().join("+");
        }
        format!("{} rows {}", ids.len(), hex(&hash_of(b"rows", &json!(ids))))
    }

    fn finding(&self, scope: BillScope, (kind, amount_minor): (BreakKind, i64), why: Value) -> BillFinding {
        let currency = self.ours.first().map(|line| &line.currency);
        let currency = currency.or_else(|| self.theirs.first().map(|line| &line.currency));
        let mut evidence = json!({
            "ours": self.ours.iter().take(SHOWN_MAX).collect::<Vec<_>>(),
            "theirs": self.theirs.iter().take(SHOWN_MAX).collect::<Vec<_>>(),
            "currency": currency, "why": why,
        });
        evidence[amount_name(scope)] = json!(amount_minor);
        BillFinding { kind, rows: self.rows(), amount_minor, evidence }
    }
}

/// What differs, in a fixed order. Lines that are not due were told by another day's run, or will be.
pub fn findings(due: Due, sides: &BothSides, outcome: &Outcome) -> Vec<BillFinding> {
    let mut found = Vec::new();
    let mut theirs: BTreeMap<String, Vec<&TheirLine>> = BTreeMap::new();
    let known: BTreeSet<&str> = sides.ours.values().map(|line| line.channel_payment_id.as_str()).collect();
    for line in outcome.unmatched_right.iter().filter_map(|id| sides.theirs.get(id)) {
        theirs.entry(key_of(line, &known)).or_default().push(line);
    }
    let unmatched: BTreeSet<&str> = outcome.unmatched_left.iter().map(String::as_str).collect();
    for ours in outcome.unmatched_left.iter().filter_map(|id| sides.ours.get(id)) {
        if is_neither_here_nor_there(ours, &unmatched) {
            continue;
        }
        let same = theirs.get_mut(ours.channel_payment_id.as_str());
        match same.and_then(|lines| (lines.len() == 1).then(|| lines.pop()).flatten()) {
            Some(line) => {
                let about = About { ours: vec![ours], theirs: vec![line] };
                let by = line.amount_minor.saturating_sub(ours.amount_minor).saturating_abs();
                let why = json!("one reference, and other amounts or days too far apart");
                push(&mut found, due, &about, (BreakKind::BillAmountMismatch, by), why);
            }
            None => {
                let about = About { ours: vec![ours], theirs: Vec::new() };
                let amount = ours.amount_minor.saturating_abs();
                let kind = match ours.payout {
                    Some(_) => BreakKind::UnpaidPayout,
                    None => BreakKind::ShortMoney,
                };
                push(&mut found, due, &about, (kind, amount), json!("no pass found its row"));
            }
        }
    }
    for line in theirs.into_values().flatten() {
        let about = About { ours: Vec::new(), theirs: vec![line] };
        let kind = match (line.amount_minor < 0, line.scope) {
            (false, _) => BreakKind::LongMoney,
            (true, BillScope::Bank) => BreakKind::UnknownPayout,
            (true, BillScope::Channel | BillScope::Funds) => BreakKind::UnknownRefund,
        };
        let amount = line.amount_minor.saturating_abs();
        push(&mut found, due, &about, (kind, amount), json!("no pass found its payment"));
    }
    for group in &outcome.ambiguous {
        let about = About {
            ours: group.left.iter().filter_map(|id| sides.ours.get(id)).collect(),
            theirs: group.right.iter().filter_map(|id| sides.theirs.get(id)).collect(),
        };
        let of = kind_of_group(&about);
        push(&mut found, due, &about, of, json!({ "pass": group.pass, "reason": group.reason }));
    }
    found.sort_by(|one, other| (one.kind, &one.rows).cmp(&(other.kind, &other.rows)));
    found
}

/// What a row is found by where amounts differ: the channel's number, or the payout's or withdrawal's that a bank gave back.
fn key_of(line: &TheirLine, known: &BTreeSet<&str>) -> String {
    let given_back =
        line.our_reference().filter(|id| line.scope == BillScope::Bank && known.contains(id.as_str()));
    given_back.unwrap_or_else(|| line.reference().to_owned())
}

/// A payout that was sent back and of which the statement shows neither way has never left.
fn is_neither_here_nor_there(ours: &OurLine, unmatched: &BTreeSet<&str>) -> bool {
    let Some((line, way)) = ours.payment_id.split_once('/') else { return false };
    let other = if way == "out" { "back" } else { "out" };
    ours.payout == Some(PayoutOutcome::SentBack) && unmatched.contains(format!("{line}/{other}").as_str())
}

/// What a finding's evidence calls its amount. `amount_minor` is money at risk, which a fund bill shows a second time.
pub const fn amount_name(scope: BillScope) -> &'static str {
    match scope {
        BillScope::Channel | BillScope::Bank => "amount_minor",
        BillScope::Funds => "difference_minor",
    }
}

fn push(found: &mut Vec<BillFinding>, due: Due, about: &About<'_>, of: (BreakKind, i64), why: Value) {
    if about.is_of(due) {
        found.push(about.finding(due.scope, of, why));
    }
}

/// A copy of a row is told as one; anything else that is ambiguous stays so.
fn kind_of_group(about: &About<'_>) -> (BreakKind, i64) {
    let sum = |amounts: &mut dyn Iterator<Item = i64>| {
        amounts.fold(0_i64, |sum, amount| sum.saturating_add(amount.saturating_abs()))
    };
    let ours = sum(&mut about.ours.iter().map(|line| line.amount_minor));
    let theirs = sum(&mut about.theirs.iter().map(|line| line.amount_minor));
    let what = |line: &&TheirLine| (line.reference().to_owned(), line.amount_minor, line.currency.clone());
    let is_one = about.theirs.windows(2).all(|pair| pair.first().map(what) == pair.get(1).map(what));
    let surplus = about.theirs.len() > about.ours.len().max(1);
    let whose =
        |line: &&OurLine| about.theirs.first().is_some_and(|it| it.reference() == line.channel_payment_id);
    if is_one && surplus && about.ours.iter().all(whose) {
        (BreakKind::DuplicateBillRow, theirs.saturating_sub(ours).saturating_abs())
    } else {
        (BreakKind::AmbiguousMatch, ours.max(theirs))
    }
}

/// The `logs` of a break about a channel's rows.
pub fn logs_of(scope: BillScope, channel: &str) -> String {
    format!("{}.{channel}", scope.as_str())
}
