//! How dependencies are, for people and programs: the registry's state, and the table of what is declared.

use super::{Declaration, Need};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// Whether a dependency is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is.
    Closed,
    /// It is not, for a while.
    Open,
    /// A few calls try whether it works again.
    Trying,
}

impl State {
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Closed => "answers",
            State::Open => "away",
            State::Trying => "tried again",
        }
    }
}

/// One dependency, now. Counts are since the process started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DependencyReport {
    pub name: String,
    /// `strong` or `weak`.
    pub need: String,
    pub state: State,
    pub in_flight: u32,
    pub in_flight_max: u32,
    pub timeout_ms: u64,
    pub calls: u64,
    /// Errors that count, and timeouts.
    pub failed: u64,
    /// Answers that came, and took too long.
    #[serde(default)]
    pub slow: u64,
    /// Calls that were not made.
    pub refused: u64,
    /// Answers that were given without it.
    pub fallbacks: u64,
    /// How often the breaker opened.
    pub opened: u64,
    pub fallback: Option<String>,
}

/// The state of dependencies as lines of text.
pub fn text_table(reports: &[DependencyReport]) -> String {
    let head =
        ["dependency", "need", "state", "in flight", "calls", "failed", "slow", "refused", "without it"];
    let mut rows = vec![head.map(str::to_owned)];
    for report in reports {
        rows.push([
            report.name.clone(),
            report.need.clone(),
            report.state.as_str().to_owned(),
            format!("{}/{}", report.in_flight, report.in_flight_max),
            report.calls.to_string(),
            report.failed.to_string(),
            report.slow.to_string(),
            report.refused.to_string(),
            report.fallback.clone().unwrap_or_else(|| "the node is unready".to_owned()),
        ]);
    }
    let widths: [usize; 9] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end()); // A string takes everything.
    }
    text
}

/// What is declared, as a table for a page: generated, so that it cannot say something different from the code.
pub fn markdown_table<'d>(declarations: impl IntoIterator<Item = &'d Declaration>) -> String {
    let mut text = String::from(
        "| dependency | for | class | time limit | calls at once | breaker | without it |\n|---|---|---|---|---|---|---|\n",
    );
    for declaration in declarations {
        let breaker = declaration.breaker;
        let without = match declaration.need {
            Need::Strong => "the node is unready, traffic goes elsewhere",
            Need::Weak { fallback } => fallback,
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} ms | {} | {} % failed or {} % over {} ms, of {} in {} ms; again after {} ms | {without} |",
            declaration.name,
            declaration.purpose,
            declaration.need.as_str(),
            declaration.timeout.as_millis(),
            declaration.in_flight_max,
            breaker.failed_percent,
            breaker.slow_percent,
            breaker.slow.as_millis(),
            breaker.calls_min,
            breaker.window.as_millis(),
            breaker.open_for.as_millis(),
        );
    }
    text
}
