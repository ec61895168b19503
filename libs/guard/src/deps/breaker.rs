//! The breaker: after too many failed or slow calls nobody calls for a while, then a few try.
//!
//! Owns the counts of a sliding window, in atomics: a call that succeeds adds to one of them and never looks at the
//! others. The clock is the caller's.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// Parts of the window that are forgotten one by one.
const BUCKETS: usize = 10;

/// One bucket's counts: all calls in 22 bits, failed and slow ones in 21 each.
const FAILED_SHIFT: u32 = 22;
const SLOW_SHIFT: u32 = 43;
const ALL_MASK: u64 = (1 << 22) - 1;
const PART_MASK: u64 = (1 << 21) - 1;

/// When calls stop, and when they are tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Calls that are looked at: those of this time.
    pub window: Duration,
    /// Fewer calls than this in a window say nothing.
    pub calls_min: u32,
    /// The share of failed calls that is too much, in percent.
    pub failed_percent: u8,
    /// A call that takes longer is slow.
    pub slow: Duration,
    /// The share of slow calls that is too much, in percent.
    pub slow_percent: u8,
    /// How long nobody calls.
    pub open_for: Duration,
    /// Calls that try afterwards, all of which must succeed.
    pub trials: u32,
}

impl BreakerSettings {
    /// Half of at least 20 calls of 3 s failed, or 80 % of them took longer than `slow`; then 2 s without, and 3 trials.
    pub const fn standard(slow: Duration) -> BreakerSettings {
        BreakerSettings {
            window: Duration::from_secs(3),
            calls_min: 20,
            failed_percent: 50,
            slow,
            slow_percent: 80,
            open_for: Duration::from_secs(2),
            trials: 3,
        }
    }
}

/// How one call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Good,
    Failed,
    Slow,
}

/// The right to call, and in which capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Regular,
    /// One of the few that try.
    Trial,
}

#[derive(Default)]
struct Bucket {
    epoch: AtomicU64,
    counts: AtomicU64,
}

pub(super) struct Breaker {
    settings: BreakerSettings,
    bucket_ns: u64,
    /// 0 while closed; else until when nobody calls.
    open_until_ns: AtomicU64,
    buckets: [Bucket; BUCKETS],
    /// Calls that were counted in buckets which have been emptied since.
    emptied: AtomicU64,
    trying: AtomicU32,
    tried: AtomicU32,
}

impl Breaker {
    pub fn new(settings: BreakerSettings) -> Breaker {
        Breaker {
            settings,
            bucket_ns: (crate::clock::nanos(settings.window) / 10).max(1),
            open_until_ns: AtomicU64::new(0),
            buckets: Default::default(),
            emptied: AtomicU64::new(0),
            trying: AtomicU32::new(0),
            tried: AtomicU32::new(0),
        }
    }

    pub fn open_until_ns(&self) -> u64 {
        self.open_until_ns.load(Ordering::Acquire)
    }

    /// Regular calls that ended with a mark, since the start: what the window has forgotten, and what is in it. So a
    /// call is counted by the addition that the window needs anyway.
    pub fn counted(&self) -> u64 {
        let in_window = self.buckets.iter().map(|bucket| bucket.counts.load(Ordering::Relaxed) & ALL_MASK);
        in_window.sum::<u64>() + self.emptied.load(Ordering::Relaxed)
    }

    fn empty(&self, bucket: &Bucket) {
        let calls = bucket.counts.swap(0, Ordering::AcqRel) & ALL_MASK;
        self.emptied.fetch_add(calls, Ordering::Relaxed);
    }

    /// Lets a call through, or says until when none is let through.
    #[inline]
    pub fn enter(&self, now_ns: u64) -> Result<Entry, u64> {
        let until_ns = self.open_until_ns.load(Ordering::Acquire);
        if until_ns == 0 {
            return Ok(Entry::Regular);
        }
        if now_ns < until_ns {
            return Err(until_ns);
        }
        if self.trying.fetch_add(1, Ordering::AcqRel) < self.settings.trials {
            return Ok(Entry::Trial);
        }
        self.trying.fetch_sub(1, Ordering::AcqRel);
        Err(now_ns.saturating_add(self.bucket_ns))
    }

    /// Takes in how a call went; true if that opened the breaker.
    #[inline]
    pub fn leave(&self, now_ns: u64, entry: Entry, mark: Option<Mark>) -> Moved {
        match entry {
            Entry::Regular => mark.map_or(Moved::Stayed, |mark| self.count(now_ns, mark)),
            Entry::Trial => {
                self.trying.fetch_sub(1, Ordering::AcqRel);
                mark.map_or(Moved::Stayed, |mark| self.judge_trial(now_ns, mark))
            }
        }
    }

    fn judge_trial(&self, now_ns: u64, mark: Mark) -> Moved {
        let until_ns = self.open_until_ns.load(Ordering::Acquire);
        if until_ns == 0 || until_ns > now_ns {
            return Moved::Stayed; // Another trial has decided meanwhile.
        }
        if mark != Mark::Good {
            self.tried.store(0, Ordering::Release);
            return self.open(until_ns, now_ns);
        }
        if self.tried.fetch_add(1, Ordering::AcqRel) + 1 < self.settings.trials {
            return Moved::Stayed;
        }
        self.tried.store(0, Ordering::Release);
        for bucket in &self.buckets {
            self.empty(bucket);
        }
        let closed = self.open_until_ns.compare_exchange(until_ns, 0, Ordering::AcqRel, Ordering::Acquire);
        if closed.is_ok() { Moved::Closed } else { Moved::Stayed }
    }

    #[inline]
    fn count(&self, now_ns: u64, mark: Mark) -> Moved {
        let epoch = now_ns / self.bucket_ns;
        let bucket = &self.buckets[usize::try_from(epoch % 10).unwrap_or_default()];
        let seen = bucket.epoch.load(Ordering::Acquire);
        // Whoever turns the bucket over empties it; one that comes in between is missing from this window.
        if seen < epoch
            && bucket.epoch.compare_exchange(seen, epoch, Ordering::AcqRel, Ordering::Acquire).is_ok()
        {
            self.empty(bucket);
        }
        let one = match mark {
            Mark::Good => 1,
            Mark::Failed => 1 | 1 << FAILED_SHIFT,
            Mark::Slow => 1 | 1 << SLOW_SHIFT,
        };
        bucket.counts.fetch_add(one, Ordering::AcqRel);
        if mark != Mark::Good && self.is_too_much(epoch) { self.open(0, now_ns) } else { Moved::Stayed }
    }

    fn is_too_much(&self, epoch: u64) -> bool {
        let (mut all, mut failed, mut slow) = (0_u64, 0_u64, 0_u64);
        for bucket in &self.buckets {
            if bucket.epoch.load(Ordering::Acquire) + 10 > epoch {
                let counts = bucket.counts.load(Ordering::Acquire);
                all += counts & ALL_MASK;
                failed += counts >> FAILED_SHIFT & PART_MASK;
                slow += counts >> SLOW_SHIFT & PART_MASK;
            }
        }
        all >= u64::from(self.settings.calls_min)
            && (failed * 100 >= all * u64::from(self.settings.failed_percent)
                || slow * 100 >= all * u64::from(self.settings.slow_percent))
    }

    fn open(&self, from_ns: u64, now_ns: u64) -> Moved {
        let until_ns = now_ns.saturating_add(crate::clock::nanos(self.settings.open_for)).max(1);
        match self.open_until_ns.compare_exchange(from_ns, until_ns, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Moved::Opened,
            Err(_) => Moved::Stayed,
        }
    }
}

/// What a call's end did to the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    Stayed,
    Opened,
    Closed,
}
