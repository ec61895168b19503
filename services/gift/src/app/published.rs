//! A set that gift publishes and serves: the same for each of its slow-changing tables.

use cache::Cache;
use contracts::class::{Classed, ErrorClass};
use pg::Db;
use refresh::{
    Consumer, ConsumerParts, ConsumerSettings, ConsumerStatus, Control, DataSet, Installation, PgLease,
    Producer, ProducerParts, ProducerSettings, Rows, Rules, SetName, SnapshotSource, Versioned,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long one load of a set may take before it counts as failed.
const LOAD_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the node that publishes a set may be silent before another does.
const PRODUCER_LEASE: Duration = Duration::from_secs(3);

/// How long a change waits until this node sees it, and a start until there is a version. Longer than the lease, so
/// that a change outlives the node that would have published it.
const SEEN_WITHIN: Duration = Duration::from_secs(10);

/// Why a set is not served, or not in its newest version.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("the change is stored, and this node will see it later")]
    NotRefreshed(#[from] refresh::WaitError),
    #[error("the set could not be published")]
    Producer(#[from] refresh::ProducerError),
    #[error("the set could not be followed")]
    Consumer(#[from] refresh::ConsumerError),
    #[error("the set's name is not one of a set")]
    Name(#[from] refresh::BadSetName),
    #[error("whose sets these are cannot be read")]
    Installation(#[from] sqlx::Error),
}

impl Classed for PublishError {
    fn class(&self) -> ErrorClass {
        match self {
            PublishError::NotRefreshed(_) | PublishError::Installation(_) => ErrorClass::Transient,
            PublishError::Producer(_) | PublishError::Consumer(_) | PublishError::Name(_) => ErrorClass::Bug,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            PublishError::NotRefreshed(_) => "not-refreshed",
            PublishError::Installation(_) => "database-unavailable",
            PublishError::Producer(_) | PublishError::Consumer(_) | PublishError::Name(_) => {
                "set-not-started"
            }
        }
    }
}

/// Where sets are published from, and where they are served.
#[derive(Clone)]
pub struct Place<'a> {
    pub db: Db,
    pub cache: Cache,
    /// The node's name: unique among live nodes.
    pub node: &'a str,
    /// How often the node that publishes a set compares it with the database.
    pub look_every: Duration,
}

/// One set of this node.
pub struct Published<D> {
    producer: Producer,
    consumer: Consumer<D>,
}

impl<D: DataSet> Published<D> {
    /// Takes part in publishing a set, and serves it.
    ///
    /// While neither the cache nor a producer can be heard, this node reads the database itself, so that gifts can be
    /// sent while Redis is away.
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn begin(
        place: &Place<'_>,
        name: &str,
        source: Arc<dyn SnapshotSource<Rows>>,
        rules: Rules<D>,
    ) -> Result<Published<D>, PublishError> {
        let set = SetName::try_new(name)?.of(&Installation::read(&place.db).await?);
        let producing = ProducerSettings {
            look_every: place.look_every,
            load_timeout: LOAD_TIMEOUT,
            lease: PRODUCER_LEASE,
            ..ProducerSettings::default()
        };
        let producer = Producer::start(ProducerParts {
            set: set.clone(),
            election: Arc::new(PgLease::new(place.db.clone(), place.node)),
            cache: place.cache.clone(),
            node: place.node.to_owned(),
            source: Arc::clone(&source),
            rules: rules.clone(),
            settings: producing,
        })?;
        let consuming = ConsumerSettings { fallback_every: place.look_every, ..ConsumerSettings::default() };
        let consumer = Consumer::start(ConsumerParts {
            set,
            cache: place.cache.clone(),
            node: place.node.to_owned(),
            disk: None,
            rules,
            fallback: Some(source),
            settings: consuming,
        })
        .await?;
        consumer.wait_for(1, SEEN_WITHIN).await?;
        Ok(Published { producer, consumer })
    }

    /// The set of this instant.
    pub fn view(&self) -> Arc<Versioned<D>> {
        self.consumer.view()
    }

    /// Every change of what this node serves, and of how it is served.
    pub fn subscribe(&self) -> watch::Receiver<ConsumerStatus> {
        self.consumer.subscribe()
    }

    /// Waits until this node serves a version that is in the database.
    ///
    /// # Errors
    /// [`PublishError::NotRefreshed`].
    pub async fn see(&self, version: i64) -> Result<(), PublishError> {
        self.producer.changed().await;
        self.consumer.look_now().await;
        Ok(self.consumer.wait_for(version, SEEN_WITHIN).await?)
    }

    /// The set by hand.
    pub fn control(&self) -> Control {
        self.producer.control()
    }
}
