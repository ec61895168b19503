//! The limit's decisions: one window in, one move out.
//!
//! Pure: no clock, no atomics. By Little's law the places that are needed are (what served requests would have taken
//! with no more than the allowed wait) per time; a window that took longer than that while the limit was in use had
//! a queue, and the limit comes down to what is needed. Three questions keep it honest:
//! - Was it our queue? If a cut does not make answers faster, the slowness is not ours: it is undone, and learned.
//! - Is what we hold for the work's own time a queue that never empties? After long use the limit dips for a moment.
//! - Does it need to be higher? It grows only while it is in use, answers are quick, and nothing times out.

use super::bases::{Bases, KindReading, Sum};
use super::scaled;
use super::settings::Checked;

/// Windows whose rates of served work are remembered: shorter than the time to react.
const RATE_WINDOWS: usize = 8;

/// Requests of a crowded moment that are enough to judge by.
const CROWD_MIN: u64 = 8;

/// Thousandths of what a window should have taken: up to the first there is room for more, above the second there are
/// a few too many, above the third there is a queue. Measured noise is added, once to three times.
const ROOM_MILLI: u64 = 1_010;
const EASE_MILLI: u64 = 1_020;
const QUEUE_MILLI: u64 = 1_060;

/// Careful steps around the last knee that may all be free before it is forgotten: it was a moment's trouble.
const CAREFUL_MAX: u32 = 8;

/// Noise that is believed at most, in thousandths.
const NOISE_MAX_MILLI: u64 = 100;

/// The first and the longest time between two dips of a limit that is always in use.
const PROBE_EVERY_MIN_NS: u64 = 1_000_000_000;
const PROBE_EVERY_MAX_NS: u64 = 16_000_000_000;

/// One window of measurements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading<'a> {
    pub elapsed_ns: u64,
    pub kinds: &'a [KindReading],
    /// Timed out, dropped or abandoned.
    pub failed: u64,
    /// Refused for want of a place.
    pub refused: u64,
    /// The most in flight at once.
    pub peak: u64,
    /// Requests that came, and those of them that pay.
    pub asked: u64,
    pub asked_paying: u64,
}

/// What a window led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    Held,
    Grew,
    /// A little lower: a few were too many.
    Eased,
    CutForQueue,
    CutForFailures,
    /// The limit dips to see whether answers get faster.
    Probed,
    /// A cut or a dip changed nothing: undone.
    Restored,
}

impl Move {
    pub const ALL: [Move; 7] = [
        Move::Held,
        Move::Grew,
        Move::Eased,
        Move::CutForQueue,
        Move::CutForFailures,
        Move::Probed,
        Move::Restored,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Move::Held => "held",
            Move::Grew => "grew",
            Move::Eased => "eased",
            Move::CutForQueue => "cut-for-queue",
            Move::CutForFailures => "cut-for-failures",
            Move::Probed => "probed",
            Move::Restored => "restored",
        }
    }
}

/// A lower limit whose effect is awaited.
#[derive(Clone, Copy, Debug)]
struct Trial {
    limit_before: u64,
    inflation_before_milli: u64,
    /// Windows that begin after this show the effect.
    ripe_ns: u64,
    is_sparing_paying: bool,
}

pub(crate) struct Control {
    settings: Checked,
    limit: u64,
    bases: Bases,
    crowd: Sum,
    rates: [(u64, u64); RATE_WINDOWS],
    rate_at: usize,
    /// Until the first queue is met the limit grows fast.
    is_starting: bool,
    step_after_ns: u64,
    /// By how much it grows next.
    step: u64,
    /// Careful steps in a row.
    careful: u32,
    /// Where the last queue would not have been one; 0 before there was any.
    knee: u64,
    cut: Option<Trial>,
    dip: Option<Trial>,
    /// When the limit was last not in use, or dipped.
    rested_ns: u64,
    probe_every_ns: u64,
}

impl Control {
    pub fn new(settings: Checked) -> Control {
        Control {
            limit: settings.limit_start,
            bases: Bases::new(settings.wait_allowed_ns),
            settings,
            crowd: Sum::default(),
            rates: [(0, 0); RATE_WINDOWS],
            rate_at: 0,
            is_starting: true,
            step_after_ns: 0,
            step: 1,
            careful: 0,
            knee: 0,
            cut: None,
            dip: None,
            rested_ns: 0,
            probe_every_ns: PROBE_EVERY_MIN_NS,
        }
    }

    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// The limit that paying requests keep during a dip: measuring must not cost them, where others can bear it.
    pub fn limit_of_paying(&self) -> u64 {
        match self.dip {
            Some(dip) if dip.is_sparing_paying => dip.limit_before,
            Some(_) | None => self.limit,
        }
    }

    pub fn set_limit_max(&mut self, limit_max: u64) {
        self.settings.limit_max = limit_max.max(self.settings.limit_min);
        self.limit = self.limit.min(self.settings.limit_max);
    }

    /// Takes in the window that ends at `now_ns`.
    pub fn step(&mut self, now_ns: u64, reading: &Reading<'_>) -> Move {
        let (all, crowd) = self.bases.weigh(reading.kinds);
        // Those who came when it was crowded show what a full limit means; the others would hide it.
        // They may be few, so some of those of the windows before count too, until the limit moves.
        self.crowd = crowd.after(self.crowd);
        let sum = if self.crowd.served >= CROWD_MIN { self.crowd } else { all };
        self.rates[self.rate_at] = (all.work_ns, reading.elapsed_ns);
        self.rate_at = (self.rate_at + 1) % RATE_WINDOWS;
        let begun_ns = now_ns.saturating_sub(reading.elapsed_ns);
        if let Some(dip) = self.dip {
            if begun_ns < dip.ripe_ns {
                return Move::Held;
            }
            return self.end_dip(now_ns, dip, sum, reading);
        }
        if let Some(cut) = &mut self.cut {
            if begun_ns < cut.ripe_ns {
                // The queue that was cut may still have been growing, and what is in flight takes its time to go.
                cut.inflation_before_milli = cut.inflation_before_milli.max(sum.inflation_milli());
                if reading.peak > self.limit {
                    cut.ripe_ns = cut.ripe_ns.max(now_ns.saturating_add(sum.mean_ns()));
                }
            } else {
                let cut = *cut;
                self.cut = None;
                if is_full(self.limit, reading) && self.is_unchanged_by(cut, sum) {
                    self.bases.raise(reading.kinds);
                    return self.move_to(cut.limit_before, Move::Restored);
                }
            }
        }
        let is_calm = reading.refused == 0 && reading.peak * 2 <= self.limit;
        if is_calm {
            self.rested_ns = now_ns;
            self.probe_every_ns = PROBE_EVERY_MIN_NS;
        }
        self.bases.learn(reading.kinds, is_calm);
        self.decide(now_ns, sum, reading)
    }

    fn decide(&mut self, now_ns: u64, sum: Sum, reading: &Reading<'_>) -> Move {
        let is_full = is_full(self.limit, reading);
        let inflation = sum.inflation_milli();
        if is_full && reading.failed * 10 > sum.served + reading.failed {
            self.is_starting = false;
            return self.move_to(self.limit - self.limit.div_ceil(8), Move::CutForFailures);
        }
        if sum.served == 0 {
            return Move::Held;
        }
        let noise = self.bases.noise_milli().min(NOISE_MAX_MILLI);
        if is_full && inflation > self.queue_above_milli() {
            return self.cut_for_queue(now_ns, sum, reading);
        }
        let is_tired = now_ns.saturating_sub(self.rested_ns) >= self.probe_every_ns;
        if is_tired && !self.is_starting && self.cut.is_none() {
            self.dip = Some(self.trial(now_ns, sum, reading));
            return self.move_to(self.limit - self.limit / 4, Move::Probed);
        }
        let is_crowded = reading.refused > 0 || reading.peak * 8 >= self.limit * 7;
        let is_healthy = reading.failed * 100 <= sum.served;
        if !is_crowded || now_ns < self.step_after_ns {
            return Move::Held;
        }
        // The next step waits until this one can be felt.
        self.step_after_ns = now_ns.saturating_add(sum.mean_ns());
        if inflation > EASE_MILLI + 2 * noise {
            (self.step, self.careful) = (1, 0);
            return self.move_to(self.limit - self.limit.div_ceil(64), Move::Eased);
        }
        if is_healthy && inflation <= ROOM_MILLI + noise {
            return self.grow();
        }
        (self.step, self.careful) = (1, 0);
        Move::Held
    }

    /// Grows: fast before the first queue was met, carefully around the place where the last one was met, and else
    /// twice as far each time, until it is felt.
    fn grow(&mut self) -> Move {
        let near_knee = self.knee * 7 / 8..=self.knee * 3 / 2;
        let step = if self.is_starting {
            self.limit / 4
        } else if near_knee.contains(&self.limit) && self.careful < CAREFUL_MAX {
            self.careful += 1;
            self.step = 1;
            self.limit / 64
        } else {
            self.step = self.step.saturating_mul(2);
            (self.step / 2).min(self.limit / 8)
        };
        self.move_to(self.limit + step.max(1), Move::Grew)
    }

    fn queue_above_milli(&self) -> u64 {
        QUEUE_MILLI + 3 * self.bases.noise_milli().min(NOISE_MAX_MILLI)
    }

    fn cut_for_queue(&mut self, now_ns: u64, sum: Sum, reading: &Reading<'_>) -> Move {
        self.is_starting = false;
        // Two estimates of what is needed: one is late and steady, one is early and rough.
        let used = self.limit.min(reading.peak);
        let by_ratio = scaled(used, sum.work_ns, sum.time_ns.max(1));
        let wanted = by_ratio.max(self.needed()).clamp(self.limit / 2, self.limit.saturating_sub(1));
        // A chain of cuts is judged as one, from where it began.
        self.cut = Some(self.cut.unwrap_or_else(|| self.trial(now_ns, sum, reading)));
        (self.step, self.careful) = (1, 0);
        self.knee = wanted;
        self.step_after_ns = now_ns.saturating_add(sum.mean_ns());
        self.move_to(wanted, Move::CutForQueue)
    }

    /// Places that the work served lately needs, by Little's law: the most that two windows in a row have shown, so
    /// that a moment in which the whole machine stood still is not taken for what it can do.
    fn needed(&self) -> u64 {
        let pairs = (0..RATE_WINDOWS).map(|at| (self.rates[at], self.rates[(at + 1) % RATE_WINDOWS]));
        let places = pairs.map(|(one, next)| one.0.saturating_add(next.0).div_ceil((one.1 + next.1).max(1)));
        places.max().unwrap_or(0)
    }

    fn trial(&self, now_ns: u64, sum: Sum, reading: &Reading<'_>) -> Trial {
        Trial {
            limit_before: self.limit,
            inflation_before_milli: sum.inflation_milli(),
            ripe_ns: now_ns.saturating_add(sum.mean_ns().saturating_mul(2)),
            is_sparing_paying: reading.asked_paying * 4 < reading.asked * 3,
        }
    }

    /// Whether answers are as slow as before although fewer are in flight: then nobody waited for a place of ours.
    fn is_unchanged_by(&self, trial: Trial, sum: Sum) -> bool {
        if self.limit * 10 > trial.limit_before * 9 || sum.inflation_milli() <= self.queue_above_milli() {
            return false; // Too small a cut to be felt, or nothing left to explain.
        }
        let before = trial.inflation_before_milli;
        let expected_drop = before - scaled(before, self.limit, trial.limit_before.max(1)).min(before);
        let drop = before.saturating_sub(sum.inflation_milli());
        drop * 4 < expected_drop
    }

    fn end_dip(&mut self, now_ns: u64, dip: Trial, sum: Sum, reading: &Reading<'_>) -> Move {
        self.dip = None;
        self.rested_ns = now_ns;
        let is_faster = sum.served > 0 && sum.inflation_milli() * 8 < dip.inflation_before_milli * 7;
        if is_faster {
            // There was a queue, and we had taken it for the work's own time.
            self.bases.learn(reading.kinds, false);
            self.probe_every_ns = PROBE_EVERY_MIN_NS;
            return self.move_to(self.limit, Move::Held);
        }
        self.probe_every_ns = (self.probe_every_ns * 2).min(PROBE_EVERY_MAX_NS);
        self.move_to(dip.limit_before, Move::Restored)
    }

    fn move_to(&mut self, limit: u64, moved: Move) -> Move {
        self.crowd = Sum::default();
        self.limit = limit.clamp(self.settings.limit_min, self.settings.limit_max);
        moved
    }
}

/// Whether the limit was what kept requests out, or nearly.
fn is_full(limit: u64, reading: &Reading<'_>) -> bool {
    reading.refused > 0 || reading.peak * 4 >= limit * 3
}
