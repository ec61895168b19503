//! What the producer says and what consumers answer: small JSON texts of one form.

use crate::digest::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Deltas that are kept, and that a consumer takes one after the other before a snapshot is the better way.
pub const DELTAS_MAX: usize = 32;

/// Former versions that are kept for rolling back.
pub const HISTORY_MAX: usize = 8;

/// The longest name of a node, in bytes.
pub const NODE_LEN_MAX: usize = 128;

/// The longest reason that travels, in characters.
pub(crate) const REASON_LEN_MAX: usize = 500;

/// One published version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub version: i64,
    /// The digest of the manifest: equal content has an equal digest.
    pub manifest: Digest,
    /// A person said yes to it: the rule about how much may change does not hold for it.
    pub approved: bool,
    pub published_at_ms: u64,
}

/// A delta between two contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeltaRef {
    pub from: Digest,
    pub to: Digest,
    pub blob: Digest,
}

/// A version that some nodes try first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryStage {
    pub target: Target,
    /// The nodes that take it, by name.
    pub nodes: Vec<String>,
}

/// A version that is not published, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldBack {
    pub version: i64,
    pub reason: String,
}

/// What every node should run. A blob of its own; the [`Beat`] names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Announcement {
    pub format: u32,
    pub stable: Target,
    pub canary: Option<CanaryStage>,
    pub held_back: Option<HeldBack>,
    pub pinned: Option<i64>,
    pub deltas: Vec<DeltaRef>,
    pub history: Vec<Target>,
}

impl Announcement {
    /// What one node should run, and whether it is one of the first.
    pub fn target_of(&self, node: &str) -> (Target, bool) {
        match &self.canary {
            Some(canary) if canary.nodes.iter().any(|name| name == node) => (canary.target, true),
            _ => (self.stable, false),
        }
    }

    /// Every version that can be pinned, the oldest first.
    pub fn versions(&self) -> Vec<i64> {
        let newer = self.canary.iter().map(|canary| canary.target.version);
        let known = self.history.iter().map(|former| former.version);
        let mut versions: Vec<i64> = known.chain([self.stable.version]).chain(newer).collect();
        versions.sort_unstable();
        versions.dedup();
        versions
    }

    /// The deltas that lead from one content to another, if all of them are kept.
    pub fn chain(&self, from: Digest, to: Digest) -> Option<Vec<Digest>> {
        let mut chain = Vec::new();
        let mut at = from;
        while at != to {
            if chain.len() >= DELTAS_MAX {
                return None;
            }
            // The newest delta from a content leads on: an older one may lead to a version that was held back.
            let next = self.deltas.iter().rev().find(|delta| delta.from == at && delta.to == to);
            let next = next.or_else(|| self.deltas.iter().rev().find(|delta| delta.from == at))?;
            chain.push(next.blob);
            at = next.to;
        }
        Some(chain)
    }
}

/// The one key that changes: who speaks, what is announced, and of when it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Beat {
    /// The producer's node.
    pub node: String,
    pub epoch: i64,
    pub seq: u64,
    pub announcement: Digest,
    /// When the producer last spoke.
    pub at_ms: u64,
    /// When the source last had the stable version as its newest.
    pub stable_as_of_ms: u64,
    /// When the source last had the canary's version as its newest.
    pub canary_as_of_ms: u64,
}

impl Beat {
    /// Announcements in their order. An epoch has one producer.
    pub fn order(&self) -> (i64, u64) {
        (self.epoch, self.seq)
    }
}

/// What a consumer made of what it should run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It runs it.
    Acknowledged,
    /// It will not run it, and keeps what it has.
    Refused { version: i64, manifest: Digest, reason: String },
    /// It cannot get it, and keeps what it has.
    Lacking { version: i64, manifest: Digest, reason: String },
    /// Nothing has been announced yet.
    Unannounced,
}

/// What one node says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReport {
    pub node: String,
    pub version: i64,
    /// The content it runs; `None` before the first.
    pub manifest: Option<Digest>,
    pub verdict: Verdict,
    /// How old what it serves is, in milliseconds; `None` before the first version.
    pub age_ms: Option<u64>,
    pub at_ms: u64,
}

/// Who runs which version, as the producer has heard it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    pub at_ms: u64,
    pub producer: String,
    pub epoch: i64,
    pub stable: Option<Target>,
    pub canary: Option<CanaryStage>,
    pub held_back: Option<HeldBack>,
    pub pinned: Option<i64>,
    /// Versions that can be pinned, the newest last.
    pub history: Vec<Target>,
    pub nodes: BTreeMap<String, NodeReport>,
}

impl Roster {
    /// How many nodes run each version.
    pub fn nodes_by_version(&self) -> BTreeMap<i64, usize> {
        let mut counts = BTreeMap::new();
        for report in self.nodes.values() {
            *counts.entry(report.version).or_insert(0) += 1;
        }
        counts
    }
}

/// The clock, in milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A reason short enough to travel.
pub(crate) fn short(reason: impl std::fmt::Display) -> String {
    reason.to_string().chars().take(REASON_LEN_MAX).collect()
}
