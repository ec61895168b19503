//! Quotas: how much one viewer, one room or one tenant may ask of this node, changed while it runs.
//!
//! Owns a bounded table of who asked lately. A quota is a bucket that refills evenly (the generic cell rate algorithm:
//! one instant per key, before which the bucket is not full), so a key that has asked for nothing lately is the same as
//! a key never seen, and its slot can be given away without forgetting anything.
//!
//! Where several nodes take the same keys, each tells what was taken from it ([`Quotas::news`]) to whoever counts for
//! all, and charges itself with what the others took ([`Quotas::learn`]). Nobody waits for that.

use crate::admission::{Reason, Refusal};
use crate::clock::{lately_ns, nanos};
use crate::priority::{halves, mixed};
use rules::{Board, Draft, Overrides, Rules};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

mod rules;

/// Keys with a rate of their own, over all scopes.
pub const OVERRIDES_MAX: usize = 10_000;

/// Keys whose news wait to be told; what more keys take meanwhile stays this node's own.
pub const NEWS_LEN_MAX: usize = 16_384;

/// Slots that one key may lie in.
const SLOTS: usize = 8;

/// What a quota is counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    Viewer,
    Room,
    Tenant,
}

impl Scope {
    pub const ALL: [Scope; 3] = [Scope::Viewer, Scope::Room, Scope::Tenant];

    /// The name on metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scope::Viewer => "viewer",
            Scope::Room => "room",
            Scope::Tenant => "tenant",
        }
    }

    const fn reason(self) -> Reason {
        match self {
            Scope::Viewer => Reason::ViewerQuota,
            Scope::Room => Reason::RoomQuota,
            Scope::Tenant => Reason::TenantQuota,
        }
    }

    const fn index(self) -> usize {
        match self {
            Scope::Viewer => 0,
            Scope::Room => 1,
            Scope::Tenant => 2,
        }
    }
}

/// So many in such a time, and so many of them at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Between two requests that come evenly; never 0.
    interval_ns: u64,
    burst: u32,
}

/// Why a rate is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    #[error("a rate needs at least one request in a time, and at least one at once")]
    Zero,
    #[error("a rate of more than one request per nanosecond, or of less than one per day, is not counted")]
    OutOfRange,
    #[error("at most {OVERRIDES_MAX} keys have a rate of their own")]
    TooManyOverrides,
}

impl Rate {
    /// `count` requests per `per`, of which `burst` may come at once.
    ///
    /// # Errors
    /// [`RateError`]: a zero, or too fast or too slow to count.
    pub fn try_new(count: u32, per: Duration, burst: u32) -> Result<Rate, RateError> {
        if count == 0 || burst == 0 || per.is_zero() {
            return Err(RateError::Zero);
        }
        let interval_ns = nanos(per) / u64::from(count);
        if interval_ns == 0 || interval_ns > nanos(Duration::from_hours(24)) {
            return Err(RateError::OutOfRange);
        }
        Ok(Rate { interval_ns, burst })
    }

    fn window_ns(self) -> u64 {
        self.interval_ns.saturating_mul(self.burst.into())
    }
}

/// What a node took from one key since it last told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct News {
    pub scope: Scope,
    pub key: u128,
    /// How long the key's bucket takes to refill by it.
    pub refill: Duration,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    tag: u64,
    /// When the key's bucket is full again.
    full_at_ns: u64,
    generation: u32,
    /// Taken since it was last told.
    untold: u32,
}

/// The quotas of one node.
pub struct Quotas {
    board: Board,
    sets: Box<[Mutex<[Slot; SLOTS]>]>,
    seed: u64,
    /// Keys whose slots have something untold.
    untold: Mutex<Vec<(Scope, u128)>>,
    refused: [metrics::Counter; 3],
    evicted: metrics::Counter,
}

impl Quotas {
    /// Without any rate yet, and with room for `keys_max` keys that asked lately (rounded up to a power of two, at
    /// least 1,024; about 26 bytes each). Where more ask at once, the one nearest to a full bucket is forgotten, so a
    /// crowd makes quotas milder and never closes them; `largesse_quota_evicted_total` counts it.
    pub fn new(keys_max: usize) -> Quotas {
        crate::clock::wind();
        let sets = keys_max.clamp(1_024, 1 << 26).div_ceil(SLOTS).next_power_of_two();
        Quotas {
            board: Board::default(),
            sets: (0..sets).map(|_| Mutex::default()).collect(),
            seed: RandomState::new().hash_one(sets),
            untold: Mutex::default(),
            refused: Scope::ALL
                .map(|scope| metrics::counter!("largesse_quota_refused_total", "scope" => scope.as_str())),
            evicted: metrics::counter!("largesse_quota_evicted_total"),
        }
    }

    /// Sets what every key of a scope may do from now on; `None` means anything. Who was refused under the old rate
    /// waits no longer than the new one asks for.
    pub fn set(&self, scope: Scope, rate: Option<Rate>) {
        self.board
            .change(|rules| {
                rules.scopes[scope.index()] = rate;
                Ok(())
            })
            .unwrap_or_default(); // Only overrides are limited in number.
    }

    /// Sets what one key may do, whatever its scope says; `None` means anything.
    ///
    /// # Errors
    /// [`RateError::TooManyOverrides`]: nothing changed.
    pub fn set_for(&self, scope: Scope, key: u128, rate: Option<Rate>) -> Result<(), RateError> {
        self.board.change(|rules| {
            let is_new = !rules.overrides.contains_key(&(scope, key));
            if is_new && rules.overrides.len() >= OVERRIDES_MAX {
                return Err(RateError::TooManyOverrides);
            }
            rules.overrides.insert((scope, key), rate);
            Ok(())
        })
    }

    /// Forgets what one key may do: it follows its scope again.
    pub fn unset_for(&self, scope: Scope, key: u128) {
        self.board
            .change(|rules| {
                rules.overrides.remove(&(scope, key));
                Ok(())
            })
            .unwrap_or_default();
    }

    /// Sets every rate anew, all at once: those of scopes, and those of keys that have one of their own. Nothing is
    /// changed where they are these already.
    ///
    /// # Errors
    /// [`RateError::TooManyOverrides`]: nothing changed.
    pub fn set_all(
        &self,
        scopes: [Option<Rate>; 3],
        overrides: impl IntoIterator<Item = ((Scope, u128), Option<Rate>)>,
    ) -> Result<(), RateError> {
        let overrides: Overrides = overrides.into_iter().collect();
        if overrides.len() > OVERRIDES_MAX {
            return Err(RateError::TooManyOverrides);
        }
        self.board.change(|rules| {
            *rules = Draft { scopes, overrides };
            Ok(())
        })
    }

    /// What every key of a scope may do now that has no rate of its own; `None` means anything.
    pub fn of_scope(&self, scope: Scope) -> Option<Rate> {
        self.board.read().of_scope(scope)
    }

    /// Takes `count` from each of these keys, or nothing from any. Whoever has one left may take more than that: the
    /// debt is waited for afterwards, so a batch larger than a burst is slow and not impossible.
    ///
    /// # Errors
    /// [`Refusal`] of the first key that has none left, with the time until it has one.
    #[inline]
    pub fn try_take(&self, keys: &[(Scope, u128)], count: u32) -> Result<(), Refusal> {
        self.try_take_at(lately_ns(), keys, count)
    }

    /// [`Quotas::try_take`] at a time of the caller's choice, on the caller's clock.
    ///
    /// # Errors
    /// The same.
    #[inline]
    pub fn try_take_at(&self, now_ns: u64, keys: &[(Scope, u128)], count: u32) -> Result<(), Refusal> {
        let rules = self.board.read();
        for (at, (scope, key)) in keys.iter().enumerate() {
            let Some(rate) = rules.of(*scope, *key) else { continue };
            let taken = self.with_slot(now_ns, (*scope, *key), |slot| {
                if slot.generation != rules.generation {
                    // The debt was counted by other rules.
                    slot.full_at_ns = slot.full_at_ns.min(now_ns.saturating_add(rate.window_ns()));
                    slot.generation = rules.generation;
                }
                take(slot, now_ns, rate, count)?;
                let is_first = slot.untold == 0;
                slot.untold = slot.untold.saturating_add(count);
                Ok(is_first)
            });
            if let Ok(true) = taken
                && !self.note_untold(*scope, *key)
            {
                // Not told; the key's next request tries again.
                self.with_slot(now_ns, (*scope, *key), |slot| slot.untold = 0);
            }
            if let Err(retry_after_ns) = taken {
                self.refused[scope.index()].increment(1);
                for (scope, key) in &keys[..at] {
                    self.give_back(now_ns, (*scope, *key), &rules, count);
                }
                let retry_after = Duration::from_nanos(retry_after_ns);
                return Err(Refusal { reason: scope.reason(), retry_after });
            }
        }
        Ok(())
    }

    fn give_back(&self, now_ns: u64, (scope, key): (Scope, u128), rules: &Rules, count: u32) {
        let Some(rate) = rules.of(scope, key) else { return };
        let back_ns = rate.interval_ns.saturating_mul(count.into());
        self.with_slot(now_ns, (scope, key), |slot| {
            slot.full_at_ns = slot.full_at_ns.saturating_sub(back_ns);
            slot.untold = slot.untold.saturating_sub(count);
        });
    }

    /// Notes that a key has something to tell; `false` where there is no room.
    fn note_untold(&self, scope: Scope, key: u128) -> bool {
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = untold.len() < NEWS_LEN_MAX;
        if has_room {
            untold.push((scope, key));
        }
        has_room
    }

    /// What was taken since this was last asked, key by key. It counts as told: news that get lost make quotas milder.
    pub fn news(&self) -> Vec<News> {
        self.news_at(lately_ns())
    }

    /// [`Quotas::news`] at a time of the caller's choice, on the caller's clock.
    pub fn news_at(&self, now_ns: u64) -> Vec<News> {
        let keys = std::mem::take(&mut *self.untold.lock().unwrap_or_else(PoisonError::into_inner));
        let rules = self.board.read();
        let news = |(scope, key): (Scope, u128)| {
            let count = self.with_slot(now_ns, (scope, key), |slot| std::mem::take(&mut slot.untold));
            let rate = rules.of(scope, key).filter(|_| count > 0)?;
            let refill = Duration::from_nanos(rate.interval_ns.saturating_mul(count.into()));
            Some(News { scope, key, refill })
        };
        keys.into_iter().filter_map(news).collect()
    }

    /// Charges a key with what all nodes took: its bucket is full only `full_in` from now, and later by what was taken
    /// here since it was last told.
    pub fn learn(&self, scope: Scope, key: u128, full_in: Duration) {
        self.learn_at(lately_ns(), scope, key, full_in);
    }

    /// [`Quotas::learn`] at a time of the caller's choice, on the caller's clock.
    pub fn learn_at(&self, now_ns: u64, scope: Scope, key: u128, full_in: Duration) {
        let rules = self.board.read();
        let Some(rate) = rules.of(scope, key) else { return };
        self.with_slot(now_ns, (scope, key), |slot| {
            let untold_ns = rate.interval_ns.saturating_mul(slot.untold.into());
            let full_at_ns = now_ns.saturating_add(nanos(full_in)).saturating_add(untold_ns);
            slot.full_at_ns = slot.full_at_ns.max(full_at_ns);
            slot.generation = rules.generation;
        });
    }

    #[inline]
    fn with_slot<R>(&self, now_ns: u64, (scope, key): (Scope, u128), act: impl FnOnce(&mut Slot) -> R) -> R {
        let tag = self.tag(scope, key);
        let at = usize::try_from(tag >> 32).unwrap_or_default() & (self.sets.len() - 1);
        let mut set = self.sets[at].lock().unwrap_or_else(PoisonError::into_inner);
        let found = match set.iter().position(|slot| slot.tag == tag) {
            Some(found) => found,
            None => {
                // The slot whose bucket is full, or will be first.
                let first = (0..SLOTS).min_by_key(|at| set[*at].full_at_ns).unwrap_or_default();
                if set[first].full_at_ns > now_ns {
                    self.evicted.increment(1);
                }
                set[first] = Slot { tag, ..Slot::default() };
                first
            }
        };
        act(&mut set[found])
    }

    /// Never zero, which is an empty slot. The seed is this process's own, so that nobody can aim for another's slot.
    #[inline]
    fn tag(&self, scope: Scope, key: u128) -> u64 {
        let [low, high] = halves(key);
        let salt = [0x5A, 0xA5, 0x3C][scope.index()];
        mixed(mixed(low ^ self.seed ^ salt) ^ high.rotate_left(17)) | 1
    }
}

/// Takes from one bucket, or says how long until there is one to take.
#[inline]
fn take(slot: &mut Slot, now_ns: u64, rate: Rate, count: u32) -> Result<(), u64> {
    let free_ns = rate.window_ns().saturating_sub(rate.interval_ns);
    let full_at_ns = slot.full_at_ns.max(now_ns);
    let early_ns = (full_at_ns - now_ns).saturating_sub(free_ns);
    if early_ns > 0 {
        return Err(early_ns);
    }
    slot.full_at_ns = full_at_ns.saturating_add(rate.interval_ns.saturating_mul(count.into()));
    Ok(())
}
