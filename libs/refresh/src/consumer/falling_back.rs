//! A node that asks the source itself while nothing can be heard. Only where its owner wants that.

use super::Origin;
use super::hearing::{Haste, Work, jittered};
use super::moving::from_snapshot;
use crate::content::{encode, part_count};
use crate::rules::Step;
use crate::snapshot::{VERSION_NONE, Versioned};
use crate::source::{Rows, SnapshotSource};
use crate::table::DataSet;
use crate::wire::now_ms;
use crate::{Digest, content::Counts};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The longest one load may take.
const LOAD_TIMEOUT: Duration = Duration::from_secs(5);

/// How soon a node that has nothing to serve asks.
const FIRST_AFTER: Duration = Duration::from_millis(250);

/// A source to fall back to, and when.
pub(super) struct Fallback {
    source: Arc<dyn SnapshotSource<Rows>>,
    every: Duration,
    next_at: Instant,
}

impl Fallback {
    pub fn new(source: Arc<dyn SnapshotSource<Rows>>, every: Duration) -> Fallback {
        Fallback { source, every, next_at: Instant::now() + jittered(every.min(FIRST_AFTER)) }
    }

    fn is_due(&self, haste: Haste) -> bool {
        haste == Haste::SomebodyWaits || self.next_at <= Instant::now()
    }

    pub fn heard_something(&mut self) {
        self.next_at = Instant::now() + jittered(self.every);
    }
}

impl<D: DataSet> Work<D> {
    /// Asks the source, if nothing was heard for long enough, or somebody waits for the answer; and nobody has decided
    /// against its newest version.
    pub async fn fall_back(&mut self, haste: Haste) {
        let is_decided = self.announced().is_some_and(|announced| {
            announced.pinned.is_some() || announced.held_back.is_some() || announced.canary.is_some()
        });
        let Some(fallback) = self.fallback.as_mut().filter(|fallback| fallback.is_due(haste)) else {
            return;
        };
        fallback.heard_something(); // The next is as far away, whatever becomes of this one.
        if is_decided {
            return;
        }
        let (source, as_of_ms) = (Arc::clone(&fallback.source), now_ms());
        let known = if self.running.manifest.is_some() { self.running.view.version } else { VERSION_NONE };
        let set = self.blobs.set_name().to_string();
        match tokio::time::timeout(LOAD_TIMEOUT, source.load(known)).await {
            Ok(Ok(None)) => {
                if self.running.manifest.is_some() {
                    self.status.send_modify(|status| status.as_of_ms = Some(as_of_ms));
                }
            }
            Ok(Ok(Some(loaded))) => {
                metrics::counter!("largesse_refresh_fallbacks_total", "set" => set.clone()).increment(1);
                match self.build_from(loaded).await {
                    Ok((built, rows, version, manifest)) => {
                        tracing::warn!(
                            set,
                            version,
                            "nothing can be heard; this node has read the source itself"
                        );
                        self.serve(built, rows, (version, manifest), Origin::Source);
                        self.status.send_modify(|status| status.as_of_ms = Some(as_of_ms));
                    }
                    Err(reason) => tracing::warn!(set, reason, "what the source says was refused"),
                }
            }
            Ok(Err(error)) => tracing::warn!(set, %error, "neither the producer nor the source can be heard"),
            Err(_) => tracing::warn!(set, "neither the producer nor the source answers"),
        }
    }

    async fn build_from(&self, loaded: Versioned<Rows>) -> Result<(D, Counts, i64, Digest), String> {
        let (running, rules) = (self.running.clone(), self.rules.clone());
        let build = move || {
            let Versioned { version, value: rows } = loaded;
            let encoded = encode(&rows, part_count(rows.bytes(), None)).map_err(|bad| bad.to_string())?;
            let mut blobs: Vec<_> = encoded.blobs.into_iter().map(|(_, blob)| blob).collect();
            let manifest = blobs.pop().unwrap_or_default();
            let (set, rows) = from_snapshot::<D>(&manifest, &blobs).map_err(|bad| bad.to_string())?;
            let before = &running.view.value;
            let (rows_before, rows_after) = (&running.rows, &rows);
            let step = Step { before, rows_before, rows_after, changed: None, approved: false };
            let set = rules.admit(&step, set)?;
            Ok((set, rows, version, encoded.manifest))
        };
        tokio::task::spawn_blocking(build).await.unwrap_or_else(|error| Err(error.to_string()))
    }
}
