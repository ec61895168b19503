//! What a run's steps found, and the one text it comes to: the same bytes for the same books.

use super::bill_line::BillScope;
use super::break_kind::BreakKind;
use super::canonical::canonical;
use chrono::NaiveDate;
use ids::OrderId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use utoipa::ToSchema;

/// One difference, as the report tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FindingLine {
    pub kind: String,
    pub fact: String,
    pub coins: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
    pub evidence: Value,
}

/// Two logs of a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairFigures {
    pub matched: i64,
    /// Rows, coins and hash of each side.
    pub before: String,
    pub after: String,
}

/// What one partition's day comes to. Sums are texts: they may be wider than any number of JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LogsResult {
    pub partition: i16,
    /// Whether all logs were closed behind the day.
    pub is_whole: bool,
    pub rows: BTreeMap<String, i64>,
    pub pairs: BTreeMap<String, PairFigures>,
    pub accounts: i64,
    /// Accounts that opened as an earlier day closed them, and those of which no closing was kept.
    pub openings_proven: i64,
    pub openings_taken: i64,
    pub opening_coins: String,
    pub moved_coins: String,
    pub closing_coins: String,
    pub credits: i64,
    pub credits_pending: i64,
    /// By account: sub-ledger, control account.
    pub flows: BTreeMap<String, (String, String)>,
    /// Minutes whose digests were kept, and of which the rows still say the same.
    pub minutes_proven: i64,
    pub findings: Vec<FindingLine>,
}

/// A file that a channel's day was matched with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileLine {
    pub sha256: String,
    pub format: String,
    pub rows: i64,
}

/// What one channel's day comes to. Sums are in minor units, and of amounts without their signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChannelResult {
    pub scope: BillScope,
    pub channel: String,
    /// Whether a file of the day is here.
    pub has_file: bool,
    pub files: Vec<FileLine>,
    pub rules_version: u32,
    /// Our lines of the day, and those of them that were matched.
    pub ours_count: i64,
    pub ours_minor: i64,
    pub matched_count: i64,
    pub matched_minor: i64,
    pub theirs_count: i64,
    pub theirs_minor: i64,
    /// Rows that are no payment or refund.
    pub other_rows: i64,
    pub ambiguous_groups: i64,
    pub unmatched_ours: i64,
    pub unmatched_theirs: i64,
    pub variance_minor: i64,
    /// SHA-256 over all matches.
    pub matches_sha256: String,
    /// Sums that a person may look at.
    pub suggestions: Vec<String>,
}

/// What all files come to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BillsResult {
    pub channels: Vec<ChannelResult>,
    #[serde(default)]
    pub closed_days: ClosedDays,
    pub findings: Vec<FindingLine>,
}

/// Whether closed days were looked at again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClosedDays {
    /// This process knows no clearing to ask.
    #[default]
    NotLookedAt,
    LookedAt,
}

/// Writing into a text cannot fail.
macro_rules! line {
    ($text:expr, $($rest:tt)*) => { let _ = writeln!($text, $($rest)*); };
}

/// The report of a day.
pub fn report(day: NaiveDate, logs: &[LogsResult], bills: &BillsResult) -> String {
    let mut text = String::new();
    let is_whole = logs.iter().all(|part| part.is_whole);
    line!(text, "Daily reconciliation of {day}");
    line!(
        text,
        "{}",
        if is_whole { "The whole day." } else { "The day is not over: as far as its logs are closed." }
    );
    line!(text, "");
    let mut rows: BTreeMap<&str, i64> = BTreeMap::new();
    for (log, count) in logs.iter().flat_map(|part| &part.rows) {
        *rows.entry(log).or_default() += count;
    }
    for (log, count) in rows {
        line!(text, "rows {log} {count}");
    }
    for part in logs {
        for (pair, figures) in &part.pairs {
            let (p, n) = (part.partition, figures.matched);
            line!(
                text,
                "pair {pair} partition {p} matched {n} before {} after {}",
                figures.before,
                figures.after
            );
        }
    }
    let sum = |of: fn(&LogsResult) -> &str| -> i128 {
        logs.iter().map(|part| of(part).parse::<i128>().unwrap_or_default()).sum()
    };
    let count = |of: fn(&LogsResult) -> i64| -> i64 { logs.iter().map(of).sum() };
    let (opening, moved, closing) =
        (sum(|part| &part.opening_coins), sum(|part| &part.moved_coins), sum(|part| &part.closing_coins));
    line!(text, "accounts {} opening {opening} moved {moved} closing {closing}", count(|part| part.accounts));
    let (proven, taken) = (count(|part| part.openings_proven), count(|part| part.openings_taken));
    line!(text, "openings proven {proven} taken as found {taken}");
    line!(text, "minutes proven {}", count(|part| part.minutes_proven));
    line!(
        text,
        "payments credited {} pending {}",
        count(|part| part.credits),
        count(|part| part.credits_pending)
    );
    for (account, (sub, control)) in flows(logs) {
        line!(text, "control {account} sub-ledger {sub} vouchers {control} difference {}", sub - control);
    }
    let changed =
        bills.findings.iter().filter(|found| found.kind == BreakKind::ClosedDayChanged.as_str()).count();
    match bills.closed_days {
        ClosedDays::LookedAt => {
            line!(text, "closed days not as they were closed {changed}");
        }
        ClosedDays::NotLookedAt => {
            line!(text, "closed days not looked at: no clearing to ask");
        }
    }
    for channel in &bills.channels {
        channel_lines(&mut text, channel);
    }
    let findings = logs.iter().flat_map(|part| &part.findings).chain(&bills.findings);
    let mut differences: Vec<String> = findings.map(finding_line).collect();
    differences.sort_unstable();
    line!(text, "");
    line!(text, "differences {}", differences.len());
    for difference in differences {
        line!(text, "{difference}");
    }
    text
}

fn finding_line(found: &FindingLine) -> String {
    let order = found.order_id.map(|order| format!(" order {order}")).unwrap_or_default();
    format!("{} {} coins {}{order} {}", found.kind, found.fact, found.coins, canonical(&found.evidence))
}

fn channel_lines(text: &mut String, of: &ChannelResult) {
    let name = format!("{}.{}", of.scope.as_str(), of.channel);
    line!(text, "");
    line!(
        text,
        "channel {name} rules {} file {}",
        of.rules_version,
        if of.has_file { "here" } else { "missing" }
    );
    for file in &of.files {
        line!(text, "channel {name} bill {} {} rows {}", file.sha256, file.format, file.rows);
    }
    line!(
        text,
        "channel {name} ours {} of {} theirs {} of {} other rows {}",
        of.ours_count,
        of.ours_minor,
        of.theirs_count,
        of.theirs_minor,
        of.other_rows
    );
    line!(
        text,
        "channel {name} matched {} of {} variance {} sha256 {}",
        of.matched_count,
        of.matched_minor,
        of.variance_minor,
        of.matches_sha256
    );
    line!(
        text,
        "channel {name} ambiguous {} unmatched ours {} unmatched theirs {}",
        of.ambiguous_groups,
        of.unmatched_ours,
        of.unmatched_theirs
    );
    for suggestion in &of.suggestions {
        line!(text, "channel {name} suggestion {suggestion}");
    }
}

/// Sub-ledgers and control accounts of all partitions.
fn flows(logs: &[LogsResult]) -> BTreeMap<&str, (i128, i128)> {
    let mut sums: BTreeMap<&str, (i128, i128)> = BTreeMap::new();
    for (account, (sub, control)) in logs.iter().flat_map(|part| &part.flows) {
        let sums = sums.entry(account).or_default();
        sums.0 += sub.parse::<i128>().unwrap_or_default();
        sums.1 += control.parse::<i128>().unwrap_or_default();
    }
    sums
}

/// Lines of two reports that the other does not have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReportDiff {
    pub is_equal: bool,
    pub only_in_a: Vec<String>,
    pub only_in_b: Vec<String>,
}

/// What changed from one report to another.
pub fn diff(a: &str, b: &str) -> ReportDiff {
    let (in_a, in_b): (BTreeSet<&str>, BTreeSet<&str>) = (a.lines().collect(), b.lines().collect());
    let only = |one: &BTreeSet<&str>, other: &BTreeSet<&str>| {
        one.difference(other).map(|line| (*line).to_owned()).collect()
    };
    ReportDiff { is_equal: a == b, only_in_a: only(&in_a, &in_b), only_in_b: only(&in_b, &in_a) }
}
