//! One set of hot keys: who reads, what is held, and what makes it invalid.
//!
//! Order of locks: `exchange` (maps are built under it), then a key's `flight`, then `heat`; none is held over an await.
//! A hit takes none of them.

use crate::clock::{millis, now_ms, written_ms};
use crate::heat::{Decision, Heat};
use crate::hot_map::{Flight, Generation, Held, HotKey, HotMap, Landed, Place};
use crate::line::{Family, Line};
use crate::seats::Seats;
use crate::settings::HotSettings;
use crate::stripes::{Apart, stripes, thread_number};
use cache::{Cache, CacheError, Change, Tracker, Watcher};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::watch;
use uuid::Uuid;

/// What is behind a handle.
pub struct Core {
    pub family: Family,
    pub settings: HotSettings,
    pub cache: Cache,
    pub node: Uuid,
    pub seats: Seats,
    heat: Mutex<Heat>,
    /// How often everything was told to have changed.
    flushes: AtomicU64,
    exchange: Mutex<()>,
    tracker: OnceLock<Tracker>,
    flights: AtomicU64,
}

/// What is left to do after a look at the hot set.
pub enum Left {
    /// Nothing: a valid value was seen.
    Nothing,
    /// It was seen, and should be read again.
    Refresh(Arc<HotKey>),
    /// The key is hot, and no valid value is held.
    Fetch(Arc<HotKey>),
    /// The key is not hot; the touch has been counted.
    Read,
}

impl Core {
    pub fn new(family: Family, cache: &Cache, settings: HotSettings) -> Core {
        Core {
            family,
            seats: Seats::new(&settings),
            heat: Mutex::new(Heat::new(&settings)),
            settings,
            cache: cache.clone(),
            node: Uuid::now_v7(),
            flushes: AtomicU64::new(0),
            exchange: Mutex::default(),
            tracker: OnceLock::new(),
            flights: AtomicU64::new(0),
        }
    }

    /// Starts to hear of changes.
    pub fn arm(self: &Arc<Core>) -> Result<(), CacheError> {
        // Weak: what is told of changes must not keep itself alive through the tracker it owns.
        let hearer = Arc::new(Hearer(Arc::downgrade(self)));
        let tracker = self.cache.track(hearer)?;
        let _ = self.tracker.set(tracker); // Armed once, by whoever made it.
        Ok(())
    }

    pub fn heat(&self) -> MutexGuard<'_, Heat> {
        self.heat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn exchange(&self) -> MutexGuard<'_, ()> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows a valid value in memory to `see`, if there is one.
    #[inline(always)]
    pub fn look(&self, key: &str, see: impl FnOnce(&Line)) -> Left {
        let mut left = Left::Read;
        self.seats.visit(key, |map, stripe, hash| {
            let Some(place) = map.find(hash, key) else { return false };
            // The clock first: what ends between this and the look was valid when the look began.
            let now_ms = written_ms();
            match place.held(stripe) {
                Some(held)
                    if now_ms < held.ends_at_ms && place.key.is_current(held.generation, &self.flushes) =>
                {
                    held.hit();
                    see(&held.line);
                    left = if now_ms >= held.ages_at_ms { self.again(&place.key) } else { Left::Nothing };
                }
                _ => left = self.empty(&place.key),
            }
            true
        });
        left
    }

    #[cold]
    fn empty(&self, key: &Arc<HotKey>) -> Left {
        key.count(1);
        Left::Fetch(Arc::clone(key))
    }

    #[cold]
    fn again(&self, key: &Arc<HotKey>) -> Left {
        if key.refreshing.load(Ordering::Relaxed) { Left::Nothing } else { Left::Refresh(Arc::clone(key)) }
    }

    /// Joins the read that is under way for a hot key, or begins one. A caller that leaves ends nothing.
    pub async fn fetch(self: &Arc<Core>, key: &Arc<HotKey>) -> Result<Line, CacheError> {
        let mut landed = match self.board(key, || self.held_now(key)) {
            Ok(landed) => landed,
            Err(line) => return Ok(line),
        };
        let landed = landed.wait_for(Option::is_some).await.ok().and_then(|landed| landed.clone());
        // The task is gone without an answer only when the runtime shuts down.
        landed.unwrap_or(Err(CacheError::Unreachable { reason: "the read was given up".to_owned() }))
    }

    /// A valid value that came after the caller looked: the flight that brought it has landed.
    fn held_now(&self, key: &Arc<HotKey>) -> Option<Line> {
        let map = self.seats.map();
        let place = map.find(self.seats.hash(&key.name), &key.name)?;
        let held = place.held(thread_number())?;
        let valid = now_ms() < held.ends_at_ms && key.is_current(held.generation, &self.flushes);
        (valid && Arc::ptr_eq(&place.key, key)).then(|| held.line.clone())
    }

    /// A seat on the flight under way, or on a new one, unless `held` gives what it would bring.
    fn board(
        self: &Arc<Core>,
        key: &Arc<HotKey>,
        held: impl FnOnce() -> Option<Line>,
    ) -> Result<Landed, Line> {
        let mut flight = key.flight();
        let now = key.now(&self.flushes);
        if let Some(under_way) = &*flight
            && under_way.generation == now
            && under_way.landed.has_changed().is_ok()
        {
            return Ok(under_way.landed.clone());
        }
        // Under the flight's lock: a flight puts what it brings into the map before it leaves this place.
        if let Some(line) = held() {
            return Err(line);
        }
        let (land, landed) = watch::channel(None);
        let number = self.flights.fetch_add(1, Ordering::Relaxed);
        *flight = Some(Flight { generation: now, number, landed: landed.clone() });
        drop(flight);
        let (core, key) = (Arc::clone(self), Arc::clone(key));
        tokio::spawn(async move {
            let read = core.read(&key, now).await;
            // Nobody boards a flight that has landed: what it brought may be replaced at any moment.
            let mut flight = key.flight();
            if flight.as_ref().is_some_and(|flight| flight.number == number) {
                *flight = None;
            }
            drop(flight);
            key.refreshing.store(false, Ordering::Relaxed);
            land.send_replace(Some(read));
        });
        Ok(landed)
    }

    /// Reads an ageing value again, in the background.
    pub fn refresh(self: &Arc<Core>, key: &Arc<HotKey>) {
        if !key.refreshing.swap(true, Ordering::Relaxed) {
            drop(self.board(key, || None));
        }
    }

    /// One read from the store, tracked if that is possible; what it brings is held if nothing changed meanwhile.
    async fn read(&self, key: &Arc<HotKey>, began: Generation) -> Result<Line, CacheError> {
        let began_at_ms = now_ms();
        if let Some(tracker) = self.tracker.get() {
            match self.family.read_tracked(tracker, &key.name).await {
                Ok((line, life_ms)) => {
                    self.hold(key, began, began_at_ms, (line.clone(), life_ms));
                    return Ok(line);
                }
                Err(error) => {
                    metrics::counter!("largesse_hotkey_untracked_reads_total").increment(1);
                    tracing::debug!(%error, key = %key.name, "read without tracking, held by nobody");
                }
            }
        }
        // Without the promise to hear of a change nothing is held, but all who ask now share one read.
        self.family.read(&self.cache, &key.name).await
    }

    /// Puts a value into the hot set. Its times count from before it was asked for.
    fn hold(&self, key: &Arc<HotKey>, began: Generation, at_ms: u64, (line, life_ms): (Line, Option<u64>)) {
        let len_bytes = line.len_bytes();
        if len_bytes > self.settings.value_bytes_max {
            metrics::counter!("largesse_hotkey_too_large_total").increment(1);
            return;
        }
        let life = |asked: u64| life_ms.map_or(asked, |life_ms| asked.min(life_ms));
        let len_bytes = len_bytes.saturating_add(key.name.len()).saturating_mul(line.copies(stripes()));
        let (ages, ends) = (life(millis(self.settings.refresh_after)), life(millis(self.settings.stale_max)));
        let held = |_| {
            Apart(Held {
                generation: began,
                ages_at_ms: at_ms.saturating_add(ages),
                ends_at_ms: at_ms.saturating_add(ends),
                line: line.for_stripe(),
                hits: AtomicU32::new(0),
            })
        };
        let held: Arc<[Apart<Held>]> = (0..stripes()).map(held).collect();
        let _building = self.exchange();
        if !key.is_current(began, &self.flushes) {
            metrics::counter!("largesse_hotkey_raced_reads_total").increment(1);
            return; // It would never be valid.
        }
        let map = self.seats.map();
        let hash = self.seats.hash(&key.name);
        // A key that left the hot set and came back is another key: changes are told to that one.
        if !map.find(hash, &key.name).is_some_and(|place| Arc::ptr_eq(&place.key, key)) {
            return;
        }
        let mut places: Vec<Place> = map.iter().cloned().collect();
        let mut held_bytes = map.held_bytes;
        if let Some(place) = places.iter_mut().find(|place| Arc::ptr_eq(&place.key, key)) {
            held_bytes = held_bytes - place.held_bytes().unwrap_or(0) + len_bytes;
            place.hold(held, len_bytes);
        }
        if held_bytes > self.settings.bytes_max {
            self.make_room(&mut places, held_bytes);
        }
        self.seats.show(HotMap::new(places));
    }

    /// Drops values, the coolest key's first, until the rest fits.
    fn make_room(&self, places: &mut [Place], mut held_bytes: usize) {
        let mut holding: Vec<(u64, usize)> = {
            let heat = self.heat();
            let rate = |place: &Place| heat.rates(&place.key.name).everywhere_per_s;
            places
                .iter()
                .enumerate()
                .filter(|(_, place)| place.held_bytes().is_some())
                .map(|(at, place)| (rate(place), at))
                .collect()
        };
        holding.sort_unstable();
        for (_, at) in holding {
            if held_bytes <= self.settings.bytes_max {
                break;
            }
            held_bytes -= places[at].held_bytes().unwrap_or(0);
            places[at].drop_held();
            metrics::counter!("largesse_hotkey_crowded_out_total").increment(1);
        }
    }

    /// Keys that became hot come in, keys that cooled go.
    pub fn apply(&self, decision: &Decision) {
        if decision.enter.is_empty() && decision.leave.is_empty() {
            return;
        }
        let _building = self.exchange();
        let leaving = |place: &&Place| !decision.leave.iter().any(|key| **key == *place.key.name);
        let mut places: Vec<Place> = self.seats.map().iter().filter(leaving).cloned().collect();
        let known: std::collections::HashSet<Arc<str>> =
            places.iter().map(|place| place.key.name.clone()).collect();
        for key in decision.enter.iter().filter(|key| !known.contains(key.as_str())) {
            let hot = Arc::new(HotKey::new(key, now_ms()));
            places.push(Place::new(self.seats.hash(key), hot));
        }
        self.seats.show(HotMap::new(places));
    }

    /// A key was changed: what is held of it is invalid, and so is what is on its way.
    pub fn changed(&self, key: &str) {
        if let Some(place) = self.seats.map().find(self.seats.hash(key), key) {
            place.key.generation.fetch_add(1, Ordering::AcqRel);
        }
    }

    pub fn everything_changed(&self) {
        self.flushes.fetch_add(1, Ordering::AcqRel);
    }

    /// One step of the clock: counts, marks, the hot set. Gives what to tell the other nodes.
    pub fn step(&self, ticks: u32) -> Vec<(String, u64)> {
        let sketched: HashMap<String, u64> = self.seats.tick(ticks);
        let map = self.seats.map();
        let parts = u64::from(crate::sketch::TOUCH_PARTS);
        let hits: Vec<(Arc<str>, u64)> = map
            .iter()
            .map(|place| (place.key.name.clone(), place.take_hits().saturating_mul(parts)))
            .collect();
        let total: u64 = hits.iter().map(|(_, parts)| parts / u64::from(crate::sketch::TOUCH_PARTS)).sum();
        metrics::counter!("largesse_hotkey_hits_total").increment(total);
        let hot = map.iter().map(|place| place.key.name.clone()).collect();
        let (decision, told) = {
            let mut heat = self.heat();
            let decision = heat.step(ticks, sketched, &hits, &hot);
            for key in &decision.enter {
                let rates = heat.rates(key);
                let (here, everywhere) = (rates.here_per_s, rates.everywhere_per_s);
                tracing::info!(%key, here, everywhere, shelf = self.family.shelf().name(), "a key became hot");
                metrics::counter!("largesse_hotkey_became_hot_total").increment(1);
            }
            (decision, heat.to_tell())
        };
        for key in &decision.leave {
            tracing::debug!(%key, "a key cooled");
        }
        self.apply(&decision);
        told
    }
}

struct Hearer(std::sync::Weak<Core>);

impl Watcher for Hearer {
    fn changed(&self, change: Change<'_>) {
        let Some(core) = self.0.upgrade() else { return };
        match change {
            Change::Everything => core.everything_changed(),
            Change::Key(shelf, key) if shelf == core.family.shelf() => core.changed(key),
            Change::Key(..) => {}
        }
    }
}
