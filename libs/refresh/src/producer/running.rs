//! The task of a producer: it claims, looks, listens to the nodes, and speaks.

use super::leading::{Leading, live};
use super::{ProducerSettings, ProducerStatus};
use crate::blobs::{BEAT, BlobError, Blobs, Call, ROSTER};
use crate::content::{BadBlob, from_json, to_json};
use crate::digest::Digest;
use crate::election::{Claim, Election};
use crate::rules::Rules;
use crate::source::{LoadError, Rows, SnapshotSource};
use crate::table::DataSet;
use crate::wire::{Beat, NodeReport, Roster, Verdict, now_ms, short};
use bytes::Bytes;
use cache::{Feed, FeedLoss};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// How often everything is put into the cache again, long before it forgets.
const PUT_AGAIN_EVERY: Duration = Duration::from_secs(10 * 60);

/// The least time between two times that everything is put again because a node lacks something.
const PUT_AGAIN_GAP: Duration = Duration::from_secs(2);

/// The least time between two rosters.
const ROSTER_GAP: Duration = Duration::from_millis(500);

/// Nodes of the largest roster; what others say is passed over.
const NODES_MAX: usize = 10_000;

/// When a producer that has given its lease back has last spoken.
const FAREWELL: u64 = 0;

/// Words taken from a feed before the next round.
const WORDS_AT_ONCE: usize = 1_024;

/// The claim, and until when it holds by this node's clock.
struct Lease {
    claim: Claim,
    renewed_at: Instant,
}

/// What a candidate that is not elected has seen of the producer.
#[derive(Default)]
struct Watch {
    seen: Option<(Beat, Instant)>,
}

/// What a round found out that ends it.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error("another producer speaks in the epoch {0}")]
    Deposed(i64),
    #[error("the cache cannot be used: {0}")]
    Blob(#[from] BlobError),
    /// The round went on without it.
    #[error("{0}")]
    Problem(String),
}

impl From<BadBlob> for RoundError {
    fn from(bad: BadBlob) -> RoundError {
        RoundError::Blob(BlobError::Bad(bad))
    }
}

pub(super) struct Work<D> {
    pub blobs: Blobs,
    pub election: Arc<dyn Election>,
    pub node: String,
    pub source: Arc<dyn SnapshotSource<Rows>>,
    pub rules: Rules<D>,
    pub settings: ProducerSettings,
    pub wake: Arc<Notify>,
    pub status: watch::Sender<ProducerStatus>,
}

/// What the producer hears, and when it last did this and that.
#[derive(Default)]
struct Ears {
    calls: Option<Feed>,
    reports: Option<Feed>,
    heard: BTreeMap<String, (Instant, NodeReport)>,
    /// Reports that woke the task.
    words: Vec<Bytes>,
    roster_at: Option<Instant>,
    put_again_at: Option<Instant>,
}

/// Why the task woke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Woken {
    Tick,
    Changed,
    Report,
    Stop,
}

impl<D: DataSet> Work<D> {
    pub async fn run(self, mut stopped: watch::Receiver<bool>) {
        let (mut lease, mut leading, mut ears) = (None::<Lease>, None::<Leading<D>>, Ears::default());
        let mut watch = Watch::default();
        let mut woken = Woken::Changed;
        let mut loaded_at = None::<Instant>;
        while woken != Woken::Stop {
            if lease.is_some() || !self.election.has_rivals() || !self.sees_a_producer(&mut watch).await {
                self.renew(&mut lease, woken == Woken::Changed).await;
            }
            let problem = match &lease {
                None => {
                    leading = None;
                    None
                }
                Some(held) => {
                    if leading.as_ref().is_some_and(|led| led.epoch != held.claim.epoch) {
                        leading = None;
                    }
                    let looks = woken != Woken::Report;
                    let done = self.round(held, &mut leading, &mut ears, looks).await;
                    if looks {
                        loaded_at = Some(Instant::now());
                    }
                    if let Err(RoundError::Deposed(_)) = &done {
                        (lease, leading) = (None, None);
                    }
                    done.err().map(short)
                }
            };
            self.tell(leading.as_ref(), problem);
            woken = self.wait(leading.as_ref(), &mut ears, loaded_at, &mut stopped).await;
        }
        if lease.is_some() {
            self.leave(leading.and_then(|led| led.said)).await;
        }
    }

    /// Gives the lease back, and says so where the other candidates look.
    async fn leave(&self, said: Option<Beat>) {
        if let Err(error) = self.election.release(self.blobs.set_name()).await {
            tracing::debug!(set = %self.blobs.set_name(), %error, "the lease ends by itself");
        }
        if let Some(last) = said {
            let farewell = Beat { at_ms: FAREWELL, ..last };
            let _ = self.blobs.put_named(BEAT, &farewell).await; // Without it, they wait for the lease's end.
        }
    }

    /// Whether some producer has spoken within a lease. Candidates look into the cache, so that they cost the
    /// database nothing; only silence makes them ask for the lease.
    async fn sees_a_producer(&self, watch: &mut Watch) -> bool {
        let Ok(Some(beat)) = self.blobs.get_named::<Beat>(BEAT).await else { return false };
        if beat.node == self.node {
            return false; // Ours, from before a restart.
        }
        let (lease, speaks) = (self.settings.lease, beat.at_ms != FAREWELL);
        let age = Duration::from_millis(now_ms().saturating_sub(beat.at_ms));
        let is_recent = match &watch.seen {
            Some((seen, at)) if *seen == beat => return speaks && at.elapsed() < lease,
            Some(_) => true,
            None => age < lease,
        };
        watch.seen = Some((beat, Instant::now()));
        speaks && is_recent
    }

    /// Claims, or renews when a third of the lease is over, or at once when somebody may have asked for something.
    async fn renew(&self, lease: &mut Option<Lease>, at_once: bool) {
        let due = lease.as_ref().is_none_or(|held| held.renewed_at.elapsed() >= self.settings.lease / 3);
        if !due && !at_once {
            return;
        }
        let asked_at = Instant::now();
        let claiming = self.election.claim(self.blobs.set_name(), self.settings.lease);
        match tokio::time::timeout(self.settings.load_timeout, claiming).await {
            Ok(Ok(Some(claim))) => *lease = Some(Lease { claim, renewed_at: asked_at }),
            Ok(Ok(None)) => *lease = None,
            Ok(Err(error)) => {
                tracing::debug!(set = %self.blobs.set_name(), %error, "the lease was not renewed");
                lease.take_if(|held| !self.holds(held));
            }
            Err(_) => {
                lease.take_if(|held| !self.holds(held));
            }
        }
    }

    /// Whether nobody else can have the lease yet, by this node's clock and with a tenth to spare.
    fn holds(&self, lease: &Lease) -> bool {
        lease.renewed_at.elapsed() < self.settings.lease.mul_f64(0.9)
    }

    async fn round(
        &self,
        lease: &Lease,
        leading: &mut Option<Leading<D>>,
        ears: &mut Ears,
        looks: bool,
    ) -> Result<(), RoundError> {
        if leading.is_none() {
            let taken = Leading::take_over(&self.blobs, &lease.claim).await?;
            let (set, epoch) = (self.blobs.set_name(), lease.claim.epoch);
            tracing::info!(%set, node = self.node, epoch, "this node publishes the set");
            *leading = Some(taken);
        }
        let Some(led) = leading else { return Ok(()) };
        let mut problem = led.obey(lease.claim.orders).await.err();
        if looks && led.pinned.is_none() {
            if let Err(error) = self.look(led).await {
                problem = Some(error.to_string());
            }
            if !self.holds(lease) {
                return Ok(()); // The load took long: ask for the lease before the next word.
            }
        }
        let now = Instant::now();
        self.listen(ears, led).await;
        led.advance(self.settings.canary, &live(&ears.heard, self.settings.silent_after, now), now);
        self.speak(led, ears).await?;
        self.show_roster(led, ears).await;
        match problem {
            None => Ok(()),
            Some(reason) => Err(RoundError::Problem(reason)),
        }
    }

    /// Asks the source once.
    async fn look(&self, leading: &mut Leading<D>) -> Result<(), LoadError> {
        let as_of_ms = now_ms();
        let loading = self.source.load(leading.known_version);
        let loaded = match tokio::time::timeout(self.settings.load_timeout, loading).await {
            Ok(loaded) => loaded,
            Err(_) => Err(LoadError::new(format!("no answer within {:?}", self.settings.load_timeout))),
        };
        let set = self.blobs.set_name().to_string();
        match loaded {
            Ok(None) => leading.confirm(as_of_ms),
            Ok(Some(loaded)) => {
                metrics::counter!("largesse_refresh_loads_total", "set" => set).increment(1);
                self.status.send_modify(|status| status.loads += 1);
                leading.consider(loaded, &self.rules, as_of_ms).await;
            }
            Err(error) => {
                tracing::warn!(set, %error, "the source was not read; the known version stays");
                return Err(error);
            }
        }
        Ok(())
    }

    /// Takes in what the nodes have said since the last round.
    async fn listen(&self, ears: &mut Ears, leading: &mut Leading<D>) {
        let now = Instant::now();
        if ears.reports.is_none() {
            ears.reports = self.blobs.reports().await.ok();
        }
        let mut words = std::mem::take(&mut ears.words);
        while words.len() < WORDS_AT_ONCE {
            match ears.reports.as_mut().map_or(Ok(None), Feed::try_recv) {
                Ok(Some(event)) => words.push(event.payload),
                Ok(None) => break,
                Err(FeedLoss::Behind(_)) => {} // Every node says it again.
                Err(FeedLoss::Ended) => ears.reports = None,
            }
        }
        let mut lacks_something = false;
        for report in words.iter().filter_map(|word| from_json::<NodeReport>(word).ok()) {
            lacks_something |= matches!(report.verdict, Verdict::Lacking { .. });
            if ears.heard.len() < NODES_MAX || ears.heard.contains_key(&report.node) {
                ears.heard.insert(report.node.clone(), (now, report));
            }
        }
        let silent_after = self.settings.silent_after;
        ears.heard.retain(|_, (at, _)| now.duration_since(*at) < silent_after);
        let since = ears.put_again_at.map(|at| at.elapsed());
        let is_due = since.is_none_or(|since| since >= PUT_AGAIN_EVERY);
        let may = since.is_none_or(|since| since >= PUT_AGAIN_GAP);
        if is_due || (lacks_something && may) {
            ears.put_again_at = Some(now);
            leading.kept.distrust_cache();
        }
    }

    /// Says what all nodes should run, and of when that is. Blobs come first: a word that is heard can be followed.
    async fn speak(&self, leading: &mut Leading<D>, ears: &mut Ears) -> Result<(), RoundError> {
        let Some(announcement) = leading.announcement() else { return Ok(()) };
        let text = to_json(&announcement)?;
        let digest = Digest::of(&text);
        let there = match self.blobs.get_named::<Beat>(BEAT).await {
            Err(BlobError::Bad(_)) => None,
            other => other?,
        };
        if let Some(other) = there.as_ref().filter(|other| other.epoch > leading.epoch) {
            return Err(RoundError::Deposed(other.epoch));
        }
        if leading.said.is_some() && leading.said.as_ref().map(Beat::order) != there.as_ref().map(Beat::order)
        {
            leading.kept.distrust_cache(); // It lost our word, so it may have lost anything.
        }
        leading.kept.add([(digest, text)]);
        leading.tidy_up(digest);
        leading.kept.put(&self.blobs).await?;
        let is_new = leading.announced != Some(digest);
        let beat = Beat {
            node: self.node.clone(),
            epoch: leading.epoch,
            seq: if is_new { leading.seq + 1 } else { leading.seq },
            announcement: digest,
            at_ms: now_ms(),
            stable_as_of_ms: leading.stable_as_of_ms,
            canary_as_of_ms: leading.newest_as_of_ms,
        };
        self.blobs.put_named(BEAT, &beat).await?;
        (leading.seq, leading.said, leading.announced) = (beat.seq, Some(beat), Some(digest));
        if is_new {
            ears.roster_at = None;
            let set = self.blobs.set_name().to_string();
            metrics::counter!("largesse_refresh_announcements_total", "set" => set).increment(1);
            if let Err(error) = self.blobs.call(Call::Announced).await {
                tracing::debug!(set = %self.blobs.set_name(), %error, "the nodes will see it at their next look");
            }
        }
        Ok(())
    }

    /// Lets everybody see who runs what.
    async fn show_roster(&self, leading: &Leading<D>, ears: &mut Ears) {
        if ears.roster_at.is_some_and(|at| at.elapsed() < ROSTER_GAP) {
            return;
        }
        let mut status = ProducerStatus::default();
        leading.fill_status(&mut status);
        let roster = Roster {
            at_ms: now_ms(),
            producer: self.node.clone(),
            epoch: leading.epoch,
            stable: status.stable,
            canary: status.canary,
            held_back: status.held_back,
            pinned: status.pinned,
            history: leading.history().to_vec(),
            nodes: ears.heard.iter().map(|(node, (_, report))| (node.clone(), report.clone())).collect(),
        };
        if self.blobs.put_named(ROSTER, &roster).await.is_ok() {
            ears.roster_at = Some(Instant::now());
        }
    }

    fn tell(&self, leading: Option<&Leading<D>>, problem: Option<String>) {
        self.status.send_if_modified(|status| {
            let mut next = ProducerStatus { loads: status.loads, problem, ..ProducerStatus::default() };
            if let Some(leading) = leading {
                leading.fill_status(&mut next);
            }
            let is_new = next != *status;
            *status = next;
            is_new
        });
    }

    /// Waits for the next reason to act.
    async fn wait(
        &self,
        leading: Option<&Leading<D>>,
        ears: &mut Ears,
        loaded_at: Option<Instant>,
        stopped: &mut watch::Receiver<bool>,
    ) -> Woken {
        if ears.calls.is_none() && leading.is_some() {
            ears.calls = self.blobs.calls().await.ok();
        }
        let pause = if leading.is_some() { self.settings.look_every } else { self.settings.lease / 3 };
        // Reports move a version on trial; else they are read with the next look.
        let is_trying = leading.is_some_and(|leading| leading.canary().is_some());
        let woken = tokio::select! {
            _ = stopped.changed() => return Woken::Stop,
            () = tokio::time::sleep(pause) => Woken::Tick,
            () = self.wake.notified() => Woken::Changed,
            () = changed(&mut ears.calls) => Woken::Changed,
            word = next_word(&mut ears.reports), if is_trying => {
                ears.words.extend(word);
                Woken::Report
            }
        };
        if let (Woken::Changed, Some(at)) = (woken, loaded_at) {
            tokio::select! {
                _ = stopped.changed() => return Woken::Stop,
                () = tokio::time::sleep_until(at + self.settings.load_gap) => {}
            }
            // One look answers everybody who has called by now.
            while let Some(Ok(Some(_))) = ears.calls.as_mut().map(Feed::try_recv) {}
        }
        woken
    }
}

/// Returns when somebody says that the source has changed; never, where there is no feed.
async fn changed(calls: &mut Option<Feed>) {
    loop {
        let Some(feed) = calls else { return std::future::pending().await };
        match feed.recv().await {
            Ok(event) if Call::read(&event.payload) == Some(Call::Changed) => return,
            Ok(_) => {}
            Err(FeedLoss::Behind(_)) => return,
            Err(FeedLoss::Ended) => *calls = None,
        }
    }
}

/// The next report, or `None` where some were lost; never, where there is no feed.
async fn next_word(reports: &mut Option<Feed>) -> Option<Bytes> {
    let Some(feed) = reports else { return std::future::pending().await };
    match feed.recv().await {
        Ok(event) => Some(event.payload),
        Err(FeedLoss::Behind(_)) => None,
        Err(FeedLoss::Ended) => {
            *reports = None;
            None
        }
    }
}
