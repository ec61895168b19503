//! Why a private server is not there.

use crate::Kind;
use std::time::Duration;

/// What keeps a test from its server. Each says what a person can do about it.
#[derive(Debug, thiserror::Error)]
pub enum TestkitError {
    #[error("{program} is not installed (`make setup` installs it)")]
    Missing { program: String },
    #[error("{kind} was not ready within {waited:?}; the end of its log:\n{log}")]
    NotReady { kind: &'static str, waited: Duration, log: String },
    #[error("{kind} ended while it was starting; the end of its log:\n{log}")]
    Ended { kind: &'static str, log: String },
    #[error("{command} failed: {output}")]
    Failed { command: String, output: String },
    #[error("{0} is not a server testkit knows (postgres, redis, rabbitmq)")]
    UnknownKind(String),
    #[error("no free port between {first} and {last}")]
    NoFreePort { first: u16, last: u16 },
    #[error("cannot {act}")]
    Io { act: String, source: std::io::Error },
    #[error("the thread that started {0} panicked")]
    Panicked(Kind),
}

impl TestkitError {
    /// Wraps an error of the operating system with what was being done.
    pub(crate) fn io(act: impl Into<String>) -> impl FnOnce(std::io::Error) -> TestkitError {
        let act = act.into();
        move |source| TestkitError::Io { act, source }
    }
}
