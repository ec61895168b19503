//! The rates there are: read by every request without a lock, changed seldom.
//!
//! Owns that a request sees all rates of one moment. They lie in atomics under a number that is odd while they change;
//! who finds it odd, or another one afterwards, reads again. Must not count anything.

use super::{Rate, RateError, Scope};
use arc_swap::{ArcSwap, Guard};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};

/// Keys with a rate of their own; `None` means that this key has no quota.
pub(super) type Overrides = HashMap<(Scope, u128), Option<Rate>>;

/// Every rate of one moment.
pub(super) struct Rules {
    scopes: [Option<Rate>; 3],
    /// Missing where no key has a rate of its own.
    overrides: Option<Guard<Arc<Overrides>>>,
    /// Another one after every change.
    pub generation: u32,
}

impl Rules {
    pub fn of_scope(&self, scope: Scope) -> Option<Rate> {
        self.scopes[scope.index()]
    }

    #[inline]
    pub fn of(&self, scope: Scope, key: u128) -> Option<Rate> {
        let of_scope = self.scopes[scope.index()];
        let Some(overrides) = &self.overrides else { return of_scope };
        overrides.get(&(scope, key)).copied().unwrap_or(of_scope)
    }
}

/// Every rate, to be changed.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Draft {
    pub scopes: [Option<Rate>; 3],
    pub overrides: Overrides,
}

#[derive(Default)]
struct Written {
    /// 0 where there is no rate.
    interval_ns: AtomicU64,
    burst: AtomicU32,
}

impl Written {
    fn write(&self, rate: Option<Rate>) {
        let Rate { interval_ns, burst } = rate.unwrap_or(Rate { interval_ns: 0, burst: 0 });
        self.interval_ns.store(interval_ns, Ordering::Relaxed);
        self.burst.store(burst, Ordering::Relaxed);
    }

    #[inline]
    fn read(&self) -> Option<Rate> {
        let interval_ns = self.interval_ns.load(Ordering::Relaxed);
        (interval_ns > 0).then(|| Rate { interval_ns, burst: self.burst.load(Ordering::Relaxed) })
    }
}

/// Where the rates stand written.
#[derive(Default)]
pub(super) struct Board {
    /// Odd while they change.
    generation: AtomicU32,
    scopes: [Written; 3],
    has_overrides: AtomicBool,
    overrides: ArcSwap<Overrides>,
    changing: Mutex<Draft>,
}

impl Board {
    /// All rates of this moment.
    #[inline]
    pub fn read(&self) -> Rules {
        loop {
            let generation = self.generation.load(Ordering::Acquire);
            if generation.is_multiple_of(2) {
                let scopes = [&self.scopes[0], &self.scopes[1], &self.scopes[2]].map(Written::read);
                let has_overrides = self.has_overrides.load(Ordering::Relaxed);
                let overrides = has_overrides.then(|| self.overrides.load());
                fence(Ordering::Acquire);
                if self.generation.load(Ordering::Relaxed) == generation {
                    return Rules { scopes, overrides, generation };
                }
            }
            // Somebody is changing them, which takes a few stores.
            drop(self.changing.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Changes rates, one caller at a time.
    pub fn change(&self, change: impl FnOnce(&mut Draft) -> Result<(), RateError>) -> Result<(), RateError> {
        let mut kept = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut draft = kept.clone();
        change(&mut draft)?;
        // The same again is no change: whoever is in debt stays so.
        if draft != *kept {
            self.write(&draft);
            *kept = draft;
        }
        Ok(())
    }

    /// Only under the lock of `changing`.
    fn write(&self, draft: &Draft) {
        let overrides = Arc::new(draft.overrides.clone());
        let generation = self.generation.load(Ordering::Relaxed);
        self.generation.store(generation.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        for (written, rate) in self.scopes.iter().zip(draft.scopes) {
            written.write(rate);
        }
        self.has_overrides.store(!overrides.is_empty(), Ordering::Relaxed);
        self.overrides.store(overrides);
        self.generation.store(generation.wrapping_add(2), Ordering::Release);
    }
}
