//! What a run ends with: the figures, the proof of the books, and three ways to write them.
//!
//! Owns the shape of the report and nothing of how its figures come about: the replay's come from a
//! [`Summary`], the books' from whoever can read them.

mod charts;
mod html;
mod text;

use crate::progress::rate_per_s;
use crate::send::{RoomTotal, Summary, TimeBucket};
use serde::Serialize;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// The most rooms a report names.
const TOP_ROOMS_MAX: usize = 10;

/// The end of a run. The first eight keys are what scripts rely on.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Gold gifts that were taken.
    pub gifts: u64,
    /// Coins they cost.
    pub coins: i64,
    /// Orders that ended, delivered or refunded.
    pub orders: u64,
    /// Settled items.
    pub items: u64,
    pub vouchers: u64,
    /// Open differences found by reconciliation.
    pub breaks: u64,
    /// Debits less credits over all accounts, in micros: zero when the books close.
    pub trial_balance: i64,
    pub check: Check,
    pub source: String,
    /// How long the gifts took to send.
    pub elapsed_ms: u64,
    pub gifts_per_s: u64,
    /// Gifts refused because their viewer ran out of coins.
    pub refused: u64,
    /// Gifts the server had taken before, in an earlier start of this run.
    pub replayed: u64,
    pub free_gifts: u64,
    /// Requests that were sent again because their outcome was not known.
    pub retries: u64,
    pub flow: Flow,
    pub gifts_over_time: Vec<TimeBucket>,
    pub top_rooms: Vec<RoomTotal>,
}

/// Whether the books close, and what says so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Check {
    pub passed: bool,
    pub invariants: Vec<Invariant>,
}

/// One thing that must hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Invariant {
    pub name: String,
    pub passed: bool,
    pub figure: String,
}

/// Where the money of the run went: fiat, in millionths of a minor unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Flow {
    /// What viewers paid for coins.
    pub recharged_micros: i64,
    /// The face value of the coins they spent, what came back included.
    pub spent_micros: i64,
    /// The face value of what came back by refunds.
    pub refunded_micros: i64,
    pub streamer_payable_micros: i64,
    pub agency_payable_micros: i64,
    pub tax_payable_micros: i64,
    pub platform_revenue_micros: i64,
}

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error("the report cannot be written")]
    Write(#[from] std::io::Error),
    #[error("the report is not JSON")]
    Json(#[from] serde_json::Error),
    #[error("a chart cannot be drawn: {0}")]
    Chart(String),
}

impl Report {
    /// A report with what the replay knows. The caller adds what only the books know.
    pub fn of_replay(source: &str, summary: &Summary) -> Report {
        Report {
            gifts: summary.accepted,
            coins: summary.charged_coins,
            source: source.to_owned(),
            elapsed_ms: u64::try_from(summary.elapsed.as_millis()).unwrap_or(u64::MAX),
            gifts_per_s: rate_per_s(summary.accepted, summary.elapsed),
            refused: summary.refused,
            replayed: summary.replayed,
            free_gifts: summary.free,
            retries: summary.retries,
            gifts_over_time: summary.gifts_over_time.clone(),
            top_rooms: summary.rooms.iter().take(TOP_ROOMS_MAX).cloned().collect(),
            ..Report::default()
        }
    }

    /// Writes the report as JSON.
    ///
    /// # Errors
    /// [`ReportError`] where the file cannot be written.
    pub fn write_json(&self, path: &Path) -> Result<(), ReportError> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(write(path, &text)?)
    }

    /// Writes the report as one page with its charts inside it.
    ///
    /// # Errors
    /// [`ReportError`] where a chart or the file fails.
    pub fn write_html(&self, path: &Path) -> Result<(), ReportError> {
        Ok(write(path, &self.to_html()?)?)
    }

    /// The page as text.
    ///
    /// # Errors
    /// [`ReportError::Chart`] where a chart cannot be drawn.
    pub fn to_html(&self) -> Result<String, ReportError> {
        html::page(self)
    }

    /// Writes the report for people, on a terminal or wherever.
    ///
    /// # Errors
    /// [`ReportError::Write`] where `out` fails.
    pub fn print(&self, out: &mut impl Write) -> Result<(), ReportError> {
        Ok(out.write_all(text::lines(self).as_bytes())?)
    }
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Micros as yuan with two decimals, rounded towards zero: for people, never for sums.
fn yuan(micros: i64) -> String {
    let fen = micros.unsigned_abs() / 1_000_000;
    let sign = if micros < 0 { "−" } else { "" };
    format!("{sign}¥{}.{:02}", crate::progress::grouped(fen / 100), fen % 100)
}
