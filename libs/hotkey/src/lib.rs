//! Hot keys, found and served from memory; write-hot counters, added up first.
//!
//! Owns detection, the hot set and its validity, and the adding up of write-hot counters. Must not know Redis: it
//! reaches it through `cache`, and so runs as well on the store of the embedded default.
#![doc = ""]
#![doc = include_str!("../README.md")]

mod bulletin;
mod clock;
mod core;
mod counter;
mod detector;
mod heat;
mod hot;
mod hot_map;
mod line;
mod seats;
mod settings;
mod sketch;
mod stripes;
mod table;
mod task;

pub use clock::CLOCK_STEP;
pub use counter::{COUNTER_KEY_BYTES_MAX, COUNTERS_MAX, Counter, CounterSettings, Counters, DrainError};
pub use detector::Detector;
pub use heat::{BY_HAND_MAX, ByHand, NODES_MAX, Rates, TOLD_KEYS_MAX};
pub use hot::{HotCounts, HotRanks, HotValues, RANKS_LEN_MAX};
pub use seats::SKETCHES_MAX;
pub use settings::{HotError, HotSettings, KEYS_CEILING, STALE_CEILING, TICK};
pub use sketch::{SKETCH_KEYS_MAX, Sketch};
pub use table::{HotRow, HotTable, TABLE_ROWS_MAX};
