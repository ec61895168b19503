//! Faults on purpose: a stack of processes on real servers, killed or stopped at a chosen moment, and disks that
//! fill up.
//!
//! Acts from outside, and only on what it started or mounted itself. The suites that use it live with the
//! binary (`services/largesse/tests/it`); `make stack` runs the same stack for people.

mod born;
mod cluster;
mod disk;
mod layout;
mod process;
mod stack_file;
mod victim;

pub use born::{Born, born_at};
pub use cluster::{Cluster, ClusterSettings};
pub use disk::SmallDisk;
pub use layout::{Database, Role, STACK, WALLET_ELSEWHERE};
pub use process::{CLOCK_READ_EVERY_S, Process};
pub use stack_file::{StackFile, StackProcess};
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
    #[error("the package libfaketime is not installed")]
    NoFaketime,
    #[error("{0} was started with everybody's clock")]
    NoClock(String),
    #[error("no small disk (mounting one needs root): {0}")]
    Disk(String),
    #[error("a private server did not start")]
    Server(#[from] testkit::TestkitError),
    #[error("{path} could not be used")]
    File { path: std::path::PathBuf, source: std::io::Error },
    #[error("{name} was not ready within {waited:?}; the end of its log:\n{log}")]
    NotReady { name: String, waited: std::time::Duration, log: String },
    #[error("{name} ended by itself; the end of its log:\n{log}")]
    Ended { name: String, log: String },
    #[error("{command} failed: {output}")]
    Failed { command: String, output: String },
    #[error("there is no process {0} in this stack")]
    NoSuchProcess(String),
}
