//! Faults on purpose: processes that are killed at a chosen moment, and disks that fill up.
//!
//! Acts from outside, and only on what it started or mounted itself. The suites that use it live with the
//! binary (`services/largesse/tests/it`).

mod disk;
mod victim;

pub use disk::SmallDisk;
pub use victim::{Ended, Victim};

/// Why an experiment could not be set up. An experiment that could not run has not passed.
#[derive(Debug, thiserror::Error)]
pub enum ChaosError {
    #[error("{program} could not be started")]
    Spawn { program: String, source: std::io::Error },
    #[error("process {0} could not be watched")]
    Watch(u32, #[source] std::io::Error),
    #[error("process {0} was still running after {1:?}")]
    StillRunning(u32, std::time::Duration),
    #[error("no small disk: {0}")]
    Disk(String),
}
