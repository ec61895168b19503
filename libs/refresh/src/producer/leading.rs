//! What the elected producer knows: the version all nodes run, the one that is on trial, and those before.

use super::canary::{Advice, Live, Trial};
use super::kept::Kept;
use super::{CanaryPlan, ProducerStatus};
use crate::blobs::{BEAT, BlobError, Blobs};
use crate::consumer::from_snapshot;
use crate::content::{
    BadBlob, Counts, DeltaHead, FORMAT, apply, check_counts, diff, encode, encode_delta, from_json,
    part_count,
};
use crate::digest::Digest;
use crate::election::{Claim, Orders};
use crate::rules::{Rules, Step};
use crate::snapshot::{VERSION_NONE, Versioned};
use crate::source::Rows;
use crate::table::DataSet;
use crate::wire::{
    Announcement, Beat, CanaryStage, DELTAS_MAX, DeltaRef, HISTORY_MAX, HeldBack, NodeReport, Target, now_ms,
    short,
};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// One version, with all that the next is compared with.
pub(super) struct Edition<D> {
    pub target: Target,
    rows: Arc<Rows>,
    set: D,
    counts: Counts,
    parts: usize,
}

/// A version as blobs, judged and not announced yet.
struct Prepared<D> {
    edition: Edition<D>,
    blobs: Vec<(Digest, Bytes)>,
    delta: Option<(DeltaRef, Bytes)>,
}

/// The state of the producer of one epoch.
pub(super) struct Leading<D> {
    pub epoch: i64,
    pub seq: u64,
    pub kept: Kept,
    pub stable: Option<Edition<D>>,
    /// What the source says, while it is not what all nodes run.
    newest: Option<(Edition<D>, Trial)>,
    pub held_back: Option<HeldBack>,
    pub pinned: Option<i64>,
    approved: Option<i64>,
    deltas: Vec<DeltaRef>,
    history: Vec<Target>,
    /// The version last taken from the source.
    pub known_version: i64,
    pub stable_as_of_ms: u64,
    pub newest_as_of_ms: u64,
    /// The announcement that consumers can hear now.
    pub announced: Option<Digest>,
    pub said: Option<Beat>,
}

impl<D: DataSet> Leading<D> {
    /// Goes on where the producer before was: with what it announced, as far as the cache still has it. What the
    /// source says is loaded in any case, so that rows written in another form by another program are seen.
    pub async fn take_over(blobs: &Blobs, claim: &Claim) -> Result<Leading<D>, BlobError> {
        let mut leading = Leading {
            epoch: claim.epoch,
            seq: 0,
            kept: Kept::default(),
            stable: None,
            newest: None,
            held_back: None,
            pinned: None,
            approved: claim.orders.approved,
            deltas: Vec::new(),
            history: Vec::new(),
            known_version: VERSION_NONE,
            stable_as_of_ms: 0,
            newest_as_of_ms: 0,
            announced: None,
            said: None,
        };
        let beat = match blobs.get_named::<Beat>(BEAT).await {
            Ok(Some(beat)) => beat,
            Ok(None) | Err(BlobError::Bad(_)) => return Ok(leading),
            Err(error) => return Err(error),
        };
        match leading.inherit(blobs, &beat).await {
            Ok(()) => Ok(leading),
            Err(BlobError::Cache(error)) => Err(BlobError::Cache(error)),
            Err(error) => {
                tracing::warn!(set = %blobs.set_name(), %error, "what was announced is not whole; beginning anew");
                Ok(leading)
            }
        }
    }

    async fn inherit(&mut self, blobs: &Blobs, beat: &Beat) -> Result<(), BlobError> {
        let announcement: Announcement = from_json(&blobs.get(beat.announcement).await?)?;
        if announcement.format != FORMAT {
            return Err(BlobError::Bad(BadBlob::Format(announcement.format)));
        }
        self.kept.take_over(blobs, announcement.stable.manifest).await?;
        for former in announcement.history {
            if self.kept.take_over(blobs, former.manifest).await.is_ok() {
                self.history.push(former);
            }
        }
        for delta in announcement.deltas {
            if self.kept.take_over_blob(blobs, delta.blob).await.is_ok() {
                self.deltas.push(delta);
            }
        }
        let (manifest, parts) = self.kept.snapshot(announcement.stable.manifest)?;
        let (mut set, counts) = from_snapshot::<D>(&manifest, &parts)?;
        set.finish().map_err(|reason| BlobError::Bad(BadBlob::Row(reason)))?;
        let (rows, parts) = self.kept.rows(announcement.stable.manifest)?;
        let rows = Arc::new(rows);
        self.stable = Some(Edition { target: announcement.stable, rows, set, counts, parts });
        self.pinned = announcement.pinned;
        self.stable_as_of_ms = beat.stable_as_of_ms;
        Ok(())
    }

    /// Does what people ask for.
    ///
    /// # Errors
    /// Why it cannot be done, in words; everything stays as it is.
    pub async fn obey(&mut self, orders: Orders) -> Result<(), String> {
        if orders.approved != self.approved {
            self.approved = orders.approved;
            if self.held_back.as_ref().map(|held| held.version) == orders.approved {
                self.known_version = VERSION_NONE; // Look at it again.
            }
        }
        if orders.pinned == self.pinned {
            return Ok(());
        }
        match orders.pinned {
            None => {
                self.pinned = None;
                self.known_version = VERSION_NONE;
                Ok(())
            }
            Some(version) => self.pin(version).await,
        }
    }

    async fn pin(&mut self, version: i64) -> Result<(), String> {
        let not_kept = || format!("version {version} is not kept any more, so it cannot be pinned");
        if self.stable.as_ref().map(|stable| stable.target.version) != Some(version) {
            let former = self.history.iter().find(|former| former.version == version);
            let newest = self.newest.as_ref().map(|(newest, _)| &newest.target);
            let newest = newest.filter(|newest| newest.version == version);
            let manifest = former.or(newest).ok_or_else(not_kept)?.manifest;
            let (rows, _) = self.kept.rows(manifest).map_err(|error| error.to_string())?;
            let prepared = self.prepare(Versioned { version, value: rows }, Rules::none(), true).await?;
            if let Some(prepared) = prepared {
                let edition = self.shelve(prepared);
                self.promote(edition);
            }
        }
        if let Some(stable) = &mut self.stable {
            (stable.target.version, stable.target.approved) = (version, true);
        }
        self.pinned = Some(version);
        (self.newest, self.held_back) = (None, None);
        Ok(())
    }

    /// Takes what the source says now; `as_of_ms` is when it was asked.
    pub async fn consider(&mut self, loaded: Versioned<Rows>, rules: &Rules<D>, as_of_ms: u64) {
        let version = loaded.version;
        let approved = self.approved == Some(version);
        self.known_version = version;
        match self.prepare(loaded, rules.clone(), approved).await {
            Err(reason) => {
                tracing::warn!(version, reason, "a version is held back by the producer");
                (self.newest, self.held_back) = (None, Some(HeldBack { version, reason: short(reason) }));
            }
            Ok(None) => {
                if let Some(stable) = &mut self.stable {
                    stable.target.version = version;
                }
                (self.newest, self.held_back) = (None, None);
            }
            Ok(Some(prepared)) => {
                let trial = match self.newest.take() {
                    // The same content under a new number: whoever tries it goes on.
                    Some((known, trial)) if known.target.manifest == prepared.edition.target.manifest => {
                        trial
                    }
                    _ => Trial::default(),
                };
                let edition = self.shelve(prepared);
                (self.newest, self.held_back) = (Some((edition, trial)), None);
            }
        }
        self.confirm(as_of_ms);
    }

    /// The source had nothing newer at `as_of_ms`.
    pub fn confirm(&mut self, as_of_ms: u64) {
        self.newest_as_of_ms = as_of_ms;
        if self.newest.is_none() && self.held_back.is_none() && self.pinned.is_none() {
            self.stable_as_of_ms = as_of_ms;
        }
    }

    /// Makes blobs of a version and judges it, on a thread that may block; `None` where its rows are the stable ones.
    async fn prepare(
        &self,
        loaded: Versioned<Rows>,
        rules: Rules<D>,
        approved: bool,
    ) -> Result<Option<Prepared<D>>, String> {
        let before = self.stable.as_ref().map(|stable| Before {
            rows: Arc::clone(&stable.rows),
            set: stable.set.clone(),
            counts: stable.counts.clone(),
            parts: stable.parts,
            manifest: stable.target.manifest,
        });
        let work = move || prepare(before, loaded, &rules, approved);
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(error.to_string()))
    }

    fn shelve(&mut self, prepared: Prepared<D>) -> Edition<D> {
        self.kept.add(prepared.blobs);
        if let Some((delta, blob)) = prepared.delta {
            self.kept.add([(delta.blob, blob)]);
            self.deltas.push(delta);
            let surplus = self.deltas.len().saturating_sub(DELTAS_MAX);
            self.deltas.drain(..surplus);
        }
        prepared.edition
    }

    fn promote(&mut self, edition: Edition<D>) {
        let version = edition.target.version;
        if let Some(former) = self.stable.replace(edition) {
            self.history.push(former.target);
        }
        self.history.retain(|former| former.version != version);
        self.history.sort_by_key(|former| former.version);
        self.history.dedup_by_key(|former| former.version);
        let surplus = self.history.len().saturating_sub(HISTORY_MAX);
        self.history.drain(..surplus);
    }

    /// Moves the version on trial, if there is one, a step on.
    pub fn advance(&mut self, plan: Option<CanaryPlan>, live: &Live<'_>, now: Instant) {
        let Some((edition, trial)) = &mut self.newest else { return };
        let advice = match (plan, &self.stable) {
            // The first version of all has nothing behind it that could be kept.
            (None, _) | (_, None) => Advice::Promote,
            (Some(plan), Some(_)) => {
                trial.advance(&edition.target, live, (plan.share_percent, plan.soak), now)
            }
        };
        match advice {
            Advice::Wait => {}
            Advice::HoldBack(reason) => {
                let version = edition.target.version;
                tracing::warn!(version, reason, "a version is held back by the nodes that tried it");
                (self.newest, self.held_back) = (None, Some(HeldBack { version, reason: short(reason) }));
            }
            Advice::Promote => {
                if let Some((edition, _)) = self.newest.take() {
                    tracing::info!(version = edition.target.version, "a version goes to all nodes");
                    self.promote(edition);
                    self.stable_as_of_ms = self.newest_as_of_ms;
                }
            }
        }
    }

    pub fn canary(&self) -> Option<CanaryStage> {
        let (edition, trial) = self.newest.as_ref()?;
        Some(CanaryStage { target: edition.target, nodes: trial.nodes.clone() })
    }

    /// What all nodes should run, as it is announced; `None` before the first version.
    pub fn announcement(&self) -> Option<Announcement> {
        Some(Announcement {
            format: FORMAT,
            stable: self.stable.as_ref()?.target,
            canary: self.canary(),
            held_back: self.held_back.clone(),
            pinned: self.pinned,
            deltas: self.deltas.clone(),
            history: self.history.clone(),
        })
    }

    /// Forgets blobs that nothing announced needs.
    pub fn tidy_up(&mut self, announcement: Digest) {
        let versions = self.stable.iter().map(|stable| &stable.target);
        let versions =
            versions.chain(self.newest.iter().map(|(newest, _)| &newest.target)).chain(&self.history);
        let manifests: Vec<Digest> = versions.map(|target| target.manifest).collect();
        self.kept.keep_only(&manifests, self.deltas.iter().map(|delta| delta.blob).chain([announcement]));
    }

    pub fn history(&self) -> &[Target] {
        &self.history
    }

    pub fn fill_status(&self, status: &mut ProducerStatus) {
        status.epoch = Some(self.epoch);
        status.stable = self.stable.as_ref().map(|stable| stable.target);
        status.canary = self.canary();
        status.held_back = self.held_back.clone();
        status.pinned = self.pinned;
    }
}

/// Nodes that were heard within `silent_after`.
pub(super) fn live(
    heard: &BTreeMap<String, (Instant, NodeReport)>,
    silent_after: Duration,
    now: Instant,
) -> Live<'_> {
    let is_live = |at: &Instant| now.duration_since(*at) < silent_after;
    heard
        .iter()
        .filter(|(_, (at, _))| is_live(at))
        .map(|(node, (_, report))| (node.as_str(), report))
        .collect()
}

/// The stable version, as the next is compared with it.
struct Before<D> {
    rows: Arc<Rows>,
    set: D,
    counts: Counts,
    parts: usize,
    manifest: Digest,
}

fn prepare<D: DataSet>(
    before: Option<Before<D>>,
    loaded: Versioned<Rows>,
    rules: &Rules<D>,
    approved: bool,
) -> Result<Option<Prepared<D>>, String> {
    let Versioned { version, value: rows } = loaded;
    let is_first = before.is_none();
    let before = before.unwrap_or_else(|| Before {
        rows: Arc::default(),
        set: D::default(),
        counts: Counts::new(),
        parts: 0,
        manifest: Digest::of(b""),
    });
    let counts = rows.counts();
    let (lines, changed) = diff(&before.rows, &rows);
    if !is_first && changed.is_empty() && counts == before.counts {
        return Ok(None);
    }
    let bad = |bad: BadBlob| bad.to_string();
    let mut set = before.set.clone();
    apply(&mut set, &lines).map_err(bad)?;
    check_counts(&mut set, &counts).map_err(bad)?;
    let step = Step {
        before: &before.set,
        rows_before: &before.counts,
        rows_after: &counts,
        changed: Some(&changed),
        approved,
    };
    let set = rules.admit(&step, set)?;
    let known_parts = (!is_first).then_some(before.parts);
    let encoded = encode(&rows, part_count(rows.bytes(), known_parts)).map_err(bad)?;
    let (from, to) = (before.manifest, encoded.manifest);
    let head = DeltaHead { format: FORMAT, from, to, tables: counts.clone() };
    let delta = if is_first { None } else { encode_delta(&head, &lines).map_err(bad)? };
    let delta = delta.map(|(blob, bytes)| (DeltaRef { from, to, blob }, bytes));
    let target = Target { version, manifest: to, approved, published_at_ms: now_ms() };
    let edition = Edition { target, rows: Arc::new(rows), set, counts, parts: encoded.parts };
    Ok(Some(Prepared { edition, blobs: encoded.blobs, delta }))
}
