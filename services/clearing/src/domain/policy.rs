//! The policy in force: chart, rules and face values, checked against each other.

use super::chart::Account;
use super::face_value::FaceValues;
use super::movement::RowKind;
use super::rules::{Rule, RuleTable};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Chart, rules and face values that fit together.
#[derive(Clone, Debug, Serialize)]
pub struct Policy {
    pub accounts: Vec<Account>,
    #[serde(serialize_with = "rules_only")]
    pub rules: RuleTable,
    pub face_values: FaceValues,
}

fn rules_only<S: serde::Serializer>(table: &RuleTable, serializer: S) -> Result<S::Ok, S::Error> {
    table.rules().serialize(serializer)
}

/// Why a policy was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPolicy {
    #[error("account code {0:?} is not 1 to 32 of letters, digits, '.' and '-'")]
    BadCode(String),
    #[error("account {0} is in the chart twice")]
    DoubleAccount(String),
    #[error("rule {0} is there twice")]
    DoubleRule(String),
    #[error("rule {rule} names account {account}, which is not in the chart")]
    UnknownAccount { rule: String, account: String },
    #[error("rule {0} moves an amount from an account to itself")]
    SameAccount(String),
    #[error("rule {rule} names kind {kind:?}, which its source does not have")]
    UnknownKind { rule: String, kind: String },
    #[error("rule {rule} names component {component}, which its source does not have, or names it twice")]
    WrongComponent { rule: String, component: &'static str },
    #[error("rules {first} and {second} both post {kind:?}")]
    DoubleKind { first: String, second: String, kind: RowKind },
    #[error("no rule posts {0:?}")]
    MissingKind(RowKind),
    #[error("face values need at least one row, one per day, each above zero")]
    BadFaceValues,
}

impl Policy {
    /// Checks that accounts exist, names are unique, and every kind that moves money has exactly one rule.
    ///
    /// # Errors
    /// [`BadPolicy`], with the name of what is wrong.
    pub fn try_new(
        accounts: Vec<Account>,
        rules: Vec<Rule>,
        face_values: FaceValues,
    ) -> Result<Policy, BadPolicy> {
        let mut codes = BTreeSet::new();
        for account in &accounts {
            if !account.has_plain_code() {
                return Err(BadPolicy::BadCode(account.code.clone()));
            }
            if !codes.insert(account.code.as_str()) {
                return Err(BadPolicy::DoubleAccount(account.code.clone()));
            }
        }
        let mut names = BTreeSet::new();
        let mut by_kind: BTreeMap<RowKind, usize> = BTreeMap::new();
        for (at, rule) in rules.iter().enumerate() {
            if !names.insert(rule.name.as_str()) {
                return Err(BadPolicy::DoubleRule(rule.name.clone()));
            }
            check_lines(rule, &codes)?;
            for name in &rule.kinds {
                let Some(kind) = RowKind::parse(rule.source, name) else {
                    return Err(BadPolicy::UnknownKind { rule: rule.name.clone(), kind: name.clone() });
                };
                if let Some(other) = by_kind.insert(kind, at) {
                    let first = rules.get(other).map(|rule| rule.name.clone()).unwrap_or_default();
                    return Err(BadPolicy::DoubleKind { first, second: rule.name.clone(), kind });
                }
            }
        }
        match RowKind::all_that_move().find(|kind| !by_kind.contains_key(kind)) {
            Some(kind) => Err(BadPolicy::MissingKind(kind)),
            None => Ok(Policy { accounts, rules: RuleTable::new(rules, by_kind), face_values }),
        }
    }
}

fn check_lines(rule: &Rule, codes: &BTreeSet<&str>) -> Result<(), BadPolicy> {
    let mut components = BTreeSet::new();
    for line in &rule.lines {
        let component = line.component;
        if component.source() != rule.source || !components.insert(component) {
            let component = component.as_str();
            return Err(BadPolicy::WrongComponent { rule: rule.name.clone(), component });
        }
        for account in [&line.debit, &line.credit] {
            if !codes.contains(account.as_str()) {
                let (rule, account) = (rule.name.clone(), account.clone());
                return Err(BadPolicy::UnknownAccount { rule, account });
            }
        }
        if line.debit == line.credit {
            return Err(BadPolicy::SameAccount(rule.name.clone()));
        }
    }
    Ok(())
}
