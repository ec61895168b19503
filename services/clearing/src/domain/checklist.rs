//! What must hold before a period is closed, line by line. What is not known blocks like what is wrong.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Offenders a line names at most.
pub const OFFENDERS_MAX: usize = 10;

/// How one line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LineState {
    Passed,
    Blocks,
    /// Nobody could say. Blocks too.
    Unknown,
}

/// One condition of closing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckLine {
    /// Stable, in kebab case.
    pub name: String,
    pub state: LineState,
    /// What it was judged by, for people.
    pub figure: String,
    /// The first few of what blocks.
    pub detail: Vec<String>,
}

impl CheckLine {
    /// A line that holds where nothing offends; `more` are those beyond the named ones.
    pub fn without_offenders(name: &str, figure: String, mut detail: Vec<String>) -> CheckLine {
        let state = if detail.is_empty() { LineState::Passed } else { LineState::Blocks };
        let more = detail.len().saturating_sub(OFFENDERS_MAX);
        detail.truncate(OFFENDERS_MAX);
        if more > 0 {
            detail.push(format!("and {more} more"));
        }
        CheckLine { name: name.to_owned(), state, figure, detail }
    }

    /// A line that nobody could judge.
    pub fn unknown(name: &str, why: String) -> CheckLine {
        CheckLine {
            name: name.to_owned(),
            state: LineState::Unknown,
            figure: "unknown: blocks".to_owned(),
            detail: vec![why],
        }
    }
}

/// The conditions of closing one period, as they stand now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Checklist {
    /// `2026-11-20` or `2026-11`.
    pub period: String,
    pub first_day: NaiveDate,
    pub last_day: NaiveDate,
    /// Whether every line passed: the period may be closed.
    pub can_close: bool,
    pub lines: Vec<CheckLine>,
}

impl Checklist {
    pub fn new(span: &super::span::Span, lines: Vec<CheckLine>) -> Checklist {
        let can_close = lines.iter().all(|line| line.state == LineState::Passed);
        Checklist { period: span.name.clone(), first_day: span.first, last_day: span.last, can_close, lines }
    }

    /// The names of the lines that do not pass.
    pub fn blocking(&self) -> Vec<String> {
        let blocking = self.lines.iter().filter(|line| line.state != LineState::Passed);
        blocking.map(|line| line.name.clone()).collect()
    }
}
