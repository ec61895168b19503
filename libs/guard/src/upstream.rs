//! What a sender remembers of the cut level that a node told it: requests that would be refused are not sent.

use crate::admission::Refusal;
use crate::clock::{nanos, now_ns};
use crate::priority::{Ask, CutLevel, LEVELS};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long a cut level is believed: about as long as an overload takes to change its mind. After it a few are sent
/// again, and their answers say how it is now.
const BELIEVED_FOR: Duration = Duration::from_secs(1);

/// Bits of the word that hold the level; the others hold until when it is believed, in microseconds.
const LEVEL_BITS: u32 = 10;

/// The last cut level heard from one node. Keep one per node, beside its client.
pub struct HeardCut(AtomicU64);

impl Default for HeardCut {
    fn default() -> HeardCut {
        HeardCut(AtomicU64::new(u64::from(LEVELS)))
    }
}

impl HeardCut {
    /// Takes note of an answer's [`CUT_LEVEL_HEADER`](crate::CUT_LEVEL_HEADER). An answer without one says that
    /// nobody is cut; one that cannot be read says nothing.
    pub fn hear(&self, header: Option<&str>) {
        self.hear_at(now_ns(), header);
    }

    /// [`HeardCut::hear`] on the caller's clock.
    pub fn hear_at(&self, now_ns: u64, header: Option<&str>) {
        let Ok(cut) = header.map_or(Ok(CutLevel::OPEN), str::parse) else { return };
        let until_us = now_ns.saturating_add(nanos(BELIEVED_FOR)) / 1_000;
        self.0.store(until_us << LEVEL_BITS | u64::from(cut.number()), Ordering::Relaxed);
    }

    /// Whether this request is worth sending.
    ///
    /// # Errors
    /// [`Refusal`]: the node would refuse it.
    pub fn check(&self, ask: Ask) -> Result<(), Refusal> {
        self.check_at(now_ns(), ask)
    }

    /// [`HeardCut::check`] on the caller's clock.
    ///
    /// # Errors
    /// [`Refusal`]: the node would refuse it.
    pub fn check_at(&self, now_ns: u64, ask: Ask) -> Result<(), Refusal> {
        let heard = self.0.load(Ordering::Relaxed);
        let cut = heard & ((1 << LEVEL_BITS) - 1);
        if u64::from(ask.level()) < cut || now_ns / 1_000 >= heard >> LEVEL_BITS {
            return Ok(());
        }
        Err(Refusal::shed(ask.class))
    }
}
