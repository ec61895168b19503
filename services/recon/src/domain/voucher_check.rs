//! Compares the vouchers of one range with what the rows of the range say.

use super::break_kind::BreakKind;
use super::effect::{Effect, VoucherRules};
use chrono::NaiveDate;
use contracts::log::{LogName, Seq};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// One voucher, as far as it is compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VoucherRange {
    pub voucher_seq: Seq,
    pub rule: String,
    pub day: NaiveDate,
    pub from_seq: Seq,
    pub to_seq: Seq,
    pub row_count: i64,
    pub coins: i64,
}

/// Rows and coins of one rule on one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Total {
    pub row_count: i64,
    pub coins: i64,
}

/// One difference between vouchers and rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VoucherFinding {
    pub kind: BreakKind,
    pub rule: String,
    pub day: NaiveDate,
    pub from_seq: Seq,
    pub to_seq: Seq,
    pub rows: Total,
    pub vouchers: Total,
}

/// What the rows' effects amount to, by rule and day; kinds nobody posts are under the rule "none".
pub fn totals_of_effects(
    source: LogName,
    effects: &[Effect],
    rules: &VoucherRules,
) -> BTreeMap<(String, NaiveDate), Total> {
    let mut totals: BTreeMap<(String, NaiveDate), Total> = BTreeMap::new();
    for effect in effects {
        let rule = rules.rule_of(source, effect.kind).unwrap_or("none").to_owned();
        let total = totals.entry((rule, effect.day)).or_default();
        total.row_count = total.row_count.saturating_add(1);
        total.coins = total.coins.saturating_add(effect.coins);
    }
    totals
}

/// Compares the vouchers of one range (none: the range must move nothing) with the effects of its rows.
pub fn check_range(
    (from_seq, to_seq): (Seq, Seq),
    vouchers: &[VoucherRange],
    expected: &BTreeMap<(String, NaiveDate), Total>,
) -> Vec<VoucherFinding> {
    let mut found: BTreeMap<(String, NaiveDate), Total> = BTreeMap::new();
    for voucher in vouchers {
        let total = found.entry((voucher.rule.clone(), voucher.day)).or_default();
        total.row_count = total.row_count.saturating_add(voucher.row_count);
        total.coins = total.coins.saturating_add(voucher.coins);
    }
    let keys: BTreeSet<_> = found.keys().chain(expected.keys()).cloned().collect();
    let differs = keys.into_iter().filter_map(|key| {
        let (rows, vouchers) = (expected.get(&key).copied(), found.get(&key).copied());
        let kind = match (rows, vouchers) {
            (Some(rows), Some(vouchers)) if rows == vouchers => return None,
            (Some(_), Some(_)) => BreakKind::VoucherMismatch,
            (Some(_), None) => BreakKind::MissingVoucher,
            (None, _) => BreakKind::ExtraVoucher,
        };
        let (rows, vouchers) = (rows.unwrap_or_default(), vouchers.unwrap_or_default());
        Some(VoucherFinding { kind, rule: key.0, day: key.1, from_seq, to_seq, rows, vouchers })
    });
    differs.collect()
}
