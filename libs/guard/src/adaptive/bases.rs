//! What each kind of work takes when nothing is in its way, learned from the windows.
//!
//! Pure. Keeps one base per kind, because a cheap route beside a dear one must not look like a queue in front of
//! the dear one. Must not decide anything.

use super::scaled;

/// Kinds of work told apart.
pub const KINDS: usize = 256;

/// A thousandth: ratios here are integers over this.
pub(super) const MILLI: u64 = 1_000;

/// Served requests of one kind in one window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KindReading {
    pub kind: usize,
    pub count: u64,
    pub time_ns: u64,
    /// Those of them that came when the limit was nearly used up: they show what a full limit means.
    pub crowd_count: u64,
    pub crowd_time_ns: u64,
}

/// All kinds of one window together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub served: u64,
    /// What they took.
    pub time_ns: u64,
    /// What they would have taken with no more than the allowed wait.
    pub work_ns: u64,
}

impl Sum {
    fn add(&mut self, count: u64, time_ns: u64, work_ns: u64) {
        self.served += count;
        self.time_ns = self.time_ns.saturating_add(time_ns);
        self.work_ns = self.work_ns.saturating_add(count.saturating_mul(work_ns));
    }

    /// What they took over what they might have taken, in thousandths.
    pub fn inflation_milli(self) -> u64 {
        scaled(MILLI, self.time_ns, self.work_ns.max(1))
    }

    /// Together with what is left of an older one after another window: three quarters.
    pub fn after(self, older: Sum) -> Sum {
        let left = |part: u64| part / 4 * 3 + part % 4 * 3 / 4;
        Sum {
            served: self.served + left(older.served),
            time_ns: self.time_ns.saturating_add(left(older.time_ns)),
            work_ns: self.work_ns.saturating_add(left(older.work_ns)),
        }
    }

    pub fn mean_ns(self) -> u64 {
        self.time_ns / self.served.max(1)
    }
}

pub(super) struct Bases {
    base_ns: [u64; KINDS],
    wait_allowed_ns: u64,
    /// How much calm windows differ from the bases, in millionths: what is no sign of anything.
    noise_ppm: u64,
}

impl Bases {
    pub fn new(wait_allowed_ns: u64) -> Bases {
        Bases { base_ns: [0; KINDS], wait_allowed_ns, noise_ppm: 0 }
    }

    pub fn noise_milli(&self) -> u64 {
        self.noise_ppm / 1_000
    }

    /// Adds a window up: everybody, and those who came when it was crowded. A kind seen for the first time is believed.
    pub fn weigh(&mut self, kinds: &[KindReading]) -> (Sum, Sum) {
        let (mut all, mut crowd) = (Sum::default(), Sum::default());
        for reading in kinds {
            let base = &mut self.base_ns[reading.kind];
            if *base == 0 {
                *base = mean_ns(reading);
            }
            let work_ns = base.saturating_add(self.wait_allowed_ns);
            all.add(reading.count, reading.time_ns, work_ns);
            crowd.add(reading.crowd_count, reading.crowd_time_ns, work_ns);
        }
        (all, crowd)
    }

    /// Learns from a window. What is faster than known is learned at once, by a quarter of the difference; what is
    /// slower only while the limit is far from being used, and slowly, so that a growing queue is not learned as
    /// the work's own time.
    pub fn learn(&mut self, kinds: &[KindReading], is_calm: bool) {
        let (mut off_ns, mut base_sum_ns) = (0_u64, 0_u64);
        for reading in kinds {
            let (base, mean) = (&mut self.base_ns[reading.kind], mean_ns(reading));
            off_ns = off_ns.saturating_add(base.abs_diff(mean).saturating_mul(reading.count));
            base_sum_ns = base_sum_ns.saturating_add(base.saturating_mul(reading.count));
            if mean < *base {
                *base -= (*base - mean) / 4;
            } else if is_calm {
                *base += (mean - *base).div_ceil(128);
            }
        }
        if is_calm && base_sum_ns > 0 {
            let seen = scaled(1_000_000, off_ns, base_sum_ns).min(1_000_000);
            self.noise_ppm = (self.noise_ppm * 15 + seen) / 16;
        }
    }

    /// Believes a window whose slowness was not our queue: bases go up to it, at most to four times.
    pub fn raise(&mut self, kinds: &[KindReading]) {
        for reading in kinds {
            let base = &mut self.base_ns[reading.kind];
            *base = (*base).max(mean_ns(reading).min(base.saturating_mul(4)));
        }
    }
}

fn mean_ns(reading: &KindReading) -> u64 {
    (reading.time_ns / reading.count.max(1)).max(1)
}
