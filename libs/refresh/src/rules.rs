//! What a version must satisfy before it is announced, and before a node serves it. Pure.

use crate::content::Counts;
use crate::table::DataSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A check of one's own: the version before, the version after, and why not.
type Check<D> = Arc<dyn Fn(&D, &D) -> Result<(), String> + Send + Sync>;

enum Rule<D> {
    RowsMin { table: String, rows: usize },
    ChangeMax { table: String, percent: u32 },
    Custom { name: String, check: Check<D> },
}

/// Rules of a set. The same may stand at the producer and at each consumer. A key that comes twice needs no rule: it
/// is refused always.
pub struct Rules<D>(Arc<Vec<Rule<D>>>);

impl<D> Clone for Rules<D> {
    fn clone(&self) -> Self {
        Rules(Arc::clone(&self.0))
    }
}

impl<D> Default for Rules<D> {
    fn default() -> Self {
        Rules(Arc::default())
    }
}

/// A step from one version to another, in the eyes of the rules.
pub(crate) struct Step<'a, D> {
    pub before: &'a D,
    pub rows_before: &'a Counts,
    pub rows_after: &'a Counts,
    /// Changed rows where they are known: a snapshot does not tell them.
    pub changed: Option<&'a Counts>,
    pub approved: bool,
}

impl<D> Rules<D> {
    pub fn none() -> Rules<D> {
        Rules::default()
    }

    fn and(self, rule: Rule<D>) -> Rules<D> {
        let mut rules = Arc::try_unwrap(self.0).unwrap_or_default();
        rules.push(rule);
        Rules(Arc::new(rules))
    }

    /// A table has at least so many rows.
    #[must_use]
    pub fn rows_min(self, table: &str, rows: usize) -> Rules<D> {
        self.and(Rule::RowsMin { table: table.to_owned(), rows })
    }

    /// At most so many of a hundred rows of a table change at once, come or go; not for a table that was empty, and
    /// not for a version that a person has approved. Where only a snapshot is at hand, the numbers of rows are
    /// compared.
    #[must_use]
    pub fn change_max_percent(self, table: &str, percent: u32) -> Rules<D> {
        self.and(Rule::ChangeMax { table: table.to_owned(), percent })
    }

    /// A check of one's own, with a name for people. It sees both versions complete.
    #[must_use]
    pub fn check(
        self,
        name: &str,
        check: impl Fn(&D, &D) -> Result<(), String> + Send + Sync + 'static,
    ) -> Rules<D> {
        self.and(Rule::Custom { name: name.to_owned(), check: Arc::new(check) })
    }

    fn judge(&self, step: &Step<'_, D>, after: &D) -> Result<(), String> {
        self.0.iter().try_for_each(|rule| rule.judge(step, after))
    }
}

impl<D: DataSet> Rules<D> {
    /// Finishes a version and judges it. Whatever a set's own code does, the caller goes on with what it has.
    ///
    /// # Errors
    /// Why it must not be served, in words.
    pub(crate) fn admit(&self, step: &Step<'_, D>, mut set: D) -> Result<D, String> {
        let judging = AssertUnwindSafe(|| {
            set.finish()?;
            self.judge(step, &set)
        });
        catch_unwind(judging).unwrap_or_else(|_| Err("a check panicked".to_owned()))?;
        Ok(set)
    }
}

fn rows_of(counts: &Counts, table: &str) -> usize {
    counts.get(table).copied().unwrap_or(0)
}

impl<D> Rule<D> {
    fn judge(&self, step: &Step<'_, D>, after: &D) -> Result<(), String> {
        match self {
            Rule::RowsMin { table, rows } => {
                let found = rows_of(step.rows_after, table);
                if found >= *rows {
                    return Ok(());
                }
                Err(format!("the table {table} has {found} rows, and {rows} are the least"))
            }
            Rule::ChangeMax { table, percent } => {
                let (before, after) = (rows_of(step.rows_before, table), rows_of(step.rows_after, table));
                let changed = step.changed.map_or(before.abs_diff(after), |changed| rows_of(changed, table));
                let allowed = usize::try_from(*percent).unwrap_or(usize::MAX).saturating_mul(before);
                if step.approved || before == 0 || changed.saturating_mul(100) <= allowed {
                    return Ok(());
                }
                Err(format!("{changed} of {before} rows of the table {table} change, and {percent} % may"))
            }
            Rule::Custom { name, check } => {
                check(step.before, after).map_err(|reason| format!("{name}: {reason}"))
            }
        }
    }
}
