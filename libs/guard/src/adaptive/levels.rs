//! From how many asked at each level to the level at which asking is cut.
//!
//! Pure. The cut is what upstream is told; the limit is what protects this node at once, so the cut may move slowly
//! and lean to the generous side.

use crate::priority::LEVELS;

/// What one window says about the levels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// Requests per level, refused ones included.
    pub by_level: &'a [u32; LEVELS_LEN],
    pub served: u64,
    /// Refused for want of a place, though their level was not cut.
    pub refused: u64,
    /// The cut during the window.
    pub cut: u16,
}

pub(crate) const LEVELS_LEN: usize = 512;

/// The cut for the next window.
pub(crate) fn next_cut(asked: &Asked<'_>) -> u16 {
    let total: u64 = super::sum_of(asked.by_level);
    let below: u64 = super::sum_of(&asked.by_level[..usize::from(asked.cut.min(LEVELS))]);
    let admitted = below.saturating_sub(asked.refused);
    let is_open = asked.cut >= LEVELS;
    if is_open && asked.refused * 20 <= total {
        return LEVELS; // One in twenty at the edge is chance, not overload.
    }
    // Without a refusal for want of a place there is room for more than this window brought.
    let capacity = if asked.refused == 0 {
        let known = asked.served.max(admitted);
        known + known.div_ceil(4)
    } else {
        asked.served + asked.served.div_ceil(8)
    };
    let wanted = level_filling(asked.by_level, capacity);
    step_towards(asked.cut, wanted)
}

/// The first level by which more than `capacity` have asked, itself included.
fn level_filling(by_level: &[u32; LEVELS_LEN], capacity: u64) -> u16 {
    let mut sum = 0_u64;
    for (level, asked) in (0_u16..).zip(by_level) {
        sum += u64::from(*asked);
        if sum > capacity {
            return level + 1;
        }
    }
    LEVELS
}

/// Half of the way, at least one level.
fn step_towards(cut: u16, wanted: u16) -> u16 {
    if wanted >= cut { cut + (wanted - cut).div_ceil(2) } else { cut - (cut - wanted).div_ceil(2) }
}
