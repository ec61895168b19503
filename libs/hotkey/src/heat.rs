//! Which keys are hot, from rates here and told by other nodes. Pure: time comes as ticks.

use crate::settings::HotSettings;
use crate::sketch::{faded, per_tick_thousandths};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use uuid::Uuid;

/// Keys one node tells of at a time: its hottest.
pub const TOLD_KEYS_MAX: usize = 64;

/// A longer key that another node tells of is left out, in bytes.
const TOLD_KEY_BYTES_MAX: usize = 4_096;

/// Nodes whose rates are remembered at a time.
pub const NODES_MAX: usize = 1_024;

/// Ticks after which what a node told counts no more.
const TOLD_TICKS_MAX: u64 = 5;

/// Keys that can be pinned, denied and watched by hand, of each.
pub const BY_HAND_MAX: usize = 1_000;

/// What is said of a key by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ByHand {
    /// Always hot.
    Pinned,
    /// Never hot.
    Denied,
    /// Shown in the table whether it is hot or not; changes nothing else.
    Watched,
}

/// Reads per second, here and everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Rates {
    pub here_per_s: u64,
    pub everywhere_per_s: u64,
}

/// What a tick decides.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Decision {
    pub enter: Vec<String>,
    pub leave: Vec<String>,
}

/// The rates known to one node, and the marks they are held against.
pub struct Heat {
    hot_per_s: u64,
    keys_max: usize,
    tell_per_s: u64,
    tick: u64,
    /// Counts of reads of hot keys, in parts of a touch; they fade as the sketch's do.
    hits: HashMap<Arc<str>, u64>,
    here: HashMap<Box<str>, u64>,
    told: HashMap<Uuid, (u64, Vec<(String, u64)>)>,
    everywhere: HashMap<Box<str>, u64>,
    by_hand: HashMap<Box<str>, ByHand>,
}

/// Ten ticks are a second; counts are in thousandths of a touch per tick.
pub fn per_second(count: u64) -> u64 {
    per_tick_thousandths(count) / 100
}

impl Heat {
    pub fn new(settings: &HotSettings) -> Heat {
        Heat {
            hot_per_s: settings.hot_per_s,
            keys_max: settings.keys_max,
            tell_per_s: (settings.hot_per_s / settings.spread_nodes_max / 2).max(1),
            tick: 0,
            hits: HashMap::new(),
            here: HashMap::new(),
            told: HashMap::new(),
            everywhere: HashMap::new(),
            by_hand: HashMap::new(),
        }
    }

    /// Says something of a key by hand, or takes it back. False when there is no room for more.
    pub fn set_by_hand(&mut self, key: &str, said: Option<ByHand>) -> Result<(), ()> {
        let Some(said) = said else {
            self.by_hand.remove(key);
            return Ok(());
        };
        let same = self.by_hand.values().filter(|one| **one == said).count();
        if same >= BY_HAND_MAX && self.by_hand.get(key) != Some(&said) {
            return Err(());
        }
        self.by_hand.insert(key.into(), said);
        Ok(())
    }

    pub fn by_hand(&self, key: &str) -> Option<ByHand> {
        self.by_hand.get(key).copied()
    }

    /// Another node tells its rates. Of more than it may tell, the first count.
    pub fn hear(&mut self, node: Uuid, mut rates: Vec<(String, u64)>) {
        rates.truncate(TOLD_KEYS_MAX);
        rates.retain(|(key, _)| key.len() <= TOLD_KEY_BYTES_MAX);
        if self.told.len() < NODES_MAX || self.told.contains_key(&node) {
            self.told.insert(node, (self.tick, rates));
        }
    }

    /// One step of the clock (or several, if some were missed). `sketched` are faded counts by key, `hits` the
    /// fresh ones of hot keys, in parts of a touch.
    pub fn step(
        &mut self,
        ticks: u32,
        sketched: HashMap<String, u64>,
        hits: &[(Arc<str>, u64)],
        hot: &HashSet<Arc<str>>,
    ) -> Decision {
        self.tick += u64::from(ticks.max(1));
        let oldest = self.tick.saturating_sub(TOLD_TICKS_MAX);
        self.told.retain(|_, (at, _)| *at >= oldest);
        self.hits.retain(|key, count| {
            *count = faded(*count, ticks);
            *count > 0 || hot.contains(key)
        });
        for (key, parts) in hits {
            // Fresh hits fade with the first tick that sees them, as fresh touches do.
            *self.hits.entry(key.clone()).or_default() += faded(*parts, 1);
        }
        self.here = sketched.into_iter().map(|(key, count)| (key.into_boxed_str(), count)).collect();
        for (key, count) in &self.hits {
            *self.here.entry(Box::from(&**key)).or_default() += count;
        }
        self.here.values_mut().for_each(|count| *count = per_second(*count));
        self.everywhere.clone_from(&self.here);
        for (_, rates) in self.told.values() {
            for (key, per_s) in rates {
                let sum = self.everywhere.entry(key.as_str().into()).or_default();
                *sum = sum.saturating_add(*per_s);
            }
        }
        self.decide(hot)
    }

    fn decide(&self, hot: &HashSet<Arc<str>>) -> Decision {
        let rate = |key: &str| self.everywhere.get(key).copied().unwrap_or(0);
        let mut wanted: Vec<(u64, &str)> = Vec::new();
        for (key, said) in &self.by_hand {
            if *said == ByHand::Pinned {
                wanted.push((u64::MAX, key));
            }
        }
        let free = |key: &str| !matches!(self.by_hand(key), Some(ByHand::Pinned | ByHand::Denied));
        for key in hot.iter().filter(|key| free(key)) {
            // What is in stays until half of the mark, and a newcomer must be twice as hot to take its place.
            if rate(key) >= self.hot_per_s / 2 {
                wanted.push((rate(key).saturating_mul(2), key));
            }
        }
        // A key that is read elsewhere only takes no room here.
        for key in self.here.keys().filter(|key| free(key) && !hot.contains(&***key)) {
            if rate(key) >= self.hot_per_s {
                wanted.push((rate(key), key));
            }
        }
        wanted.sort_unstable_by(|one, other| other.cmp(one));
        wanted.truncate(self.keys_max);
        let wanted: HashSet<&str> = wanted.into_iter().map(|(_, key)| key).collect();
        let mut decision = Decision {
            enter: wanted.iter().filter(|key| !hot.contains(**key)).map(|key| (*key).to_owned()).collect(),
            leave: hot.iter().filter(|key| !wanted.contains(&***key)).map(|key| key.to_string()).collect(),
        };
        decision.enter.sort_unstable();
        decision.leave.sort_unstable();
        decision
    }

    /// What to tell the other nodes: the hottest keys here with a share worth telling.
    pub fn to_tell(&self) -> Vec<(String, u64)> {
        let mut told: Vec<(String, u64)> = self
            .here
            .iter()
            .filter(|(_, per_s)| **per_s >= self.tell_per_s)
            .map(|(key, per_s)| (key.to_string(), *per_s))
            .collect();
        told.sort_unstable_by(|one, other| (other.1, &one.0).cmp(&(one.1, &other.0)));
        told.truncate(TOLD_KEYS_MAX);
        told
    }

    pub fn rates(&self, key: &str) -> Rates {
        Rates {
            here_per_s: self.here.get(key).copied().unwrap_or(0),
            everywhere_per_s: self.everywhere.get(key).copied().unwrap_or(0),
        }
    }

    /// Every key of which something is known.
    pub fn known(&self) -> HashSet<&str> {
        self.everywhere.keys().chain(self.by_hand.keys()).map(|key| &**key).collect()
    }
}
