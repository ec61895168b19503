//! The one that publishes: every node may run one, and one of them is elected.
//!
//! Owns the only reads of the source. Must not announce what no consumer could fetch: blobs first, then the word.

mod canary;
mod kept;
mod leading;
mod running;

use crate::blobs::Blobs;
use crate::control::{AskError, Control};
use crate::election::{Alone, Election, Order};
use crate::rules::Rules;
use crate::set_name::SetName;
use crate::source::{Rows, SnapshotSource};
use crate::table::DataSet;
use crate::wire::{CanaryStage, HeldBack, NODE_LEN_MAX, Target};
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

impl<D> ProducerParts<D> {
    /// The only producer of a set ([`Alone`]), without rules; set what else it shall have.
    pub fn alone(
        set: SetName,
        cache: Cache,
        node: &str,
        source: impl SnapshotSource<Rows> + 'static,
    ) -> ProducerParts<D> {
        let election = Arc::new(Alone::new(cache.lane()));
        let (node, source) = (node.to_owned(), Arc::new(source));
        let (rules, settings) = (Rules::default(), ProducerSettings::default());
        ProducerParts { set, election, cache, node, source, rules, settings }
    }
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
    control: Control,
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
        let control = Control::new(set.clone(), Arc::clone(&election), cache.clone());
        let (status_in, status) = watch::channel(ProducerStatus::default());
        let (stop, stopped) = watch::channel(false);
        let wake = Arc::new(Notify::new());
        let work = Work {
            blobs: Blobs::new(cache, set),
            election,
            node,
            source,
            rules,
            settings,
            wake: Arc::clone(&wake),
            status: status_in,
        };
        let task = tokio::spawn(work.run(stopped));
        Ok(Producer { control, wake, status, stop, task })
    }

    /// The set by hand, also after this producer has ended.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Tells the elected producer, wherever it is, that the source has changed. Losing it costs at most `look_every`.
    pub async fn changed(&self) {
        self.wake.notify_one();
        self.control.changed().await;
    }

    /// [`Control::ask`].
    ///
    /// # Errors
    /// [`AskError`]; nothing is asked then.
    pub async fn ask(&self, order: Order, by: &str) -> Result<(), AskError> {
        self.control.ask(order, by).await?;
        self.wake.notify_one();
        Ok(())
    }

    /// [`Control::roll_back`].
    ///
    /// # Errors
    /// [`AskError`]; nothing is asked then.
    pub async fn roll_back(&self, by: &str) -> Result<i64, AskError> {
        let version = self.control.roll_back(by).await?;
        self.wake.notify_one();
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
