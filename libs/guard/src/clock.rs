//! Time as nanoseconds since the process first asked: what fits an atomic.
//!
//! Read from the processor's counter where that runs evenly (quanta), because a guard reads the clock more often than
//! anything else: a read costs a fraction of the operating system's.

use quanta::Clock;
use std::sync::LazyLock;
use std::time::Duration;

/// The clock and where it stood first. Making it may take a fifth of a second, once: whatever reads it on a hot path
/// calls [`wind`] when it is built.
static CLOCK: LazyLock<(Clock, u64)> = LazyLock::new(|| {
    let clock = Clock::new();
    let first = clock.raw();
    (clock, first)
});

/// Nanoseconds since the first call in this process. Two processors may differ by a few.
#[inline]
pub fn now_ns() -> u64 {
    let (clock, first) = &*CLOCK;
    clock.delta_as_nanos(*first, clock.raw())
}

/// Makes the clock, if nobody has.
pub(crate) fn wind() {
    LazyLock::force(&CLOCK);
}

/// A duration in nanoseconds, 584 years at most.
pub(crate) fn nanos(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(duration.subsec_nanos().into())
}
