//! Additions to many counters in one command, each once however often they are sent.

use std::time::Duration;
use uuid::Uuid;

/// Counters one batch may add to.
pub const ADDITIONS_LEN_MAX: usize = 1_000;

/// How long the store remembers the last batch of one writer. A batch that is sent again later than this after
/// it was first sent may count twice.
pub const BATCH_MARK_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// Which batch of additions this is. A writer sends one batch at a time, again and again until it is answered,
/// and numbers them from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchId {
    /// Who adds.
    pub instance: Uuid,
    /// Which life of the instance; grows with every start, if the instance's id survives one.
    pub epoch: u64,
    /// Which batch of this life; from 1, without gaps or turning back.
    pub seq: u64,
}

/// One counter's part of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addition {
    pub key: String,
    pub by: i64,
    /// How long the counter lives; starts with the counter's first addition.
    pub ttl: Duration,
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Added {
    /// Each counter's value after the addition, in the order of the batch. `None`: this counter refused (it
    /// would have overflowed, or is no counter), and nothing was added to it.
    Now(Vec<Option<i64>>),
    /// The batch had been added before.
    Before,
}
