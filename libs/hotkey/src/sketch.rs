//! Which keys of a stream are touched most, in a fixed amount of memory.
//!
//! One thread's part of the count: a front of slots that gathers repeated touches of a key, behind it two rows of
//! HeavyKeeper cells (a cell belongs to one fingerprint and is worn down by the others), and the list of the
//! largest keys. Counts fade with the clock. Pure: no clock and no lock in here.

/// Slots that gather touches of one key each before they reach the cells.
const FRONT_SLOTS: usize = 256;

/// Cells in a row; a power of two.
const ROW_CELLS: usize = 2_048;

/// Keys of which a sketch knows the names.
pub const SKETCH_KEYS_MAX: usize = 64;

/// Parts a touch is counted in, so that fading does not round small counts away.
pub const TOUCH_PARTS: u32 = 16;

/// What remains of a count after one tick, in 65,536ths: half after 2.5 ticks.
const FADE: u64 = 49_667;
const FADE_ONE: u64 = 65_536;

/// Ticks after which nothing remains of any count.
const FADE_TICKS_MAX: u32 = 80;

/// Counts beyond this number of touches are worn down as slowly as this one.
const WEAR_STEPS: usize = 256;

/// A count after some ticks.
pub fn faded(count: u64, ticks: u32) -> u64 {
    (0..ticks.min(FADE_TICKS_MAX)).fold(count, |count, _| count.saturating_mul(FADE) / FADE_ONE)
}

/// The rate that keeps a count where it is, in touches per tick times 1,000.
pub fn per_tick_thousandths(count: u64) -> u64 {
    // Each tick adds and then fades: what stays is (stays + added) * fade.
    count.saturating_mul((FADE_ONE - FADE) * 1_000) / (FADE * u64::from(TOUCH_PARTS))
}

#[derive(Clone, Copy, Default)]
struct Cell {
    fingerprint: u32,
    count: u32,
}

#[derive(Default)]
struct Slot {
    hash: u64,
    touches: u32,
    key: String,
}

struct Named {
    count: u32,
    key: String,
}

/// The count of one thread.
pub struct Sketch {
    front: Box<[Slot]>,
    rows: [Box<[Cell]>; 2],
    /// Hashes of `named`, apart from it: they are searched often.
    named_hashes: Vec<u64>,
    named: Vec<Named>,
    /// The smallest count in `named`, once it is full.
    least: u32,
    /// For each count in touches, how likely a foreign key wears a cell down, of `u32::MAX`.
    wear: Box<[u32]>,
    dice: u64,
}

impl Default for Sketch {
    fn default() -> Sketch {
        Sketch::with_seed(0x9E37_79B9_7F4A_7C15)
    }
}

impl Sketch {
    /// A sketch whose dice fall as the seed says.
    pub fn with_seed(seed: u64) -> Sketch {
        let row = || vec![Cell::default(); ROW_CELLS].into_boxed_slice();
        let front = (0..FRONT_SLOTS).map(|_| Slot::default()).collect();
        // One in 1.08 to the power of the count, in integers.
        let wear = (0..WEAR_STEPS).scan(u64::from(u32::MAX), |chance, _| {
            let now = *chance;
            *chance = now * 100 / 108;
            u32::try_from(now).ok()
        });
        Sketch {
            front,
            rows: [row(), row()],
            named_hashes: Vec::with_capacity(SKETCH_KEYS_MAX),
            named: Vec::with_capacity(SKETCH_KEYS_MAX),
            least: 0,
            wear: wear.collect(),
            dice: seed | 1,
        }
    }

    /// Counts one touch of a key. `hash` must be the same for the same key and well mixed.
    #[inline]
    pub fn touch(&mut self, hash: u64, key: &str) {
        let slot = &mut self.front[place(hash, FRONT_SLOTS)];
        if slot.hash == hash && slot.touches > 0 {
            slot.touches = slot.touches.saturating_add(1);
            return;
        }
        self.turn_over(hash, key);
    }

    /// The slot goes to another key; what it gathered goes to the cells.
    fn turn_over(&mut self, hash: u64, key: &str) {
        let at = place(hash, FRONT_SLOTS);
        let (old, touches) = (self.front[at].hash, self.front[at].touches);
        if touches > 0 {
            self.add(old, touches, at);
        }
        let slot = &mut self.front[at];
        slot.hash = hash;
        slot.touches = 1;
        slot.key.clear();
        slot.key.push_str(key);
    }

    /// Adds the touches that the slot `at` gathered to the cells, and to the list if they are enough.
    fn add(&mut self, hash: u64, touches: u32, at: usize) {
        let by = touches.saturating_mul(TOUCH_PARTS);
        let fingerprint = high(hash);
        let mut best = 0;
        for (number, row) in self.rows.iter_mut().enumerate() {
            let cell = &mut row[place(hash >> (8 + 12 * number), ROW_CELLS)];
            if cell.fingerprint == fingerprint || cell.count == 0 {
                cell.fingerprint = fingerprint;
                cell.count = cell.count.saturating_add(by);
                best = best.max(cell.count);
                continue;
            }
            let worn = usize::try_from(cell.count / TOUCH_PARTS).unwrap_or(WEAR_STEPS).min(WEAR_STEPS - 1);
            self.dice ^= self.dice << 13;
            self.dice ^= self.dice >> 7;
            self.dice ^= self.dice << 17;
            if high(self.dice) <= self.wear[worn] {
                if cell.count > by {
                    cell.count -= by;
                } else {
                    *cell = Cell { fingerprint, count: by - cell.count + 1 };
                    best = best.max(cell.count);
                }
            }
        }
        if best > self.least {
            self.name(hash, best, at);
        }
    }

    /// Puts a key on the list, or its new count.
    fn name(&mut self, hash: u64, count: u32, at: usize) {
        if let Some(known) = self.named_hashes.iter().position(|known| *known == hash) {
            let was = self.named[known].count;
            self.named[known].count = was.max(count);
            if was == self.least {
                self.find_least();
            }
            return;
        }
        let key = self.front[at].key.as_str();
        if self.named.len() < SKETCH_KEYS_MAX {
            self.named_hashes.push(hash);
            self.named.push(Named { count, key: key.to_owned() });
        } else if let Some(last) = (0..self.named.len()).min_by_key(|n| self.named[*n].count) {
            self.named_hashes[last] = hash;
            let named = &mut self.named[last];
            named.count = count;
            named.key.clear();
            named.key.push_str(key);
        }
        self.find_least();
    }

    fn find_least(&mut self) {
        let full = self.named.len() == SKETCH_KEYS_MAX;
        self.least = if full { self.named.iter().map(|one| one.count).min().unwrap_or(0) } else { 0 };
    }

    /// Brings in what the front gathered and lets every count fade by some ticks.
    pub fn tick(&mut self, ticks: u32) {
        for at in 0..FRONT_SLOTS {
            let (hash, touches) = (self.front[at].hash, self.front[at].touches);
            if touches > 0 {
                self.add(hash, touches, at);
                self.front[at].touches = 0;
            }
        }
        let fade = |count: u32| u32::try_from(faded(u64::from(count), ticks)).unwrap_or(u32::MAX);
        for cell in self.rows.iter_mut().flat_map(|row| row.iter_mut()).filter(|cell| cell.count > 0) {
            cell.count = fade(cell.count);
        }
        for named in &mut self.named {
            named.count = fade(named.count);
        }
        for at in (0..self.named.len())
            .rev()
            .filter(|at| self.named[*at].count < TOUCH_PARTS / 2)
            .collect::<Vec<_>>()
        {
            self.named.swap_remove(at);
            self.named_hashes.swap_remove(at);
        }
        self.find_least();
    }

    /// The largest keys and their counts, in parts of a touch, in no order.
    pub fn largest(&self) -> impl Iterator<Item = (&str, u64)> {
        self.named.iter().map(|named| (named.key.as_str(), u64::from(named.count)))
    }
}

#[inline]
fn place(hash: u64, len: usize) -> usize {
    usize::try_from(hash).unwrap_or(usize::MAX) & (len - 1)
}

#[inline]
fn high(hash: u64) -> u32 {
    u32::try_from(hash >> 32).unwrap_or(u32::MAX)
}
