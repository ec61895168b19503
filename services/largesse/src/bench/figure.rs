//! A figure and what it is measured against, its medians, and the table.

use super::http::Pipeline;
use crate::failure::Failure;
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One figure and what it is measured against.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    pub what: String,
    pub per_second: u64,
    /// Absent where only the rate was measured.
    pub p50_us: Option<u64>,
    pub p99_us: Option<u64>,
    pub yardstick: String,
    pub yardstick_per_second: u64,
    pub yardstick_p99_us: Option<u64>,
    /// How many times the yardstick, in thousandths.
    pub ratio_milli: u64,
    /// What was asked for, in thousandths of the yardstick; absent where nothing was.
    pub target_milli: Option<u64>,
    pub runs: usize,
}

/// What one run measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sample {
    pub per_second: u64,
    pub p50_us: u64,
    pub p99_us: u64,
}

impl Sample {
    pub fn new(per_second: u64, p50: Duration, p99: Duration) -> Sample {
        Sample { per_second, p50_us: micros(p50), p99_us: micros(p99) }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Figure {
    /// The median run of each side.
    pub fn new(what: &str, yardstick: &str, ours: &[Sample], theirs: &[Sample]) -> Figure {
        let runs = ours.len();
        let (ours, theirs) = (median(ours), median(theirs));
        Figure {
            what: what.to_owned(),
            per_second: ours.per_second,
            p50_us: Some(ours.p50_us).filter(|us| *us > 0),
            p99_us: Some(ours.p99_us).filter(|us| *us > 0),
            yardstick: yardstick.to_owned(),
            yardstick_per_second: theirs.per_second,
            yardstick_p99_us: Some(theirs.p99_us).filter(|us| *us > 0),
            ratio_milli: ours.per_second.saturating_mul(1_000) / theirs.per_second.max(1),
            target_milli: None,
            runs,
        }
    }

    pub fn with_target(self, target_milli: u64) -> Figure {
        Figure { target_milli: Some(target_milli), ..self }
    }
}

fn median(samples: &[Sample]) -> Sample {
    let mut samples = samples.to_vec();
    samples.sort_unstable();
    samples.get(samples.len() / 2).copied().unwrap_or_default()
}

fn shown(us: Option<u64>) -> String {
    us.map_or_else(|| "–".to_owned(), |us| us.to_string())
}

fn times(milli: u64) -> String {
    format!("{}.{:02}×", milli / 1_000, milli % 1_000 / 10)
}

/// What was measured so far, in a file at every moment: a run that is cut short has what it has.
pub struct Report {
    path: PathBuf,
    figures: Vec<Figure>,
}

impl Report {
    pub fn new(path: &Path) -> Report {
        Report { path: path.to_owned(), figures: Vec::new() }
    }

    /// Keeps a figure, and tells it to who waits.
    ///
    /// # Errors
    /// [`Failure::File`].
    pub fn add(&mut self, figure: Figure) -> Result<(), Failure> {
        println!("{figure}");
        self.figures.push(figure);
        self.save(None)
    }

    /// Writes everything, and what the pipeline told.
    ///
    /// # Errors
    /// [`Failure::File`].
    pub fn save(&self, pipeline: Option<&Pipeline>) -> Result<(), Failure> {
        write(&self.path, &serde_json::json!({ "figures": self.figures, "pipeline": pipeline }))
    }

    /// Prints a line a figure.
    pub fn print_table(&self) {
        println!(
            "\n{:<64} {:>8} {:>8} {:>8} {:>8} {:>8}   yardstick (per s, p99 µs)",
            "figure", "per s", "p50 µs", "p99 µs", "ratio", "target"
        );
        for figure in &self.figures {
            println!("{figure}");
        }
    }
}

/// Writes JSON for people, too.
///
/// # Errors
/// [`Failure::File`], [`Failure::Report`].
pub fn write(path: &Path, what: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(what).map_err(|error| Failure::Report(Box::new(error)))?;
    std::fs::write(path, text).map_err(|source| Failure::File { path: path.to_owned(), source })
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<64} {:>8} {:>8} {:>8} {:>8} {:>8}   {} ({}, {})",
            self.what,
            self.per_second,
            shown(self.p50_us),
            shown(self.p99_us),
            times(self.ratio_milli),
            self.target_milli.map_or_else(|| "–".to_owned(), times),
            self.yardstick,
            self.yardstick_per_second,
            shown(self.yardstick_p99_us),
        )
    }
}
