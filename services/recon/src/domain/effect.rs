//! What a row must become in the vouchers: counted once, with its coins, by the rule of its kind.
//!
//! Stated independently of clearing, on purpose: it checks clearing.

use chrono::NaiveDate;
use contracts::entry::{Entry, EntryKind};
use contracts::item::{Item, ItemKind};
use contracts::log::{LogName, LogRow, Minute, Seq};
use money::Micros;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A row that moves money, as the vouchers must count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effect {
    pub seq: Seq,
    pub minute: Minute,
    pub day: NaiveDate,
    /// The kind's code in its log.
    pub kind: i16,
    pub coins: i64,
}

/// A row that may move money.
pub trait Effective: LogRow {
    /// `None` where the row moves nothing.
    fn effect(&self) -> Option<Effect>;
}

impl Effective for Entry {
    fn effect(&self) -> Option<Effect> {
        let paid = self.available.paid_coins.saturating_add(self.held.paid_coins);
        let promo = self.available.promo_coins.saturating_add(self.held.promo_coins);
        let moves = paid != 0 || promo != 0 || !self.shortfall_coins.is_zero();
        let coins = paid.saturating_abs().saturating_add(promo.saturating_abs());
        moves.then(|| effect(self, self.kind.code(), coins))
    }
}

impl Effective for Item {
    fn effect(&self) -> Option<Effect> {
        let moves = self.gross_paid != Micros::ZERO || self.gross_promo != Micros::ZERO;
        let coins = self.paid_coins.get().saturating_add(self.promo_coins.get());
        moves.then(|| effect(self, self.kind.code(), coins))
    }
}

fn effect<R: LogRow>(row: &R, kind: i16, coins: i64) -> Effect {
    let stamp = row.stamp();
    Effect { seq: stamp.seq, minute: stamp.minute, day: stamp.day, kind, coins }
}

/// Which voucher the rows of some kinds must become, as the settings state it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoucherRule {
    pub rule: String,
    pub source: LogName,
    pub kinds: Vec<String>,
}

/// The rule of each kind of each source.
#[derive(Clone, Debug, Default)]
pub struct VoucherRules(BTreeMap<(LogName, i16), String>);

/// A voucher rule that names a kind its source does not have, or one that another rule has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("voucher rule {rule} names kind {kind:?}, which {source_log} does not have or another rule has too")]
pub struct BadVoucherRule {
    pub rule: String,
    pub kind: String,
    pub source_log: LogName,
}

impl VoucherRules {
    /// The table of some rules.
    ///
    /// # Errors
    /// [`BadVoucherRule`].
    pub fn try_new(rules: &[VoucherRule]) -> Result<VoucherRules, BadVoucherRule> {
        let mut table = BTreeMap::new();
        for rule in rules {
            for kind in &rule.kinds {
                let bad = || BadVoucherRule {
                    rule: rule.rule.clone(),
                    kind: kind.clone(),
                    source_log: rule.source,
                };
                let code = code_of(rule.source, kind).ok_or_else(bad)?;
                if table.insert((rule.source, code), rule.rule.clone()).is_some() {
                    return Err(bad());
                }
            }
        }
        Ok(VoucherRules(table))
    }

    /// The rule that rows of a kind must become a voucher by; `None` is a kind nobody posts.
    pub fn rule_of(&self, source: LogName, kind: i16) -> Option<&str> {
        self.0.get(&(source, kind)).map(String::as_str)
    }
}

fn code_of(source: LogName, kind: &str) -> Option<i16> {
    let json = serde_json::Value::String(kind.to_owned());
    match source {
        LogName::Entries => serde_json::from_value::<EntryKind>(json).ok().map(EntryKind::code),
        LogName::Items => serde_json::from_value::<ItemKind>(json).ok().map(ItemKind::code),
        LogName::Payments | LogName::Orders | LogName::Payouts | LogName::Vouchers => None,
    }
}
