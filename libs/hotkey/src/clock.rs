//! A clock that costs one load to read: a thread of its own writes the time down.
//!
//! Asking the machine costs as much as the rest of a hot hit. The written time is behind by up to
//! [`CLOCK_STEP`] and the time that thread waits for a core; a value's end is late by as much.

use crate::HotError;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often the time is written down.
pub const CLOCK_STEP: Duration = Duration::from_millis(2);

static WRITTEN_MS: AtomicU64 = AtomicU64::new(0);
static START: OnceLock<Instant> = OnceLock::new();
static RUNS: OnceLock<bool> = OnceLock::new();

/// Starts the thread, once per process.
pub fn start() -> Result<(), HotError> {
    let runs = RUNS.get_or_init(|| {
        let write = || {
            loop {
                WRITTEN_MS.fetch_max(now_ms(), Ordering::Relaxed);
                std::thread::sleep(CLOCK_STEP);
            }
        };
        WRITTEN_MS.fetch_max(now_ms(), Ordering::Relaxed);
        std::thread::Builder::new().name("hotkey-clock".to_owned()).spawn(write).is_ok()
    });
    if *runs { Ok(()) } else { Err(HotError::NoClock) }
}

/// Milliseconds since the first call in this process, from the machine.
pub fn now_ms() -> u64 {
    let start = START.get_or_init(Instant::now);
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// The same as last written down.
#[inline]
pub fn written_ms() -> u64 {
    WRITTEN_MS.load(Ordering::Relaxed)
}

/// A duration in this clock's unit.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
