//! Which nodes try a version first, and when the others follow. Pure.

use crate::digest::Digest;
use crate::wire::{NodeReport, Target, Verdict};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// The nodes that try a version now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Trial {
    pub nodes: Vec<String>,
    /// Since when all of them have run it.
    pub acknowledged_since: Option<Instant>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Advice {
    Wait,
    Promote,
    HoldBack(String),
}

/// Live nodes by name.
pub(super) type Live<'a> = BTreeMap<&'a str, &'a NodeReport>;

impl Trial {
    /// Looks at what the nodes have said, replaces those that are gone, and says how to go on.
    ///
    /// Where no node is heard, nobody can try, and nobody follows.
    pub fn advance(
        &mut self,
        target: &Target,
        live: &Live<'_>,
        (share_percent, soak): (u32, Duration),
        now: Instant,
    ) -> Advice {
        if let Some(refusal) = self.refusal(target, live) {
            return Advice::HoldBack(refusal);
        }
        self.fill(target.manifest, live, share_percent);
        let runs_it = |node: &String| {
            let report = live.get(node.as_str());
            report.is_some_and(|r| r.manifest == Some(target.manifest) && r.verdict == Verdict::Acknowledged)
        };
        if self.nodes.is_empty() || !self.nodes.iter().all(runs_it) {
            self.acknowledged_since = None;
            return Advice::Wait;
        }
        let since = *self.acknowledged_since.get_or_insert(now);
        if now.duration_since(since) >= soak { Advice::Promote } else { Advice::Wait }
    }

    fn refusal(&self, target: &Target, live: &Live<'_>) -> Option<String> {
        let told = self.nodes.iter().filter_map(|node| Some((node, &live.get(node.as_str())?.verdict)));
        told.into_iter().find_map(|(node, verdict)| match verdict {
            Verdict::Refused { manifest, reason, .. } if *manifest == target.manifest => {
                Some(format!("the node {node} refused it: {reason}"))
            }
            Verdict::Refused { .. }
            | Verdict::Acknowledged
            | Verdict::Lacking { .. }
            | Verdict::Unannounced => None,
        })
    }

    /// Keeps the share full: by an order that differs with each version, so that it is not always the same nodes.
    fn fill(&mut self, manifest: Digest, live: &Live<'_>, share_percent: u32) {
        let share = usize::try_from(share_percent).unwrap_or(usize::MAX);
        let wanted = live.len().saturating_mul(share).div_ceil(100).min(live.len());
        self.nodes.retain(|node| live.contains_key(node.as_str()));
        if self.nodes.len() >= wanted {
            return;
        }
        let mut others: Vec<(Digest, &str)> = live
            .keys()
            .filter(|node| !self.nodes.iter().any(|chosen| chosen == *node))
            .map(|node| (Digest::of(format!("{manifest} {node}").as_bytes()), *node))
            .collect();
        others.sort_unstable();
        let missing = wanted - self.nodes.len();
        self.nodes.extend(others.into_iter().take(missing).map(|(_, node)| node.to_owned()));
        self.nodes.sort_unstable();
    }
}
