//! Rules: versioned data that says which passes run in which order, and what outside tolerances are called.
//!
//! [`Rules`] is what is stored and edited; [`CheckedRules`] is what runs. A rule that is wrong never runs.

use super::line::Field;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The most passes of one set of rules.
pub const PASSES_MAX: usize = 32;
/// The most lines a side may have, whatever the rules say.
pub const LINES_MAX: usize = 1_000_000;
/// The longest lag in days.
pub const LAG_DAYS_MAX: u16 = 366;
/// The most items of a suggested sum.
pub const SUBSET_ITEMS_MAX: u8 = 12;
/// The most lines that are tried for one sum.
pub const SUBSET_CANDIDATES_MAX: u16 = 256;
/// The most steps all searches of one pass take together.
pub const SUBSET_STEPS_MAX: u64 = 100_000_000;

/// A version of the rules for one pair of sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    pub name: String,
    /// From 1. A changed rule is a new version; matches carry it.
    pub version: u32,
    pub walls: Walls,
    pub passes: Vec<Pass>,
    /// By name. Matches that use one carry its name and the variance.
    #[serde(default)]
    pub tolerances: BTreeMap<String, Tolerance>,
    /// Lines of a side, at most [`LINES_MAX`].
    #[serde(default = "lines_max")]
    pub lines_max: usize,
}

fn lines_max() -> usize {
    LINES_MAX
}

/// Whether both sides are ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Walls {
    /// Both sides are ours: no tolerance at all.
    Inside,
    /// One side is a channel's or a bank's.
    Outside,
}

/// One step, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pass {
    pub name: String,
    pub act: Act,
}

/// What a pass does. Currencies are always equal; amounts are, unless a tolerance is named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    /// One to one: the fields, the amount and the day are equal.
    Exact { by: Vec<Field> },
    /// One to one by other fields, on the same day.
    FallbackKey {
        by: Vec<Field>,
        #[serde(default)]
        tolerance: Option<String>,
    },
    /// One to one, some days apart.
    DateLag {
        by: Vec<Field>,
        min_days: u16,
        max_days: u16,
        direction: Direction,
        #[serde(default)]
        tolerance: Option<String>,
    },
    /// One line against the sum of all lines with the same value of a field.
    BatchSum {
        by: Field,
        shape: Shape,
        /// Lines of a sum.
        max_lines: u32,
        /// Days between the one and each of the many, either way.
        max_days: u16,
        #[serde(default)]
        tolerance: Option<String>,
    },
    /// Some lines that sum to one: told, never taken. Runs after every pass that takes.
    SubsetSumSuggest {
        shape: Shape,
        /// A field that the lines share; none: the currency alone narrows.
        #[serde(default)]
        within: Option<Field>,
        max_items: u8,
        max_candidates: u16,
        /// For all searches of the pass together.
        max_steps: u64,
        max_days: u16,
    },
}

/// Which side is later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    RightLater,
    LeftLater,
    /// Either one; `min_days` must be 0.
    Either,
}

/// Which side has the one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// One left line against many right ones.
    OneToMany,
    /// Many left lines against one right one.
    ManyToOne,
}

/// How far the right side's amount may be from the left's, in minor units of one currency, both ends included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tolerance {
    pub cause: ToleranceCause,
    pub currency: String,
    /// At most 0: how much less the right side may have.
    pub least_minor: i64,
    /// At least 0: how much more the right side may have.
    pub most_minor: i64,
}

/// Why amounts may differ outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToleranceCause {
    /// The channel keeps a fee.
    Fee,
    /// The channel rounds otherwise.
    Rounding,
}

/// Rules that cannot run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    #[error("versions count from 1")]
    VersionZero,
    #[error("{passes} passes are not between 1 and {PASSES_MAX}")]
    Passes { passes: usize },
    #[error("lines_max is not between 1 and {LINES_MAX}")]
    Lines,
    #[error("two passes are called {name:?}, or one has no name")]
    PassName { name: String },
    #[error("pass {pass:?} compares no field that identifies a movement")]
    NoIdentity { pass: String },
    #[error("tolerance {tolerance:?} has no place inside our walls")]
    ToleranceInside { tolerance: String },
    #[error("pass {pass:?} names tolerance {tolerance:?}, which is not there")]
    UnknownTolerance { pass: String, tolerance: String },
    #[error("tolerance {tolerance:?} must reach from at most 0 to at least 0 and allow something")]
    EmptyTolerance { tolerance: String },
    #[error(
        "the days of pass {pass:?} are not between 0 and {LAG_DAYS_MAX}, or the smallest is above the largest"
    )]
    Days { pass: String },
    #[error("pass {pass:?} goes either way, so its smallest lag is 0")]
    EitherWithMin { pass: String },
    #[error("a limit of pass {pass:?} is not between 1 (2 items) and its largest")]
    Limit { pass: String },
    #[error("pass {pass:?} takes lines and comes after one that only suggests")]
    SuggestionNotLast { pass: String },
}

/// Rules that can run.
#[derive(Clone, Debug)]
pub struct CheckedRules {
    rules: Rules,
    passes: Vec<Checked>,
}

/// A pass, worked out.

#[derive(Clone, Debug)]
pub(super) enum Checked {
    Pairs(PairRule),
    Batch(BatchRule),
    Subsets(SubsetRule),
}

/// One to one: fields are equal, and the right day is `from_days` to `to_days` after the left one.
#[derive(Clone, Debug)]
pub(super) struct PairRule {
    pub(super) pass: String,
    pub(super) by: Vec<Field>,
    pub(super) from_days: i32,
    pub(super) to_days: i32,
    pub(super) tolerance: Option<(String, Tolerance)>,
}

#[derive(Clone, Debug)]
pub(super) struct BatchRule {
    pub(super) pass: String,
    pub(super) by: Field,
    pub(super) shape: Shape,
    pub(super) max_lines: usize,
    pub(super) max_days: i32,
    pub(super) tolerance: Option<(String, Tolerance)>,
}

#[derive(Clone, Debug)]
pub(super) struct SubsetRule {
    pub(super) pass: String,
    pub(super) shape: Shape,
    pub(super) within: Option<Field>,
    pub(super) max_items: usize,
    pub(super) max_candidates: usize,
    pub(super) max_steps: u64,
    pub(super) max_days: i32,
}

impl CheckedRules {
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    pub(super) fn passes(&self) -> &[Checked] {
        &self.passes
    }
}

impl Rules {
    /// Checks the rules as a whole.
    ///
    /// # Errors
    /// [`RulesError`]: the first thing that is wrong.
    pub fn check(self) -> Result<CheckedRules, RulesError> {
        if self.version == 0 {
            return Err(RulesError::VersionZero);
        }
        if !(1..=LINES_MAX).contains(&self.lines_max) {
            return Err(RulesError::Lines);
        }
        if !(1..=PASSES_MAX).contains(&self.passes.len()) {
            return Err(RulesError::Passes { passes: self.passes.len() });
        }
        self.check_tolerances()?;
        let mut names = BTreeSet::new();
        let mut passes: Vec<Checked> = Vec::new();
        for pass in &self.passes {
            if pass.name.is_empty() || !names.insert(&pass.name) {
                return Err(RulesError::PassName { name: pass.name.clone() });
            }
            let act = self.check_pass(pass)?;
            let only_suggested = passes.last().is_some_and(|last| matches!(last, Checked::Subsets(_)));
            if only_suggested && !matches!(act, Checked::Subsets(_)) {
                return Err(RulesError::SuggestionNotLast { pass: pass.name.clone() });
            }
            passes.push(act);
        }
        Ok(CheckedRules { passes, rules: self })
    }

    fn check_tolerances(&self) -> Result<(), RulesError> {
        for (name, Tolerance { least_minor, most_minor, .. }) in &self.tolerances {
            if self.walls == Walls::Inside {
                return Err(RulesError::ToleranceInside { tolerance: name.clone() });
            }
            if *least_minor > 0 || *most_minor < 0 || (*least_minor, *most_minor) == (0, 0) {
                return Err(RulesError::EmptyTolerance { tolerance: name.clone() });
            }
        }
        Ok(())
    }

    fn check_pass(&self, pass: &Pass) -> Result<Checked, RulesError> {
        let limit = || RulesError::Limit { pass: pass.name.clone() };
        match &pass.act {
            Act::Exact { by } => self.check_pairs(pass, by, (0, 0), None),
            Act::FallbackKey { by, tolerance } => self.check_pairs(pass, by, (0, 0), tolerance.as_ref()),
            Act::DateLag { by, min_days, max_days, direction, tolerance } => {
                if min_days > max_days {
                    return Err(RulesError::Days { pass: pass.name.clone() });
                }
                let (min, max) = (days(pass, *min_days)?, days(pass, *max_days)?);
                let window = match direction {
                    Direction::RightLater => (min, max),
                    Direction::LeftLater => (-max, -min),
                    Direction::Either if min == 0 => (-max, max),
                    Direction::Either => return Err(RulesError::EitherWithMin { pass: pass.name.clone() }),
                };
                self.check_pairs(pass, by, window, tolerance.as_ref())
            }
            Act::BatchSum { by, shape, max_lines, max_days, tolerance } => {
                if *by == Field::Account {
                    return Err(RulesError::NoIdentity { pass: pass.name.clone() });
                }
                let max_lines = usize::try_from(*max_lines).map_err(|_| limit())?;
                if !(1..=LINES_MAX).contains(&max_lines) {
                    return Err(limit());
                }
                let (max_days, tolerance) =
                    (days(pass, *max_days)?, self.tolerance(pass, tolerance.as_ref())?);
                let pass = pass.name.clone();
                Ok(Checked::Batch(BatchRule { pass, by: *by, shape: *shape, max_lines, max_days, tolerance }))
            }
            Act::SubsetSumSuggest { shape, within, max_items, max_candidates, max_steps, max_days } => {
                let fits = (2..=SUBSET_ITEMS_MAX).contains(max_items)
                    && (1..=SUBSET_CANDIDATES_MAX).contains(max_candidates)
                    && (1..=SUBSET_STEPS_MAX).contains(max_steps);
                if !fits {
                    return Err(limit());
                }
                Ok(Checked::Subsets(SubsetRule {
                    pass: pass.name.clone(),
                    shape: *shape,
                    within: *within,
                    max_items: usize::from(*max_items),
                    max_candidates: usize::from(*max_candidates),
                    max_steps: *max_steps,
                    max_days: days(pass, *max_days)?,
                }))
            }
        }
    }

    fn check_pairs(
        &self,
        pass: &Pass,
        by: &[Field],
        (from_days, to_days): (i32, i32),
        tolerance: Option<&String>,
    ) -> Result<Checked, RulesError> {
        if !by.iter().any(|field| field.identifies()) {
            return Err(RulesError::NoIdentity { pass: pass.name.clone() });
        }
        let tolerance = self.tolerance(pass, tolerance)?;
        let pass = pass.name.clone();
        Ok(Checked::Pairs(PairRule { pass, by: by.to_vec(), from_days, to_days, tolerance }))
    }

    fn tolerance(
        &self,
        pass: &Pass,
        name: Option<&String>,
    ) -> Result<Option<(String, Tolerance)>, RulesError> {
        let Some(name) = name else { return Ok(None) };
        if self.walls == Walls::Inside {
            return Err(RulesError::ToleranceInside { tolerance: name.clone() });
        }
        let unknown = || RulesError::UnknownTolerance { pass: pass.name.clone(), tolerance: name.clone() };
        let tolerance = self.tolerances.get(name).ok_or_else(unknown)?;
        Ok(Some((name.clone(), tolerance.clone())))
    }
}

fn days(pass: &Pass, days: u16) -> Result<i32, RulesError> {
    if days > LAG_DAYS_MAX {
        return Err(RulesError::Days { pass: pass.name.clone() });
    }
    Ok(i32::from(days))
}
