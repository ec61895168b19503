//! Combo sessions: the same viewer, room and gift within a gap, counted by the server alone.
//!
//! A session ends by itself when the gap passes: there is no end frame to lose. Sharded, so that gifts do
//! not queue behind one lock. In memory: a restart begins new sessions and moves no coin.

use contracts::catalogue::GiftId;
use contracts::entry::Combo;
use ids::{ComboId, RoomId, ViewerId};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

const SHARD_COUNT: usize = 64;

/// Who sends what where: what one session is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ComboKey {
    pub viewer_id: ViewerId,
    pub room_id: RoomId,
    pub gift_id: GiftId,
}

#[derive(Clone, Copy, Debug)]
struct Session {
    combo: Combo,
    last_ms: i64,
}

/// All running sessions of this node.
#[derive(Debug)]
pub struct Combos {
    shards: Vec<Mutex<HashMap<ComboKey, Session>>>,
    hasher: RandomState,
    gap_ms: i64,
    shard_len_max: usize,
}

impl Combos {
    /// Sessions that end `gap_ms` after their last gift; at most about `sessions_max` at once.
    pub fn new(gap_ms: i64, sessions_max: usize) -> Combos {
        Combos {
            shards: (0..SHARD_COUNT).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            gap_ms,
            shard_len_max: (sessions_max / SHARD_COUNT).max(1),
        }
    }

    /// Counts a send: continues the running session or begins one. `None` when no more sessions fit: the
    /// gift goes out without a combo.
    pub fn count(&self, key: ComboKey, quantity: u32, now_ms: i64) -> Option<Combo> {
        let mut shard = self.shard(&key);
        if shard.len() >= self.shard_len_max && !shard.contains_key(&key) {
            shard.retain(|_, session| now_ms - session.last_ms <= self.gap_ms);
            if shard.len() >= self.shard_len_max {
                return None;
            }
        }
        let fresh = || Session { combo: Combo { combo_id: ComboId::now(), count: 0 }, last_ms: now_ms };
        let session = shard.entry(key).or_insert_with(fresh);
        if now_ms - session.last_ms > self.gap_ms {
            *session = fresh();
        }
        session.last_ms = session.last_ms.max(now_ms);
        session.combo.count = session.combo.count.saturating_add(quantity);
        Some(session.combo)
    }

    /// Takes a counted send out again: it was refused, or it was a repeat.
    pub fn uncount(&self, key: ComboKey, combo: Combo, quantity: u32) {
        let mut shard = self.shard(&key);
        let Some(session) = shard.get_mut(&key) else { return };
        if session.combo.combo_id == combo.combo_id {
            session.combo.count = session.combo.count.saturating_sub(quantity);
            if session.combo.count == 0 {
                shard.remove(&key);
            }
        }
    }

    /// Forgets ended sessions; called now and then.
    pub fn sweep(&self, now_ms: i64) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.retain(|_, session| now_ms - session.last_ms <= self.gap_ms);
            let len = shard.len();
            shard.shrink_to(len * 2); // A peak's memory is given back.
        }
    }

    fn shard(&self, key: &ComboKey) -> std::sync::MutexGuard<'_, HashMap<ComboKey, Session>> {
        let hash = self.hasher.hash_one(key).to_le_bytes()[0];
        let at = usize::from(hash) % SHARD_COUNT;
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
