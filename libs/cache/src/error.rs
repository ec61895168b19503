//! What can go wrong with the cache. None of it is a reason to fail a request that can do without.

use contracts::class::{Classed, ErrorClass};

/// Why the cache gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CacheError {
    #[error("the cache did not answer {act} in time")]
    TimedOut { act: &'static str },
    #[error("the cache could not be reached: {reason}")]
    Unreachable { reason: String },
    #[error("the cache gave an answer to {act} that makes no sense: {reason}")]
    BadReply { act: &'static str, reason: String },
    #[error("this is not a Redis URL (redis://host:port)")]
    BadUrl,
}

impl Classed for CacheError {
    fn class(&self) -> ErrorClass {
        match self {
            CacheError::TimedOut { .. } | CacheError::Unreachable { .. } => ErrorClass::Transient,
            CacheError::BadReply { .. } => ErrorClass::Bug,
            CacheError::BadUrl => ErrorClass::Rejected,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            CacheError::TimedOut { .. } | CacheError::Unreachable { .. } => "cache-unavailable",
            CacheError::BadReply { .. } => "cache-bad-reply",
            CacheError::BadUrl => "cache-bad-url",
        }
    }
}
