//! Accounting rules as data: which component of which kind of row moves from which account to which.

use super::movement::{BadRow, Component, Movement, RowKind};
use contracts::log::LogName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One rule as a file states it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub name: String,
    pub source: LogName,
    pub kinds: Vec<String>,
    pub lines: Vec<RuleLine>,
}

/// One line: the component is debited to one account and credited to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleLine {
    pub component: Component,
    pub debit: String,
    pub credit: String,
}

/// The rules by the kinds they post; only [`super::policy::Policy`] makes one, so it is consistent.
#[derive(Clone, Debug)]
pub struct RuleTable {
    rules: Vec<Rule>,
    by_kind: BTreeMap<RowKind, usize>,
}

impl RuleTable {
    pub(super) fn new(rules: Vec<Rule>, by_kind: BTreeMap<RowKind, usize>) -> RuleTable {
        RuleTable { rules, by_kind }
    }

    /// The rule of a movement.
    ///
    /// # Errors
    /// [`BadRow::NoRule`] where a component that moves has no line: nothing may go unposted.
    pub fn rule_of(&self, movement: &Movement) -> Result<&Rule, BadRow> {
        let rule = self.by_kind.get(&movement.kind).and_then(|at| self.rules.get(*at));
        let Some(rule) = rule else { return Err(BadRow::NoRule("coins")) };
        for (component, _) in &movement.amounts {
            if !rule.lines.iter().any(|line| line.component == *component) {
                return Err(BadRow::NoRule(component.as_str()));
            }
        }
        Ok(rule)
    }

    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
}
