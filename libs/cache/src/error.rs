//! What can go wrong with the cache. None of it is a reason to fail a request that can do without.

use contracts::class::{Classed, ErrorClass};

/// Why the cache gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CacheError {
    #[error("the cache did not answer {act} in time")]
    TimedOut { act: &'static str },
    #[error("the cache could not be reached: {reason}")]
    Unreachable { reason: String },
    /// It is there, and does not let us in: a wrong user or password. Only connecting says so.
    #[error("the cache lets nobody in by this URL: {reason}")]
    Refused { reason: String },
    #[error("the cache gave an answer to {act} that makes no sense: {reason}")]
    BadReply { act: &'static str, reason: String },
    #[error("this is not a Redis URL (redis://host:port)")]
    BadUrl,
    #[error("this store has no {act}")]
    Unsupported { act: &'static str },
    #[error("a batch of additions names at most {} counters, each once", crate::ADDITIONS_LEN_MAX)]
    BadBatch,
}

impl Classed for CacheError {
    fn class(&self) -> ErrorClass {
        match self {
            CacheError::TimedOut { .. } | CacheError::Unreachable { .. } => ErrorClass::Transient,
            CacheError::BadReply { .. } | CacheError::Unsupported { .. } => ErrorClass::Bug,
            CacheError::BadUrl | CacheError::BadBatch | CacheError::Refused { .. } => ErrorClass::Rejected,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            CacheError::TimedOut { .. } | CacheError::Unreachable { .. } => "cache-unavailable",
            CacheError::Refused { .. } => "cache-refused",
            CacheError::BadReply { .. } => "cache-bad-reply",
            CacheError::BadUrl => "cache-bad-url",
            CacheError::Unsupported { .. } => "cache-unsupported",
            CacheError::BadBatch => "cache-bad-batch",
        }
    }
}
