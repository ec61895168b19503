//! The accepted peak: the highest rate over HTTP with every service on at which answers come within the promise.

use super::figure::Sample;
use super::load::{self, Pace, Target};
use crate::failure::Failure;
use guard::capacity::{LoadStep, LoadTest};

/// What counts as an answer in time, in microseconds.
const P99_MAX_US: u64 = 50_000;

/// The same for people.
pub const PROMISE: &str = "p99 of 50 ms";

/// The rates that are tried, in percent of what connections get that never pause.
const TRIED_PERCENT: [u64; 9] = [100, 95, 90, 85, 80, 70, 60, 50, 40];

/// What was tried, and the first rate that held.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Peak {
    pub accepted: Sample,
    /// What was offered, and how it went.
    tried: Vec<(u64, Sample)>,
}

/// Tries rates from above until one holds. Where none does, the slowest counts: it is what there is.
///
/// # Errors
/// [`Failure::Bench`].
pub async fn find(target: &Target, seconds: u64) -> Result<Peak, Failure> {
    let unpaced = load::run(target, Pace::Closed, seconds).await?;
    let mut peak = Peak { accepted: unpaced, tried: Vec::new() };
    for percent in TRIED_PERCENT {
        let offered = (unpaced.per_second * percent / 100).max(1);
        peak.accepted = load::run(target, Pace::PerSecond(offered), seconds).await?;
        peak.tried.push((offered, peak.accepted));
        if peak.accepted.p99_us <= P99_MAX_US {
            break;
        }
    }
    Ok(peak)
}

impl Peak {
    /// What `largesse capacity` plans with: this is one node, and all that it does.
    pub fn load_test(&self) -> LoadTest {
        let step = |&(offered_per_s, sample): &(u64, Sample)| LoadStep {
            offered_per_s,
            // What was due in the last moment is answered after the end, so a rate may come out a little higher.
            served_per_s: sample.per_second.min(offered_per_s),
            p99_us: sample.p99_us,
        };
        LoadTest { nodes: 1, steps: self.tried.iter().map(step).collect(), p99_max_us: P99_MAX_US }
    }
}
