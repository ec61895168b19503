//! The task of a consumer: it hears what is announced, moves, reports, and keeps.

use super::falling_back::Fallback;
use super::keeping::Keeping;
use super::moving::{Move, Moved, NotMoved, Running, after_deltas, from_snapshot};
use super::{ConsumerSettings, ConsumerStatus, Origin};
use crate::blobs::{BEAT, BlobError, Blobs, Call};
use crate::content::{BadBlob, Counts, FORMAT, from_json, to_json};
use crate::digest::Digest;
use crate::disk::Copy;
use crate::rules::Rules;
use crate::snapshot::{Snapshot, Versioned};
use crate::source::{Rows, SnapshotSource};
use crate::table::DataSet;
use crate::wire::{Announcement, Beat, NodeReport, Target, Verdict, now_ms, short};
use cache::{Feed, FeedLoss};
use rand::Rng;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// After how long without a newer word an older one is believed: then a history has begun anew, as after the loss of
/// the database. A deposed producer falls silent long before.
const OLDER_BELIEVED_AFTER: Duration = Duration::from_secs(60);

/// The last word that was believed.
struct Heard {
    order: (i64, u64),
    at: Instant,
    /// Unknown after a start from disk.
    announcement: Option<(Digest, Arc<Announcement>)>,
}

pub(super) struct Work<D> {
    pub blobs: Blobs,
    node: String,
    pub rules: Rules<D>,
    pub fallback: Option<Fallback>,
    settings: ConsumerSettings,
    snapshot: Snapshot<D>,
    pub status: watch::Sender<ConsumerStatus>,
    keeping: Keeping,
    pub running: Running<D>,
    heard: Option<Heard>,
    /// What was refused, until something else is announced.
    refused: Option<(Target, String)>,
    reported: Option<(Instant, i64, Verdict)>,
    calls: Option<Feed>,
}

/// Why the node looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Haste {
    None,
    SomebodyWaits,
}

/// What a consumer is told once.
pub(super) struct Place<D> {
    pub blobs: Blobs,
    pub node: String,
    pub rules: Rules<D>,
    pub fallback: Option<Arc<dyn SnapshotSource<Rows>>>,
    pub settings: ConsumerSettings,
}

impl<D: DataSet> Work<D> {
    pub fn new(
        place: Place<D>,
        snapshot: Snapshot<D>,
        status: watch::Sender<ConsumerStatus>,
        keeping: Keeping,
    ) -> Work<D> {
        let Place { blobs, node, rules, fallback, settings } = place;
        let running = Running { manifest: None, rows: Counts::new(), view: snapshot.get() };
        Work {
            blobs,
            node,
            rules,
            fallback: fallback.map(|source| Fallback::new(source, settings.fallback_every)),
            settings,
            snapshot,
            status,
            keeping,
            running,
            heard: None,
            refused: None,
            reported: None,
            calls: None,
        }
    }

    /// Serves what the disk has. Its age is told, and grows until something newer is heard.
    pub async fn begin_with(&mut self, copy: Copy) {
        let held = copy.held.clone();
        let build = move || -> Result<(D, Counts), BadBlob> {
            let manifest = to_json(&copy.manifest)?;
            let (set, rows) = from_snapshot::<D>(&manifest, &copy.parts)?;
            if copy.deltas.is_empty() {
                return Ok((set, rows));
            }
            let (set, rows, _) = after_deltas(set, copy.held.base, &copy.deltas, copy.held.manifest)?;
            Ok((set, rows))
        };
        let finish = move || {
            let (mut set, rows) = build().map_err(|bad| bad.to_string())?;
            set.finish()?;
            Ok::<_, String>((set, rows))
        };
        let built = tokio::task::spawn_blocking(finish).await;
        match built.unwrap_or_else(|error| Err(error.to_string())) {
            Ok((set, rows)) => {
                self.heard =
                    Some(Heard { order: (held.epoch, held.seq), at: Instant::now(), announcement: None });
                self.serve(set, rows, (held.version, held.manifest), Origin::Disk);
                self.status.send_modify(|status| status.as_of_ms = Some(held.as_of_ms));
            }
            Err(reason) => {
                tracing::warn!(set = %self.blobs.set_name(), reason, "starting without the copy on disk");
                self.status.send_modify(|status| status.disk_problem = Some(short(&reason)));
            }
        }
    }

    pub async fn run(
        mut self,
        mut waiting: mpsc::Receiver<oneshot::Sender<()>>,
        mut stopped: watch::Receiver<bool>,
    ) {
        loop {
            let mut askers = Vec::new();
            while let Ok(asker) = waiting.try_recv() {
                askers.push(asker);
            }
            if self.calls.is_none() {
                self.calls = self.blobs.calls().await.ok(); // Without it, the next look is only later.
            }
            self.look(if askers.is_empty() { Haste::None } else { Haste::SomebodyWaits }).await;
            for asker in askers {
                let _ = asker.send(()); // Who stopped waiting needs no answer.
            }
            let pause = jittered(self.settings.look_every);
            tokio::select! {
                _ = stopped.changed() => return,
                () = tokio::time::sleep(pause) => {}
                asker = waiting.recv() => match asker {
                    None => return,
                    Some(asker) => {
                        self.look(Haste::SomebodyWaits).await;
                        let _ = asker.send(());
                    }
                },
                () = called(&mut self.calls) => spread(self.settings.delta_spread).await,
            }
        }
    }

    /// Looks once: hears, moves if need be, and says what became of it.
    async fn look(&mut self, haste: Haste) {
        let set = self.blobs.set_name().to_string();
        match self.hear().await {
            Ok(Some((beat, announcement))) => {
                if let Some(fallback) = &mut self.fallback {
                    fallback.heard_something();
                }
                self.follow(&beat, &announcement).await;
            }
            Ok(None) => self.fall_back(haste).await,
            Err(error) => {
                tracing::debug!(set, %error, "what is announced cannot be heard");
                let wanted = self.status.borrow().wanted;
                if let (Some(version), Some(manifest)) = (wanted, self.running.manifest) {
                    let reason = short(&error);
                    self.say(Verdict::Lacking { version, manifest, reason });
                }
                self.fall_back(haste).await;
            }
        }
        if let Some(age) = self.status.borrow().age() {
            metrics::gauge!("largesse_refresh_age_seconds", "set" => set).set(age.as_secs_f64());
        }
        self.report().await;
    }

    /// The latest word, if it is to be believed.
    async fn hear(&mut self) -> Result<Option<(Beat, Arc<Announcement>)>, BlobError> {
        let Some(beat) = self.blobs.get_named::<Beat>(BEAT).await? else { return Ok(None) };
        let mut known = None;
        if let Some(heard) = &self.heard {
            if beat.order() < heard.order {
                if heard.at.elapsed() < OLDER_BELIEVED_AFTER {
                    return Ok(None); // From a deposed producer.
                }
                tracing::warn!(set = %self.blobs.set_name(), ?beat, "a history that begins anew is believed");
            }
            known = heard.announcement.clone().filter(|(digest, _)| *digest == beat.announcement);
        }
        let announcement = match known {
            Some((_, announcement)) => announcement,
            None => {
                let announcement: Announcement = from_json(&self.blobs.get(beat.announcement).await?)?;
                if announcement.format != FORMAT {
                    return Err(BlobError::Bad(BadBlob::Format(announcement.format)));
                }
                Arc::new(announcement)
            }
        };
        let kept = Some((beat.announcement, Arc::clone(&announcement)));
        self.heard = Some(Heard { order: beat.order(), at: Instant::now(), announcement: kept });
        Ok(Some((beat, announcement)))
    }

    /// Goes where the announcement says.
    async fn follow(&mut self, beat: &Beat, announcement: &Announcement) {
        let (target, is_first) = announcement.target_of(&self.node);
        let as_of_ms = if is_first { beat.canary_as_of_ms } else { beat.stable_as_of_ms };
        self.status.send_if_modified(|status| status.wanted.replace(target.version) != Some(target.version));
        if self.running.manifest == Some(target.manifest) {
            self.refused = None;
            if self.running.view.version != target.version {
                let (set, rows) = (self.running.view.value.clone(), self.running.rows.clone());
                self.serve(set, rows, (target.version, target.manifest), Origin::Delta);
            }
            self.status.send_modify(|status| status.as_of_ms = Some(as_of_ms));
            self.say(Verdict::Acknowledged);
            return;
        }
        if let Some((refused, reason)) = &self.refused
            && (refused.manifest, refused.approved) == (target.manifest, target.approved)
        {
            let reason = reason.clone();
            self.say(Verdict::Refused { version: target.version, manifest: target.manifest, reason });
            return;
        }
        match self.move_to(target, announcement).await {
            Ok(Moved { built, origin, brought }) => {
                self.refused = None;
                self.serve(built.set, built.rows, (target.version, target.manifest), origin);
                self.status.send_modify(|status| status.as_of_ms = Some(as_of_ms));
                self.say(Verdict::Acknowledged);
                self.report().await; // Before the disk, which may be slow.
                self.keeping.keep(&self.blobs, &target, (beat.order(), as_of_ms), brought).await;
            }
            Err(NotMoved::Refused(reason)) => {
                let reason = short(reason);
                let set = self.blobs.set_name().to_string();
                tracing::warn!(
                    set,
                    version = target.version,
                    reason,
                    "a version was refused; the known one stays"
                );
                metrics::counter!("largesse_refresh_refused_total", "set" => set).increment(1);
                self.refused = Some((target, reason.clone()));
                self.say(Verdict::Refused { version: target.version, manifest: target.manifest, reason });
            }
            Err(error @ (NotMoved::Lacking(_) | NotMoved::Astray(_))) => {
                let reason = short(&error);
                tracing::warn!(set = %self.blobs.set_name(), version = target.version, reason, "a version is not at hand");
                self.say(Verdict::Lacking { version: target.version, manifest: target.manifest, reason });
            }
        }
    }

    async fn move_to(&self, target: Target, announcement: &Announcement) -> Result<Moved<D>, NotMoved> {
        let step = || Move {
            blobs: &self.blobs,
            keeping: &self.keeping,
            rules: &self.rules,
            running: self.running.clone(),
            target,
        };
        if let Some(from) = self.running.manifest {
            if let Some(chain) = announcement.chain(from, target.manifest) {
                match step().by_deltas(&chain).await {
                    Ok(moved) => return Ok(moved),
                    Err(NotMoved::Refused(reason)) => return Err(NotMoved::Refused(reason)),
                    Err(error) => {
                        let (set, version) = (self.blobs.set_name(), target.version);
                        tracing::debug!(%set, version, ?error, "deltas do not lead there; taking the snapshot");
                    }
                }
            }
            spread(self.settings.snapshot_spread).await;
        }
        step().by_snapshot().await
    }

    /// What was announced last, if it was heard since the start.
    pub fn announced(&self) -> Option<&Announcement> {
        self.heard.as_ref().and_then(|heard| heard.announcement.as_ref()).map(|(_, known)| known.as_ref())
    }

    /// Shows a version to readers.
    pub fn serve(&mut self, set: D, rows: Counts, (version, manifest): (i64, Digest), origin: Origin) {
        let view = Arc::new(Versioned { version, value: set });
        self.running = Running { manifest: Some(manifest), rows, view: Arc::clone(&view) };
        self.snapshot.replace(view);
        self.status.send_modify(|status| {
            (status.version, status.manifest, status.origin) = (version, Some(manifest), Some(origin));
        });
        let set = self.blobs.set_name().to_string();
        tracing::debug!(set, version, origin = origin.as_str(), "a version is in use");
        metrics::counter!("largesse_refresh_swaps_total", "set" => set, "by" => origin.as_str()).increment(1);
    }

    fn say(&self, verdict: Verdict) {
        self.status.send_if_modified(|status| {
            let is_new = status.verdict != verdict;
            status.verdict = verdict;
            is_new
        });
    }

    /// Tells the producer, when there is something new or it has been silent for long.
    async fn report(&mut self) {
        let status = self.status.borrow().clone();
        let is_new = self.reported.as_ref().is_none_or(|(at, version, verdict)| {
            (*version, verdict) != (status.version, &status.verdict)
                || at.elapsed() >= self.settings.report_every
        });
        if !is_new {
            return;
        }
        let report = NodeReport {
            node: self.node.clone(),
            version: status.version,
            manifest: status.manifest,
            verdict: status.verdict.clone(),
            age_ms: status.age().map(crate::wire::millis),
            at_ms: now_ms(),
        };
        let Ok(text) = to_json(&report) else { return };
        if self.blobs.report(text).await.is_ok() {
            self.reported = Some((Instant::now(), status.version, status.verdict));
        }
    }
}

/// A quarter more or less, so that nodes that started together do not look together.
pub(super) fn jittered(every: Duration) -> Duration {
    every.mul_f64(rand::rng().random_range(0.75..1.25)).max(Duration::from_millis(1))
}

async fn spread(over: Duration) {
    let share: f64 = rand::rng().random_range(0.0..1.0);
    if !over.is_zero() {
        tokio::time::sleep(over.mul_f64(share)).await;
    }
}

/// Returns when the producer calls; never, where there is no feed.
async fn called(calls: &mut Option<Feed>) {
    loop {
        let Some(feed) = calls else { return std::future::pending().await };
        match feed.recv().await {
            Ok(event) if Call::read(&event.payload) == Some(Call::Announced) => return,
            Ok(_) => {}
            Err(FeedLoss::Behind(_)) => return,
            Err(FeedLoss::Ended) => *calls = None,
        }
    }
}
