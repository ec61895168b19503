//! The live table: what is hot, and why. For a command line or a page; making one takes no reader's time.

use crate::clock::now_ms;
use crate::core::Core;
use crate::heat::{ByHand, Rates};
use cache::Shelf;
use std::sync::atomic::Ordering;
use uuid::Uuid;

/// Rows of a table; the coolest are left out.
pub const TABLE_ROWS_MAX: usize = 2_000;

/// One key.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HotRow {
    pub key: String,
    pub hot: bool,
    pub by_hand: Option<ByHand>,
    #[serde(flatten)]
    pub rates: Rates,
    /// For how long it has been hot, in milliseconds.
    pub hot_for_ms: Option<u64>,
    /// Answers from memory or joined reads since it became hot.
    pub hits: u64,
    /// Bytes held for it, over all copies; none while no valid value is held.
    pub held_bytes: Option<usize>,
}

/// One node's view of one set of hot keys.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HotTable {
    pub node: Uuid,
    pub shelf: Shelf,
    pub hot_per_s: u64,
    pub keys_max: usize,
    pub bytes_max: usize,
    pub held_bytes: usize,
    pub rows: Vec<HotRow>,
}

pub fn of(core: &Core) -> HotTable {
    let map = core.seats.map();
    let heat = core.heat();
    let mut rows: Vec<HotRow> = map
        .iter()
        .map(|place| HotRow {
            key: place.key.name.to_string(),
            hot: true,
            by_hand: heat.by_hand(&place.key.name),
            rates: heat.rates(&place.key.name),
            hot_for_ms: Some(now_ms().saturating_sub(place.key.hot_since_ms)),
            hits: place.key.hits_total.load(Ordering::Relaxed),
            held_bytes: place.held_bytes(),
        })
        .collect();
    let mut others = heat.known();
    for row in &rows {
        others.remove(row.key.as_str());
    }
    rows.extend(others.into_iter().map(|key| HotRow {
        key: key.to_owned(),
        hot: false,
        by_hand: heat.by_hand(key),
        rates: heat.rates(key),
        hot_for_ms: None,
        hits: 0,
        held_bytes: None,
    }));
    drop(heat);
    rows.sort_unstable_by(|one, other| {
        let rank = |row: &HotRow| (row.by_hand.is_some() || row.hot, row.rates.everywhere_per_s);
        rank(other).cmp(&rank(one)).then_with(|| one.key.cmp(&other.key))
    });
    rows.truncate(TABLE_ROWS_MAX);
    HotTable {
        node: core.node,
        shelf: core.family.shelf(),
        hot_per_s: core.settings.hot_per_s,
        keys_max: core.settings.keys_max,
        bytes_max: core.settings.bytes_max,
        held_bytes: map.held_bytes,
        rows,
    }
}
