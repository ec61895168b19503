//! A limit on requests in flight that finds itself, from how long answers take.
//!
//! Owns the hot path: a few atomic operations and two clock reads per request, no lock and no allocation. The first
//! request after a window's end closes it and moves the limit; no task runs in the background.

mod bases;
mod control;
mod levels;
mod settings;

pub use bases::KINDS;
pub use settings::{LIMIT_CEILING, Settings, SettingsError};

use crate::admission::{Admission, Moment, Outcome, Permit, Places, Reason, Refusal, Ticket};
use crate::clock::now_ns;
use crate::priority::{Ask, COHORTS, CutLevel, LEVELS, Priority};
use bases::KindReading;
use control::{Control, Move, Reading};
use levels::{Asked, LEVELS_LEN, next_cut};
use settings::Checked;
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Finished requests that close a window; with fewer it goes on.
const SAMPLES_MIN: u64 = 16;

/// A window with too few requests is closed after this many of its lengths.
const WINDOWS_MAX: u64 = 10;

/// Times are added up in units of 64 ns, so that count and sum of a kind fit one atomic.
const TIME_UNIT_SHIFT: u32 = 6;
const TIME_BITS: u32 = 46;
/// The longest time that is added: 17 s in units of 64 ns.
const TIME_UNITS_MAX: u64 = 1 << 28;

fn scaled(value: u64, numerator: u64, denominator: u64) -> u64 {
    let product = u128::from(value) * u128::from(numerator) / u128::from(denominator.max(1));
    u64::try_from(product).unwrap_or(u64::MAX)
}

/// Admits while fewer than a limit are in flight, and moves that limit with what the node can do.
#[derive(Clone)]
pub struct AdaptiveLimit {
    held: Arc<Held>,
}

/// The one reference of the limit and of all its clones; every other one is a permit's.
struct Held(Arc<Core>);

/// A cache line and the one that is fetched with it, so that what is before it (the count of references, which every
/// request writes) has a line of its own.
#[repr(align(128))]
struct Core {
    gate: Gate,
    window: Window,
    control: Mutex<Ruling>,
    metrics: Metrics,
}

/// What every request reads.
struct Gate {
    limits: [AtomicU32; 4],
    cut: AtomicU16,
    window_ends_ns: AtomicU64,
}

/// What is counted until the window closes.
struct Window {
    /// Per kind: how many were served (18 bits), and what they took together (46 bits, in units of 64 ns).
    served: [AtomicU64; KINDS],
    /// The same for those who came when the limit was nearly used up.
    crowd: [AtomicU64; KINDS],
    asked: [AtomicU32; LEVELS_LEN],
    failed: AtomicU32,
    refused: AtomicU32,
    peak: AtomicU32,
}

impl Window {
    /// Takes what was counted of one kind; none if there was nothing.
    fn take(&self, kind: usize) -> Option<KindReading> {
        let take = |packed: &AtomicU64| {
            // Most kinds of most windows are zero, and reading is cheaper than swapping.
            if packed.load(Ordering::Relaxed) == 0 {
                return (0, 0);
            }
            let packed = packed.swap(0, Ordering::Relaxed);
            (packed >> TIME_BITS, (packed & ((1 << TIME_BITS) - 1)) << TIME_UNIT_SHIFT)
        };
        let ((count, time_ns), (crowd_count, crowd_time_ns)) =
            (take(&self.served[kind]), take(&self.crowd[kind]));
        let (count, time_ns) = (count + crowd_count, time_ns + crowd_time_ns);
        (count > 0).then_some(KindReading { kind, count, time_ns, crowd_count, crowd_time_ns })
    }
}

/// What only whoever closes a window touches.
struct Ruling {
    control: Control,
    settings: Checked,
    /// None before the first request.
    begun_ns: Option<u64>,
    kinds: Vec<KindReading>,
}

struct Metrics {
    refused: [[metrics::Counter; 2]; 4],
    limit: metrics::Gauge,
    cut: metrics::Gauge,
    moves: [metrics::Counter; 7],
}

impl Metrics {
    fn new() -> Metrics {
        let refused = |class: Priority| {
            [Reason::Overloaded, Reason::Shed].map(|reason| {
                metrics::counter!(
                    "largesse_admission_refused_total", "class" => class.as_str(), "reason" => reason.as_str()
                )
            })
        };
        Metrics {
            refused: Priority::ALL.map(refused),
            limit: metrics::gauge!("largesse_admission_limit_requests"),
            cut: metrics::gauge!("largesse_admission_cut_levels"),
            moves: Move::ALL
                .map(|moved| metrics::counter!("largesse_admission_moves_total", "reason" => moved.as_str())),
        }
    }
}

fn sum_of(counts: &[u32]) -> u64 {
    counts.iter().copied().map(u64::from).sum()
}

/// Places per class under a limit: everybody leaves some free for those who are more urgent, about half of what
/// the square root of the limit is, because that is how much arrivals fluctuate.
fn class_limits(limit: u64, paying: u64) -> [u32; 4] {
    let reserve = (limit.isqrt() / 2).max(1);
    [paying, limit.saturating_sub(reserve), limit.saturating_sub(2 * reserve), limit / 2]
        .map(|places| u32::try_from(places.max(1)).unwrap_or(LIMIT_CEILING))
}

impl AdaptiveLimit {
    /// A limit that starts at `limit_start`.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn try_new(settings: Settings) -> Result<AdaptiveLimit, SettingsError> {
        Ok(AdaptiveLimit::of(settings.check()?))
    }

    /// A limit of at most `limit_max` requests that lets them wait `wait_allowed` on average, with the other settings
    /// as [`Settings::up_to`] has them. A wait of more than 10 s counts as 10 s.
    pub fn up_to(limit_max: usize, wait_allowed: Duration) -> AdaptiveLimit {
        AdaptiveLimit::of(Settings::checked_up_to(limit_max, wait_allowed))
    }

    fn of(settings: Checked) -> AdaptiveLimit {
        crate::clock::wind();
        let limits = class_limits(settings.limit_start, settings.limit_start).map(AtomicU32::new);
        let metrics = Metrics::new();
        metrics.cut.set(f64::from(LEVELS));
        let core = Core {
            gate: Gate { limits, cut: AtomicU16::new(LEVELS), window_ends_ns: AtomicU64::new(0) },
            window: Window {
                served: std::array::from_fn(|_| AtomicU64::new(0)),
                crowd: std::array::from_fn(|_| AtomicU64::new(0)),
                asked: std::array::from_fn(|_| AtomicU32::new(0)),
                failed: AtomicU32::new(0),
                refused: AtomicU32::new(0),
                peak: AtomicU32::new(0),
            },
            control: Mutex::new(Ruling {
                control: Control::new(settings),
                settings,
                begun_ns: None,
                kinds: Vec::with_capacity(KINDS),
            }),
            metrics,
        };
        AdaptiveLimit { held: Arc::new(Held(Arc::new(core))) }
    }

    /// Requests in flight now.
    pub fn in_flight(&self) -> u32 {
        in_flight(&self.held.0)
    }

    /// How many may be in flight now, all classes together.
    pub fn limit(&self) -> u32 {
        self.held.0.gate.limits[0].load(Ordering::Relaxed)
    }

    /// Changes the ceiling while requests run; below `limit_min` it counts as that.
    pub fn set_limit_max(&self, limit_max: u32) {
        let mut ruling = self.held.0.control.lock().unwrap_or_else(PoisonError::into_inner);
        ruling.control.set_limit_max(limit_max.min(LIMIT_CEILING).into());
        self.held.0.publish(&ruling.control);
    }

    /// [`Admission::try_admit`] at a time of the caller's choice: simulations run it on a clock of their own. Times
    /// must not run back.
    ///
    /// # Errors
    /// [`Refusal`]: do no work for this request.
    #[inline]
    pub fn try_admit_at(&self, now_ns: u64, ask: Ask) -> Result<Permit, Refusal> {
        let core = &self.held.0;
        if now_ns >= core.gate.window_ends_ns.load(Ordering::Relaxed) {
            core.close_window(now_ns, in_flight(core));
        }
        let (place, moment) = admit(core, ask)?;
        Ok(Permit::of(place, Ticket { since_ns: now_ns, moment, kind: ask.kind }))
    }

    /// Gives back a place that [`AdaptiveLimit::try_admit_at`] gave, at a time of the caller's choice.
    pub fn finish_at(&self, now_ns: u64, permit: Permit, outcome: Outcome) {
        if let Some(ticket) = permit.into_ticket() {
            self.held.0.release(now_ns, ticket, outcome);
        }
    }
}

impl Admission for AdaptiveLimit {
    #[inline]
    fn try_admit(&self, ask: Ask) -> Result<Permit, Refusal> {
        self.try_admit_at(now_ns(), ask)
    }

    #[inline]
    fn cut_level(&self) -> CutLevel {
        CutLevel::at(self.held.0.gate.cut.load(Ordering::Relaxed))
    }
}

impl Places for Core {
    #[inline]
    fn give_back(&self, ticket: Ticket, outcome: Outcome) {
        self.release(now_ns(), ticket, outcome);
    }
}

/// Permits there are: each holds one reference, and the limit itself holds one. So what a permit needs to find its way
/// back is also what counts it.
#[inline]
fn in_flight(core: &Arc<Core>) -> u32 {
    u32::try_from(Arc::strong_count(core) - 1).unwrap_or(u32::MAX)
}

#[inline]
fn admit(core: &Arc<Core>, ask: Ask) -> Result<(Arc<Core>, Moment), Refusal> {
    let class = usize::from(ask.class.index());
    core.window.asked[usize::from(ask.level())].fetch_add(1, Ordering::Relaxed);
    if ask.level() >= core.gate.cut.load(Ordering::Relaxed) {
        core.metrics.refused[class][1].increment(1);
        return Err(Refusal::shed(ask.class));
    }
    let limit = core.gate.limits[class].load(Ordering::Relaxed);
    // Counting first and looking after can refuse one too many at the edge, but never admits one too many: of those
    // who count at once, each sees at least itself and whoever counted before.
    let place = Arc::clone(core);
    let in_flight = in_flight(&place);
    if in_flight > limit {
        drop(place);
        core.window.refused.fetch_add(1, Ordering::Relaxed);
        core.metrics.refused[class][0].increment(1);
        return Err(Refusal::overloaded(ask.class));
    }
    if in_flight > core.window.peak.load(Ordering::Relaxed) {
        core.window.peak.fetch_max(in_flight, Ordering::Relaxed);
    }
    // Where only the most urgent are still let in, it is crowded.
    let nearly_full = core.gate.limits[1].load(Ordering::Relaxed);
    Ok((place, if in_flight > nearly_full { Moment::Crowded } else { Moment::Calm }))
}

impl Core {
    /// Takes note of how it went; the place is free once the permit's reference is gone.
    #[inline]
    fn release(&self, now_ns: u64, ticket: Ticket, outcome: Outcome) {
        match outcome {
            Outcome::Served => {
                let units = (now_ns.saturating_sub(ticket.since_ns) >> TIME_UNIT_SHIFT).min(TIME_UNITS_MAX);
                let kinds = match ticket.moment {
                    Moment::Calm => &self.window.served,
                    Moment::Crowded => &self.window.crowd,
                };
                kinds[usize::from(ticket.kind.0)].fetch_add((1 << TIME_BITS) | units, Ordering::Relaxed);
            }
            Outcome::TimedOut | Outcome::Dropped | Outcome::Abandoned => {
                self.window.failed.fetch_add(1, Ordering::Relaxed);
            }
            Outcome::Ignored => {}
        }
    }

    /// Closes the window if it is due and nobody else does.
    fn close_window(&self, now_ns: u64, in_flight: u32) {
        let Ok(mut ruling) = self.control.try_lock() else { return };
        if now_ns < self.gate.window_ends_ns.load(Ordering::Relaxed) {
            return;
        }
        let ruling = &mut *ruling;
        self.gate.window_ends_ns.store(now_ns.saturating_add(ruling.settings.window_ns), Ordering::Relaxed);
        let begun_ns = *ruling.begun_ns.get_or_insert(now_ns);
        let elapsed_ns = now_ns.saturating_sub(begun_ns);
        let failed = u64::from(self.window.failed.load(Ordering::Relaxed));
        let served = self.window.served.iter().chain(&self.window.crowd);
        let finished = served.map(|kind| kind.load(Ordering::Relaxed) >> TIME_BITS).sum::<u64>() + failed;
        if finished < SAMPLES_MIN && elapsed_ns < ruling.settings.window_ns.saturating_mul(WINDOWS_MAX) {
            return;
        }
        ruling.begun_ns = Some(now_ns);
        ruling.kinds.clear();
        ruling.kinds.extend((0..KINDS).filter_map(|kind| self.window.take(kind)));
        let by_level: [u32; LEVELS_LEN] =
            std::array::from_fn(|level| self.window.asked[level].swap(0, Ordering::Relaxed));
        let reading = Reading {
            elapsed_ns,
            failed: self.window.failed.swap(0, Ordering::Relaxed).into(),
            refused: self.window.refused.swap(0, Ordering::Relaxed).into(),
            // Whoever is in flight now was in flight in the next window too.
            peak: self.window.peak.swap(in_flight, Ordering::Relaxed).into(),
            asked: sum_of(&by_level),
            asked_paying: sum_of(&by_level[..usize::from(COHORTS)]),
            kinds: &ruling.kinds,
        };
        let moved = ruling.control.step(now_ns, &reading);
        self.move_cut(&reading, &by_level);
        self.publish(&ruling.control);
        if let Some(at) = Move::ALL.iter().position(|known| *known == moved) {
            self.metrics.moves[at].increment(1);
        }
    }

    fn move_cut(&self, reading: &Reading<'_>, by_level: &[u32; LEVELS_LEN]) {
        let cut = self.gate.cut.load(Ordering::Relaxed);
        let served = reading.kinds.iter().map(|kind| kind.count).sum();
        let asked = Asked { by_level, served, refused: reading.refused, cut };
        let next = next_cut(&asked);
        self.gate.cut.store(next, Ordering::Relaxed);
        self.metrics.cut.set(f64::from(next));
    }

    fn publish(&self, control: &Control) {
        let limits = class_limits(control.limit(), control.limit_of_paying());
        for (place, limit) in self.gate.limits.iter().zip(limits) {
            place.store(limit, Ordering::Relaxed);
        }
        self.metrics.limit.set(f64::from(limits[0]));
    }
}
