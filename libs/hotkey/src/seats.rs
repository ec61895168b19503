//! What each thread keeps for itself, so that reading and counting meet no other thread.
//!
//! A thread's seat holds the hot set it saw last (looked at again when its version has moved) and the sketch that
//! only this thread writes; the clock's task borrows the sketch for a few microseconds each tick.

use crate::hot_map::HotMap;
use crate::settings::HotSettings;
use crate::sketch::Sketch;
use crate::stripes::thread_number;
use arc_swap::ArcSwap;
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Sketches of one set of hot keys; threads beyond this share them.
pub const SKETCHES_MAX: usize = 256;

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

thread_local! {
    static SEATS: RefCell<Vec<Seat>> = const { RefCell::new(Vec::new()) };
}

struct Seat {
    id: u64,
    version: u64,
    map: Arc<HotMap>,
    sketch: Arc<Mutex<Sketch>>,
    alive: Weak<()>,
    stripe: usize,
}

/// The hot set and the sketches of all threads.
pub struct Seats {
    id: u64,
    map: ArcSwap<HotMap>,
    /// Moves after each exchange of the map.
    version: AtomicU64,
    hasher: foldhash::fast::RandomState,
    sketches: Mutex<Vec<Arc<Mutex<Sketch>>>>,
    key_bytes_max: usize,
    alive: Arc<()>,
}

impl Seats {
    pub fn new(settings: &HotSettings) -> Seats {
        Seats {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            map: ArcSwap::default(),
            version: AtomicU64::new(0),
            hasher: foldhash::fast::RandomState::default(),
            sketches: Mutex::default(),
            key_bytes_max: settings.key_bytes_max,
            alive: Arc::new(()),
        }
    }

    #[inline]
    pub fn hash(&self, key: &str) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(key.as_bytes());
        hasher.finish()
    }

    /// Shows this thread's view of the hot set, its stripe, and the key's hash. If `visit` says that the key is
    /// not in it, the touch is counted in this thread's sketch. What is seen leaves by the visitor's own hands:
    /// returning it through here would cost a hit more than all the rest.
    #[inline(always)]
    pub fn visit(&self, key: &str, visit: impl FnOnce(&HotMap, usize, u64) -> bool) {
        let hash = self.hash(key);
        let seated = SEATS.try_with(|seats| {
            let Ok(mut seats) = seats.try_borrow_mut() else { return Some(visit) };
            let at = match seats.first() {
                Some(seat) if seat.id == self.id => 0,
                _ => self.find_seat(&mut seats),
            };
            let seat = &mut seats[at];
            // The version first: a map exchanged in between is newer than it says, and is looked at again.
            let version = self.version.load(Ordering::Acquire);
            if seat.version != version {
                seat.map = self.map.load_full();
                seat.version = version;
            }
            if !visit(&seat.map, seat.stripe, hash) {
                self.count(seat, hash, key);
            }
            None
        });
        // The seat is taken by this thread already when one visit is made from within another: such a visit
        // costs more and is not counted. A thread that is ending sees nothing hot.
        if let Ok(Some(visit)) = seated {
            visit(&self.map.load(), thread_number(), hash);
        }
    }

    fn count(&self, seat: &Seat, hash: u64, key: &str) {
        // A touch never waits: for the few microseconds of a tick it goes uncounted.
        if key.len() <= self.key_bytes_max
            && let Ok(mut sketch) = seat.sketch.try_lock()
        {
            sketch.touch(hash, key);
        }
    }

    #[cold]
    fn find_seat(&self, seats: &mut Vec<Seat>) -> usize {
        match seats.iter().position(|seat| seat.id == self.id) {
            // To the front: who reads one set of keys reads it again.
            Some(at) => {
                seats.swap(0, at);
                0
            }
            None => self.sit_down(seats),
        }
    }

    /// A seat for a thread that is new here; whoever left the room no longer has one.
    #[cold]
    fn sit_down(&self, seats: &mut Vec<Seat>) -> usize {
        seats.retain(|seat| seat.alive.strong_count() > 0);
        let stripe = thread_number();
        let sketch = {
            let mut sketches = self.sketches();
            if sketches.len() < SKETCHES_MAX {
                let seed = self.hasher.hash_one(stripe);
                let new = Arc::new(Mutex::new(Sketch::with_seed(seed)));
                sketches.push(Arc::clone(&new));
                new
            } else {
                Arc::clone(&sketches[stripe % SKETCHES_MAX])
            }
        };
        let alive = Arc::downgrade(&self.alive);
        let (version, map) = (self.version.load(Ordering::Acquire), self.map.load_full());
        seats.push(Seat { id: self.id, version, map, sketch, alive, stripe });
        seats.len() - 1
    }

    fn sketches(&self) -> MutexGuard<'_, Vec<Arc<Mutex<Sketch>>>> {
        self.sketches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn map(&self) -> Arc<HotMap> {
        self.map.load_full()
    }

    /// Makes another hot set the one that readers see. Whoever calls holds the lock under which maps are built.
    pub fn show(&self, map: HotMap) {
        self.map.store(Arc::new(map));
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Lets all counts fade and gives the largest keys, summed over threads.
    pub fn tick(&self, ticks: u32) -> HashMap<String, u64> {
        let sketches: Vec<_> = self.sketches().clone();
        let mut sum: HashMap<String, u64> = HashMap::new();
        for sketch in &sketches {
            let mut sketch = sketch.lock().unwrap_or_else(PoisonError::into_inner);
            sketch.tick(ticks);
            for (key, count) in sketch.largest() {
                match sum.get_mut(key) {
                    Some(known) => *known = known.saturating_add(count),
                    None => drop(sum.insert(key.to_owned(), count)),
                }
            }
        }
        // The thread is gone (this list and the copy of it hold the rest), and its counts have faded.
        drop(sketches);
        self.sketches().retain(|sketch| {
            Arc::strong_count(sketch) > 1
                || sketch.lock().unwrap_or_else(PoisonError::into_inner).largest().next().is_some()
        });
        sum
    }
}
