//! This process as a reader of the list: it takes part in publishing it, and tells those who ask nodes.

use crate::seal::Seal;
use crate::source::RouteSource;
use crate::view::RoutesView;
use crate::{ROUTES_SET, Settings};
use cache::Cache;
use peer::LiveNodes;
use pg::Db;
use refresh::{
    Consumer, ConsumerParts, ConsumerSettings, Control, Election, Installation, Producer, ProducerParts,
    ProducerSettings, Rules, SetName, Snapshot, VERSION_NONE, Versioned,
};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long one load of the list may take before it counts as failed.
const LOAD_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the process that publishes the list may be silent before another does.
const PRODUCER_LEASE: Duration = Duration::from_secs(3);
/// How long nothing is heard of the list before a process reads it itself.
const FALLBACK_EVERY: Duration = Duration::from_secs(3);

/// Why the list is not followed.
#[derive(Debug, thiserror::Error)]
pub enum RoutesError {
    #[error("the list of nodes could not be published")]
    Producer(#[from] refresh::ProducerError),
    #[error("the list of nodes could not be followed")]
    Consumer(#[from] refresh::ConsumerError),
    #[error("the set's name is not one of a set")]
    Name(#[from] refresh::BadSetName),
    #[error("whose list of nodes this is cannot be read")]
    Installation(#[from] sqlx::Error),
}

/// Where the list is published from, and where it is followed.
pub struct Parts {
    /// The schema [`crate::SCHEMA`], migrated by [`crate::MIGRATOR`].
    pub db: Db,
    pub cache: Cache,
    /// Among all that share the cache: [`refresh::PgLease`], or [`refresh::Alone`] where the cache is this process's own.
    pub election: Arc<dyn Election>,
    /// The node's name: unique among live nodes.
    pub node: String,
    /// Below which folder the copy on disk is kept.
    pub disk: Option<PathBuf>,
    /// Knows the rows that processes of ours have written.
    pub seal: Seal,
    pub settings: Settings,
}

/// The list of this process.
pub struct Routes {
    producer: Producer,
    consumer: Consumer<RoutesView>,
    telling: JoinSet<()>,
}

/// The set by hand, beside a process that neither publishes nor follows it.
///
/// # Errors
/// [`RoutesError`].
pub async fn control(db: &Db, cache: &Cache, election: Arc<dyn Election>) -> Result<Control, RoutesError> {
    let set = SetName::try_new(ROUTES_SET)?.of(&Installation::read(db).await?);
    Ok(Control::new(set, election, cache.clone()))
}

impl Routes {
    /// Takes part in publishing the list, and tells `live` of every change of its service's nodes. Waits for nothing:
    /// until something is known, configured nodes are asked and no others.
    ///
    /// While neither the cache nor a publisher can be heard, this process reads the list itself.
    ///
    /// # Errors
    /// [`RoutesError`].
    pub async fn start(parts: Parts, live: Vec<(String, LiveNodes)>) -> Result<Routes, RoutesError> {
        let Parts { db, cache, election, node, disk, seal, settings } = parts;
        let set = SetName::try_new(ROUTES_SET)?.of(&Installation::read(&db).await?);
        let source = Arc::new(RouteSource { db });
        let producing = ProducerSettings {
            look_every: settings.look_every,
            load_timeout: LOAD_TIMEOUT,
            lease: PRODUCER_LEASE,
            ..ProducerSettings::default()
        };
        let producer = Producer::start::<RoutesView>(ProducerParts {
            set: set.clone(),
            election,
            cache: cache.clone(),
            node: node.clone(),
            source: source.clone(),
            rules: Rules::none(),
            settings: producing,
        })?;
        let consuming = ConsumerSettings { fallback_every: FALLBACK_EVERY, ..ConsumerSettings::default() };
        let consumer = Consumer::start(ConsumerParts {
            set,
            cache,
            node,
            disk,
            rules: Rules::none(),
            fallback: Some(source),
            settings: consuming,
        })
        .await?;
        let mut telling = JoinSet::new();
        telling.spawn(tell(consumer.snapshot(), consumer.subscribe(), (live, seal)));
        Ok(Routes { producer, consumer, telling })
    }

    /// The list of this instant.
    pub fn view(&self) -> Arc<Versioned<RoutesView>> {
        self.consumer.view()
    }

    /// The list, to be looked at elsewhere.
    pub fn snapshot(&self) -> Snapshot<RoutesView> {
        self.consumer.snapshot()
    }

    /// Waits until this process has a version, however it comes by it.
    ///
    /// # Errors
    /// [`refresh::WaitError`].
    pub async fn wait_for_any(&self, patience: Duration) -> Result<(), refresh::WaitError> {
        self.consumer.wait_for(VERSION_NONE + 1, patience).await
    }

    /// How this process stands with the list.
    pub fn status(&self) -> refresh::ConsumerStatus {
        self.consumer.status()
    }

    /// Versions that this process has read as the publisher.
    pub fn loads(&self) -> u64 {
        self.producer.status().loads
    }

    /// The set by hand.
    pub fn control(&self) -> Control {
        self.producer.control()
    }

    /// Ends publishing and following; what was told last stays.
    pub async fn stop(self) {
        let Routes { producer, consumer, mut telling } = self;
        telling.abort_all();
        producer.stop().await;
        consumer.stop().await;
        while telling.join_next().await.is_some() {}
    }
}

/// Tells of every version once.
async fn tell(
    list: Snapshot<RoutesView>,
    mut status: watch::Receiver<refresh::ConsumerStatus>,
    (live, seal): (Vec<(String, LiveNodes)>, Seal),
) {
    let mut told = VERSION_NONE;
    loop {
        let view = list.get();
        if view.version != told {
            for (service, nodes) in &live {
                let (urls, unproven) = view.value.urls(service, &seal);
                if !unproven.is_empty() {
                    tracing::error!(service, nodes = ?unproven, "somebody without our key has listed these; they are not asked");
                }
                let left_out = nodes.set(&urls);
                if left_out > 0 {
                    tracing::warn!(service, left_out, "more nodes are there than one process speaks to");
                }
            }
            told = view.version;
        }
        if status.changed().await.is_err() {
            return std::future::pending().await; // The other end of what was told must stay.
        }
    }
}
