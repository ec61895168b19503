//! What a user sets, with units, and what is refused.

use contracts::class::{Classed, ErrorClass};
use std::time::Duration;

/// The clock of detection: counts fade, rates are told to the other nodes, and the hot set changes, this often.
pub const TICK: Duration = Duration::from_millis(100);

/// Bounds and marks of one set of hot keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HotSettings {
    /// A key becomes hot at this many reads per second over all nodes, and cools below half of it.
    pub hot_per_s: u64,
    /// Hot keys at a time. The hottest win; a pinned key counts too.
    pub keys_max: usize,
    /// Bytes of values held in memory, over all hot keys and copies.
    pub bytes_max: usize,
    /// A larger value is never held.
    pub value_bytes_max: usize,
    /// The longest key that is looked at, in bytes. A longer one is read from the store each time.
    pub key_bytes_max: usize,
    /// The bound on staleness: no read gives what the store had replaced longer ago than this before the read
    /// began, whatever happens to the connection, the pushes, or the server.
    pub stale_max: Duration,
    /// A value this old is read again in the background, while readers still get it. Below `stale_max`.
    pub refresh_after: Duration,
    /// A key spread evenly over at most this many nodes is still seen: each tells of keys with this part of
    /// `hot_per_s`.
    pub spread_nodes_max: u64,
}

impl Default for HotSettings {
    fn default() -> HotSettings {
        HotSettings {
            hot_per_s: 500,
            keys_max: 1_000,
            bytes_max: 16 << 20,
            value_bytes_max: 64 << 10,
            key_bytes_max: 256,
            stale_max: Duration::from_secs(1),
            refresh_after: Duration::from_millis(500),
            spread_nodes_max: 50,
        }
    }
}

/// Hot keys that may be asked for.
pub const KEYS_CEILING: usize = 100_000;

/// The longest `stale_max` that may be asked for.
pub const STALE_CEILING: Duration = Duration::from_secs(24 * 60 * 60);

/// Why there are no hot keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HotError {
    #[error("{name} is out of its range")]
    BadSetting { name: &'static str },
    #[error("at most {max} keys can be pinned, denied and watched by hand")]
    TooManyByHand { max: usize },
    #[error("a key has 1 to {max} bytes")]
    BadKey { max: usize },
    #[error("at most {max} counters can be open at a time")]
    TooManyCounters { max: usize },
    #[error("the clock's thread could not be started")]
    NoClock,
    #[error("the cache has nothing to build on")]
    Cache(#[source] cache::CacheError),
}

impl Classed for HotError {
    fn class(&self) -> ErrorClass {
        match self {
            HotError::BadSetting { .. } | HotError::BadKey { .. } => ErrorClass::Rejected,
            HotError::TooManyByHand { .. } | HotError::TooManyCounters { .. } => ErrorClass::Conflict,
            HotError::NoClock => ErrorClass::Transient,
            HotError::Cache(error) => error.class(),
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            HotError::BadSetting { .. } => "hotkey-bad-setting",
            HotError::BadKey { .. } => "hotkey-bad-key",
            HotError::TooManyByHand { .. } => "hotkey-too-many-by-hand",
            HotError::TooManyCounters { .. } => "hotkey-too-many-counters",
            HotError::NoClock => "hotkey-no-clock",
            HotError::Cache(error) => error.slug(),
        }
    }
}

impl HotSettings {
    pub(crate) fn check(&self) -> Result<(), HotError> {
        let rules = [
            ("hot_per_s", self.hot_per_s >= 10),
            ("keys_max", (1..=KEYS_CEILING).contains(&self.keys_max)),
            ("bytes_max", self.bytes_max > 0),
            ("value_bytes_max", (1..=self.bytes_max).contains(&self.value_bytes_max)),
            ("key_bytes_max", (1..=4_096).contains(&self.key_bytes_max)),
            ("stale_max", self.stale_max <= STALE_CEILING && self.stale_max >= Duration::from_millis(20)),
            ("refresh_after", self.refresh_after < self.stale_max),
            ("spread_nodes_max", (1..=1_000).contains(&self.spread_nodes_max)),
        ];
        match rules.into_iter().find(|(_, kept)| !kept) {
            Some((name, _)) => Err(HotError::BadSetting { name }),
            None => Ok(()),
        }
    }
}
