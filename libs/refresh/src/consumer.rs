//! A node that serves a set: it looks what it should run, moves there, and says what became of it.
//!
//! Owns the pointer that readers see. It reads the cache and its own disk, never the database, so that a hundred more
//! nodes cost the database nothing. Must not decide which version is right: the producer announces, a node can only
//! refuse and keep what it has.

mod falling_back;
mod hearing;
mod keeping;
mod moving;

use crate::blobs::Blobs;
use crate::disk::DiskError;
use crate::rules::Rules;
use crate::set_name::SetName;
use crate::snapshot::{Reader, Snapshot, VERSION_NONE, Versioned};
use crate::source::{Rows, SnapshotSource};
use crate::table::DataSet;
use crate::wire::{NODE_LEN_MAX, Verdict, now_ms};
use crate::{Digest, wire};
use cache::Cache;
use hearing::{Place, Work};
use keeping::Keeping;
pub(crate) use moving::from_snapshot;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// Callers that may wait for `look_now` at once.
const WAITING_MAX: usize = 64;

/// How a node looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerSettings {
    /// How often it looks when nobody calls it; a quarter more or less by chance.
    pub look_every: Duration,
    /// Over how long the nodes spread when all are called at once.
    pub delta_spread: Duration,
    /// The same, before a whole snapshot is fetched.
    pub snapshot_spread: Duration,
    /// How often it says what it runs when nothing changes.
    pub report_every: Duration,
    /// How long nothing can be heard before a node with a fallback asks the source itself, and how often it then does;
    /// a quarter more or less by chance.
    pub fallback_every: Duration,
}

impl Default for ConsumerSettings {
    fn default() -> ConsumerSettings {
        ConsumerSettings {
            look_every: Duration::from_millis(500),
            delta_spread: Duration::from_millis(50),
            snapshot_spread: Duration::from_millis(500),
            report_every: Duration::from_secs(5),
            fallback_every: Duration::from_secs(3),
        }
    }
}

/// What a consumer is built from.
pub struct ConsumerParts<D> {
    pub set: SetName,
    /// The cache of the lane whose set this is.
    pub cache: Cache,
    /// The node's name: unique among live nodes, the same after a restart.
    pub node: String,
    /// Below which folder the copy on disk is kept; `None` keeps none.
    pub disk: Option<PathBuf>,
    pub rules: Rules<D>,
    /// Asked only while nothing can be heard, and not while a version is pinned, held back or on trial: for nodes that
    /// would rather cost the database a read than be late. `None` never asks: this node costs the database nothing.
    pub fallback: Option<Arc<dyn SnapshotSource<Rows>>>,
    pub settings: ConsumerSettings,
}

impl<D> ConsumerParts<D> {
    /// A consumer without a copy on disk, rules or a fallback; set what else it shall have.
    pub fn of(set: SetName, cache: Cache, node: &str) -> ConsumerParts<D> {
        let (disk, rules, fallback) = (None, Rules::default(), None);
        ConsumerParts {
            set,
            cache,
            node: node.to_owned(),
            disk,
            rules,
            fallback,
            settings: Default::default(),
        }
    }
}

/// Why a consumer did not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConsumerError {
    #[error("a node's name has 1 to {NODE_LEN_MAX} bytes")]
    NodeName,
}

/// Why a version was not there in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    #[error(
        "version {wanted} is not here yet: version {known} is served, and the last look gave {verdict:?}"
    )]
    NotYet { wanted: i64, known: i64, verdict: Verdict },
    #[error("the consumer has ended")]
    Stopped,
}

/// Where the version in use came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Disk,
    Delta,
    Snapshot,
    /// The source itself, while nothing could be heard.
    Source,
}

impl Origin {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Origin::Disk => "disk",
            Origin::Delta => "delta",
            Origin::Snapshot => "snapshot",
            Origin::Source => "source",
        }
    }
}

/// How a consumer stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerStatus {
    /// The version in use; [`VERSION_NONE`] before the first.
    pub version: i64,
    pub manifest: Option<Digest>,
    pub origin: Option<Origin>,
    /// What should run here, as last heard.
    pub wanted: Option<i64>,
    pub verdict: Verdict,
    /// When the source last had what is in use as its newest, in milliseconds since 1970.
    pub as_of_ms: Option<u64>,
    /// Why no copy is kept on disk.
    pub disk_problem: Option<String>,
}

impl ConsumerStatus {
    /// How old what is in use is: how long ago the source is known to have had it as its newest. It grows while the
    /// producer, the cache or the node's own look fails. `None` before the first version.
    pub fn age(&self) -> Option<Duration> {
        self.as_of_ms.map(|as_of| Duration::from_millis(now_ms().saturating_sub(as_of)))
    }
}

/// A running consumer. Dropping it ends its task; what was read from it stays good.
pub struct Consumer<D> {
    snapshot: Snapshot<D>,
    status: watch::Receiver<ConsumerStatus>,
    wake: mpsc::Sender<oneshot::Sender<()>>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl<D> Drop for Consumer<D> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<D: DataSet> Consumer<D> {
    /// Starts to serve a set: first from the copy on disk, if there is one, then from what is announced. Returns
    /// without waiting for the cache; [`Consumer::wait_for`] waits.
    ///
    /// # Errors
    /// [`ConsumerError`]. A disk that cannot be used is no error: the status says so.
    pub async fn start(parts: ConsumerParts<D>) -> Result<Consumer<D>, ConsumerError> {
        let ConsumerParts { set, cache, node, disk, rules, fallback, settings } = parts;
        if node.is_empty() || node.len() > NODE_LEN_MAX {
            return Err(ConsumerError::NodeName);
        }
        let snapshot = Snapshot::new(Versioned { version: VERSION_NONE, value: D::default() });
        let (keeping, copy) = Keeping::open(disk, cache.lane(), &set).await;
        let first = ConsumerStatus {
            version: VERSION_NONE,
            manifest: None,
            origin: None,
            wanted: None,
            verdict: Verdict::Unannounced,
            as_of_ms: None,
            disk_problem: keeping.problem().map(|problem: &DiskError| wire::short(problem)),
        };
        let (status_in, status) = watch::channel(first);
        let place = Place { blobs: Blobs::new(cache, set), node, rules, fallback, settings };
        let mut work = Work::new(place, snapshot.clone(), status_in, keeping);
        if let Some(copy) = copy {
            work.begin_with(copy).await;
        }
        let (wake, waiting) = mpsc::channel(WAITING_MAX);
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(work.run(waiting, stopped));
        Ok(Consumer { snapshot, status, wake, stop, task })
    }

    /// All tables of one version. Hold it for one act, not longer: it does not change under you.
    pub fn view(&self) -> Arc<Versioned<D>> {
        self.snapshot.get()
    }

    /// A reader for one hot place, which touches no shared counter.
    pub fn reader(&self) -> Reader<D> {
        self.snapshot.reader()
    }

    /// What readers see, without the rest of the consumer.
    pub fn snapshot(&self) -> Snapshot<D> {
        self.snapshot.clone()
    }

    pub fn status(&self) -> ConsumerStatus {
        self.status.borrow().clone()
    }

    /// Every change of the status from now on; the latest, if several come at once.
    pub fn subscribe(&self) -> watch::Receiver<ConsumerStatus> {
        self.status.clone()
    }

    /// Looks at once, and returns when it has looked; where nothing can be heard, the fallback is asked at once too.
    pub async fn look_now(&self) {
        let (done, looked) = oneshot::channel();
        if self.wake.send(done).await.is_ok() {
            let _ = looked.await; // A task that ended has nothing more to show.
        }
    }

    /// Waits until readers see `version` or a newer one.
    ///
    /// # Errors
    /// [`WaitError`]; the version may come later.
    pub async fn wait_for(&self, version: i64, patience: Duration) -> Result<(), WaitError> {
        let mut status = self.status.clone();
        let reached = status.wait_for(|status| status.version >= version);
        match tokio::time::timeout(patience, reached).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(_)) => return Err(WaitError::Stopped),
            Err(_) => {}
        }
        let status = self.status();
        Err(WaitError::NotYet { wanted: version, known: status.version, verdict: status.verdict })
    }

    /// Ends the task, and returns when the copy on disk is free for another.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true); // A task that ended already needs no word.
        let _ = (&mut self.task).await;
    }
}
