//! The one that publishes: every node may run one, and one of them is elected.
//!
//! Owns the only reads of the source. Must not announce what no consumer could fetch: blobs first, then the word.

mod canary;
mod kept;
mod leading;
mod running;

use crate::blobs::{BEAT, Blobs, Call, ROSTER};
use crate::content::from_json;
use crate::election::{Election, ElectionError, Order};
use crate::rules::Rules;
use crate::set_name::SetName;
use crate::source::{Rows, SnapshotSource};
use crate::table::DataSet;
use crate::wire::{Announcement, Beat, CanaryStage, HeldBack, NODE_LEN_MAX, Roster, Target, short};
use cache::Cache;
use running::Work;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// How some nodes try a version before the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CanaryPlan {
    /// How many of a hundred live nodes try it, at least one.
    pub share_percent: u32,
    /// How long all of them must run it before the others follow.
    pub soak: Duration,
}

/// How a producer works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerSettings {
    /// How often the source is asked whether there is something newer when nobody calls.
    pub look_every: Duration,
    /// The longest one load may take.
    pub load_timeout: Duration,
    /// The least time from the end of one load to the next, however often somebody calls.
    pub load_gap: Duration,
    /// How long a producer may be silent before another takes over. Longer than `load_timeout`.
    pub lease: Duration,
    /// `None`: all nodes take a version at once.
    pub canary: Option<CanaryPlan>,
    /// After how long without a word a node counts as gone. Longer than the consumers' `report_every`.
    pub silent_after: Duration,
}

impl Default for ProducerSettings {
    fn default() -> ProducerSettings {
        ProducerSettings {
            look_every: Duration::from_millis(500),
            load_timeout: Duration::from_secs(5),
            load_gap: Duration::from_millis(100),
            lease: Duration::from_secs(10),
            canary: None,
            silent_after: Duration::from_secs(15),
        }
    }
}

/// What a producer is built from.
pub struct ProducerParts<D> {
    pub set: SetName,
    pub election: Arc<dyn Election>,
    /// The cache of the election's lane.
    pub cache: Cache,
    /// The node's name: unique among live nodes.
    pub node: String,
    pub source: Arc<dyn SnapshotSource<Rows>>,
    pub rules: Rules<D>,
    pub settings: ProducerSettings,
}

/// Why a producer did not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProducerError {
    #[error("a node's name has 1 to {NODE_LEN_MAX} bytes")]
    NodeName,
    #[error("the election and the cache are of different lanes")]
    LanesDiffer,
    #[error("a lease must be longer than a load may take")]
    LeaseTooShort,
    #[error("a canary's share is 1 to 100 percent")]
    CanaryShare,
}

/// Why what a person asked for was not kept.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error(transparent)]
    Election(#[from] ElectionError),
    #[error("there is no former version to go back to")]
    NothingBefore,
    #[error("what is announced cannot be read: {0}")]
    Unheard(String),
}

/// How a producer stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProducerStatus {
    /// The epoch in which it publishes; `None` while another does.
    pub epoch: Option<i64>,
    pub stable: Option<Target>,
    pub canary: Option<CanaryStage>,
    pub held_back: Option<HeldBack>,
    pub pinned: Option<i64>,
    /// Versions read from the source by this producer.
    pub loads: u64,
    /// What keeps it from publishing, as of its last round.
    pub problem: Option<String>,
}

/// A running candidate. Dropping it ends its task; the lease then ends by itself.
pub struct Producer {
    set: SetName,
    blobs: Blobs,
    election: Arc<dyn Election>,
    wake: Arc<Notify>,
    status: watch::Receiver<ProducerStatus>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Producer {
    /// Starts a candidate. It publishes when it is elected, and until then waits for the lease.
    ///
    /// # Errors
    /// [`ProducerError`].
    pub fn start<D: DataSet>(parts: ProducerParts<D>) -> Result<Producer, ProducerError> {
        let ProducerParts { set, election, cache, node, source, rules, settings } = parts;
        if node.is_empty() || node.len() > NODE_LEN_MAX {
            return Err(ProducerError::NodeName);
        }
        if election.lane() != cache.lane() {
            return Err(ProducerError::LanesDiffer);
        }
        if settings.lease <= settings.load_timeout {
            return Err(ProducerError::LeaseTooShort);
        }
        if settings.canary.is_some_and(|plan| !(1..=100).contains(&plan.share_percent)) {
            return Err(ProducerError::CanaryShare);
        }
        let blobs = Blobs::new(cache, set.clone());
        let (status_in, status) = watch::channel(ProducerStatus::default());
        let (stop, stopped) = watch::channel(false);
        let wake = Arc::new(Notify::new());
        let work = Work {
            blobs: blobs.clone(),
            election: Arc::clone(&election),
            node,
            source,
            rules,
            settings,
            wake: Arc::clone(&wake),
            status: status_in,
        };
        let task = tokio::spawn(work.run(stopped));
        Ok(Producer { set, blobs, election, wake, status, stop, task })
    }

    /// Tells the elected producer, wherever it is, that the source has changed. Losing it costs at most `look_every`.
    pub async fn changed(&self) {
        self.wake.notify_one();
        if let Err(error) = self.blobs.call(Call::Changed).await {
            tracing::debug!(set = %self.set, %error, "the producer will find the change by itself");
        }
    }

    /// Pins a version, takes the pin away, or approves a version that changes more than the rules allow; `by` is kept
    /// beside it. A version that is not kept any more is not pinned, and the roster says so.
    ///
    /// # Errors
    /// [`AskError`]; nothing is asked then.
    pub async fn ask(&self, order: Order, by: &str) -> Result<(), AskError> {
        self.election.ask(&self.set, order, by).await?;
        self.changed().await;
        Ok(())
    }

    /// Pins the version before the one that is announced now, and gives its number.
    ///
    /// # Errors
    /// [`AskError`]; nothing is asked then.
    pub async fn roll_back(&self, by: &str) -> Result<i64, AskError> {
        let unheard = |error: &dyn std::fmt::Display| AskError::Unheard(short(error));
        let beat = self.blobs.get_named::<Beat>(BEAT).await.map_err(|error| unheard(&error))?;
        let beat = beat.ok_or(AskError::NothingBefore)?;
        let blob = self.blobs.get(beat.announcement).await.map_err(|error| unheard(&error))?;
        let announced: Announcement = from_json(&blob).map_err(|error| unheard(&error))?;
        let former = announced.history.iter().rev().find(|former| former.version < announced.stable.version);
        let version = former.ok_or(AskError::NothingBefore)?.version;
        self.ask(Order::Pin(version), by).await?;
        Ok(version)
    }

    pub fn status(&self) -> ProducerStatus {
        self.status.borrow().clone()
    }

    /// Every change of the status from now on; the latest, if several come at once.
    pub fn subscribe(&self) -> watch::Receiver<ProducerStatus> {
        self.status.clone()
    }

    /// Ends the task and gives the lease back, so that the next producer need not wait.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true); // A task that ended already needs no word.
        let _ = (&mut self.task).await;
    }
}

/// Who runs which version, as the elected producer has last heard it. `None` before it ever spoke.
///
/// # Errors
/// [`AskError::Unheard`]: the cache does not answer, or holds a roster of another form.
pub async fn roster(cache: &Cache, set: &SetName) -> Result<Option<Roster>, AskError> {
    let blobs = Blobs::new(cache.clone(), set.clone());
    blobs.get_named(ROSTER).await.map_err(|error| AskError::Unheard(short(error)))
}
