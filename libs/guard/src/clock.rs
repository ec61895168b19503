//! Time as nanoseconds since the process first asked: what fits an atomic.
//!
//! Read from the processor's counter where that runs evenly (quanta), because a guard reads the clock more often than
//! anything else: a read costs a fraction of the operating system's.

use quanta::Clock;
use std::cell::Cell;
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

thread_local! {
    /// When the request came whose first poll this thread is in; 0 else.
    static CAME_NS: Cell<u64> = const { Cell::new(0) };
}

/// Polls what was just made of a request that came at `came_ns`: for as long as that takes, whoever needs to know the
/// time to within one poll need not read the clock again. With 0 they do.
#[cfg(feature = "tower")]
#[inline]
pub(crate) fn within<R>(came_ns: u64, poll: impl FnOnce() -> R) -> R {
    let _ending = Ending(CAME_NS.replace(came_ns));
    poll()
}

/// Puts back what was there, also where the poll panics.
#[cfg(feature = "tower")]
struct Ending(u64);

#[cfg(feature = "tower")]
impl Drop for Ending {
    #[inline]
    fn drop(&mut self) {
        CAME_NS.set(self.0);
    }
}

/// [`now_ns`], or when the request came whose first poll this is: early by what the poll has taken so far.
#[inline]
pub(crate) fn lately_ns() -> u64 {
    match CAME_NS.get() {
        0 => now_ns(),
        came_ns => came_ns,
    }
}

/// Whether [`lately_ns`] is early now.
#[inline]
pub(crate) fn is_within() -> bool {
    CAME_NS.get() != 0
}

/// Makes the clock, if nobody has.
pub(crate) fn wind() {
    LazyLock::force(&CLOCK);
}

/// A duration in nanoseconds, 584 years at most.
pub(crate) fn nanos(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(duration.subsec_nanos().into())
}
