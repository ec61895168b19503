//! A figure and what it is measured against, its medians, and the table.

use super::http::Pipeline;
use crate::failure::Failure;
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

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
    began: Instant,
    figures: Vec<Figure>,
    pages: Vec<PageFigure>,
}

impl Report {
    pub fn new(path: &Path) -> Report {
        Report { path: path.to_owned(), began: Instant::now(), figures: Vec::new(), pages: Vec::new() }
    }

    /// Keeps a figure, and tells it to who waits.
    ///
    /// # Errors
    /// [`Failure::File`].
    pub fn add(&mut self, figure: Figure) -> Result<(), Failure> {
        println!("{figure}  after {} s", self.began.elapsed().as_secs());
        self.figures.push(figure);
        self.save(None)
    }

    /// Keeps a page's figure, and tells it to who waits.
    ///
    /// # Errors
    /// [`Failure::File`].
    pub fn add_page(&mut self, figure: PageFigure) -> Result<(), Failure> {
        println!("{figure}");
        self.pages.push(figure);
        self.save(None)
    }

    /// Writes everything, and what the pipeline told.
    ///
    /// # Errors
    /// [`Failure::File`].
    pub fn save(&self, pipeline: Option<&Pipeline>) -> Result<(), Failure> {
        let told = serde_json::json!({ "figures": self.figures, "pages": self.pages, "pipeline": pipeline });
        write(&self.path, &told)
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
        if !self.pages.is_empty() {
            println!(
                "\n{:<44} {:>9} {:>9} {:>9} {:>9} {:>8}   targets: {} ms, {}",
                "page, or route",
                "ms",
                "worst ms",
                "small ms",
                "empty ms",
                "ratio",
                PAGE_TARGET_US / 1_000,
                times(PAGE_TARGET_MILLI)
            );
        }
        for page in &self.pages {
            println!("{page}");
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

/// What a page may take on a long system, in microseconds, and in thousandths of the same page on an empty one.
pub const PAGE_TARGET_US: u64 = 300_000;
pub const PAGE_TARGET_MILLI: u64 = 5_000;

/// How long one page took, until all of it was there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Opening {
    pub took: Duration,
    /// Its address and status where it, or a part of it, was not there.
    pub refused: Option<String>,
}

/// One page on a long system and on an empty one.
#[derive(Clone, Debug, Serialize)]
pub struct PageFigure {
    pub page: String,
    /// Of the wallet's log on the long system.
    pub entries: usize,
    pub full_us: u64,
    /// The slowest of the runs.
    pub full_worst_us: u64,
    /// On a system that has just enough to fill the page.
    pub small_us: u64,
    pub empty_us: u64,
    /// How many times the empty system's, in thousandths.
    pub ratio_milli: u64,
    pub target_us: u64,
    pub target_ratio_milli: u64,
    /// An opening that was not answered whole: then the figure is not one of the page.
    pub refused: Option<String>,
    pub runs: usize,
}

impl PageFigure {
    /// The median opening of each side; beside it a small system, and an empty one.
    pub fn new(
        page: &str,
        entries: usize,
        mut full: Vec<Opening>,
        (mut small, mut empty): (Vec<Opening>, Vec<Opening>),
    ) -> PageFigure {
        full.sort_unstable();
        small.sort_unstable();
        empty.sort_unstable();
        let took = |opening: Option<&Opening>| opening.map_or(0, |opening| micros(opening.took));
        let median = full.get(full.len() / 2);
        let (full_us, empty_us) = (took(median), took(empty.get(empty.len() / 2)));
        PageFigure {
            page: page.to_owned(),
            entries,
            full_us,
            full_worst_us: took(full.last()),
            small_us: took(small.get(small.len() / 2)),
            empty_us,
            ratio_milli: full_us.saturating_mul(1_000) / empty_us.max(1),
            target_us: PAGE_TARGET_US,
            target_ratio_milli: PAGE_TARGET_MILLI,
            refused: full.iter().find_map(|opening| opening.refused.clone()),
            runs: full.len(),
        }
    }
}

/// Milliseconds with two decimals.
fn millis(us: u64) -> String {
    format!("{}.{:02}", us / 1_000, us % 1_000 / 10)
}

impl fmt::Display for PageFigure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<44} {:>9} {:>9} {:>9} {:>9} {:>8}",
            self.page,
            millis(self.full_us),
            millis(self.full_worst_us),
            millis(self.small_us),
            millis(self.empty_us),
            times(self.ratio_milli),
        )?;
        match &self.refused {
            Some(refused) => write!(f, "   NOT ANSWERED: {refused}"),
            None => Ok(()),
        }
    }
}
