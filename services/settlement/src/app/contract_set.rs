//! The contracts in force as a set: one node of all reads them from the database, once a change, and every other one has
//! them from it.
//!
//! Owns what travels and where it comes from. Decides nothing: a batch settles by what a node holds only if its digest is
//! the one that the batch's own transaction finds in `book_state` (ADR 14), so a set that is late, pinned, rolled back or
//! of another history costs a read of the database, and never a gift.

use crate::domain::book::{Book, FaceValue};
use crate::domain::book_digest::BookDigest;
use crate::domain::contract::Agreed;
use crate::error::StartError;
use crate::store::book;
use cache::Cache;
use chrono::NaiveDate;
use ids::StreamerId;
use pg::Db;
use refresh::{
    Consumer, ConsumerParts, ConsumerStatus, Control, DataSet, Installation, LoadError, PgLease, Producer,
    ProducerParts, ProducerSettings, RowTable, Rows, Rules, SetName, Snapshot, SnapshotSource, Table,
    VERSION_NONE, Versioned,
};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// The set's name.
pub const CONTRACTS_SET: &str = "settlement-contracts";

/// Tables of the set.
const CONTRACTS: &str = "contracts";
const FACE_VALUES: &str = "face_values";

/// How often the node that publishes the set compares it with the database, where nobody tells it of a change.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long one load of the set may take before it counts as failed.
const LOAD_TIMEOUT: Duration = Duration::from_secs(4);

/// How long the node that publishes the set may be silent before another does. Meanwhile a change costs each node a read.
const PRODUCER_LEASE: Duration = Duration::from_secs(5);

/// One version of the set.
#[derive(Clone, Debug, Default)]
struct BookView {
    contracts: Table<(StreamerId, i32), Agreed>,
    face_values: Table<(String, NaiveDate), FaceValue>,
    /// Made of both tables, and so is its digest: what a producer says of it is not asked.
    book: Arc<Book>,
}

impl DataSet for BookView {
    fn table_mut(&mut self, name: &str) -> Option<&mut dyn RowTable> {
        match name {
            CONTRACTS => Some(&mut self.contracts),
            FACE_VALUES => Some(&mut self.face_values),
            _ => None,
        }
    }

    fn finish(&mut self) -> Result<(), String> {
        let contracts = self.contracts.iter().map(|(_, contract)| **contract);
        let face_values = self.face_values.iter().map(|(_, value)| FaceValue::clone(value));
        self.book = Arc::new(Book::new(contracts, face_values));
        Ok(())
    }
}

struct BookSource {
    db: Db,
    /// What was given last: the set's version and whose content it was.
    given: Mutex<Option<(i64, BookDigest)>>,
}

#[async_trait::async_trait]
impl SnapshotSource<Rows> for BookSource {
    /// What is compared is the content: a history without some changes, which counts up to the same numbers again, is
    /// another one. A set's versions only grow, so they may run ahead of the book's.
    async fn load(&self, known_version: i64) -> Result<Option<Versioned<Rows>>, LoadError> {
        let state = book::read_state(&self.db).await.map_err(LoadError::new)?;
        let given = *self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if given == Some((known_version, state.digest)) {
            return Ok(None);
        }
        let (state, book) = book::load_book(&self.db).await.map_err(LoadError::new)?;
        let mut rows = Rows::new();
        rows.table(CONTRACTS)?;
        rows.table(FACE_VALUES)?;
        for contract in book.contracts() {
            rows.put(CONTRACTS, &(contract.streamer_id, contract.version), contract)?;
        }
        for value in book.face_values() {
            rows.put(FACE_VALUES, &(&value.currency, value.valid_from), &value)?;
        }
        let version = state.version.max(known_version.saturating_add(1));
        *self.given.lock().unwrap_or_else(PoisonError::into_inner) = Some((version, state.digest));
        Ok(Some(Versioned { version, value: rows }))
    }
}

/// This node's part in the set.
pub(crate) struct ContractSet {
    producer: Producer,
    consumer: Consumer<BookView>,
}

impl ContractSet {
    /// Takes part in publishing the set, and follows it. Waits for nothing: whoever settles before the set is there
    /// reads the database.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn begin(db: &Db, cache: &Cache, node: &str) -> Result<ContractSet, StartError> {
        let set = SetName::try_new(CONTRACTS_SET)?.of(&Installation::read(db).await?);
        let producer = Producer::start::<BookView>(ProducerParts {
            set: set.clone(),
            election: Arc::new(PgLease::new(db.clone(), node)),
            cache: cache.clone(),
            node: node.to_owned(),
            source: Arc::new(BookSource { db: db.clone(), given: Mutex::default() }),
            rules: Rules::none(),
            settings: ProducerSettings {
                look_every: LOOK_EVERY,
                load_timeout: LOAD_TIMEOUT,
                lease: PRODUCER_LEASE,
                ..ProducerSettings::default()
            },
        })?;
        // No fallback: it would read as often as it is asked, and a batch reads once, when it has to.
        let consumer = Consumer::start(ConsumerParts::of(set, cache.clone(), node)).await?;
        Ok(ContractSet { producer, consumer })
    }

    /// The set by hand, and how to tell whoever publishes it of a change.
    pub fn control(&self) -> Control {
        self.producer.control()
    }

    /// What a reader looks at.
    pub fn held(&self) -> HeldContracts {
        HeldContracts { snapshot: self.consumer.snapshot(), status: self.consumer.subscribe() }
    }

    /// Ends, so that another node can publish at once.
    pub async fn stop(self) {
        self.producer.stop().await;
        self.consumer.stop().await;
    }
}

/// The contracts that this node has of the set.
pub struct HeldContracts {
    snapshot: Snapshot<BookView>,
    status: watch::Receiver<ConsumerStatus>,
}

impl HeldContracts {
    /// The book of a digest, if it is the one of the set's version here.
    pub(crate) fn find(&self, digest: BookDigest) -> Option<Arc<Book>> {
        let view = self.snapshot.get();
        (view.value.book.digest() == digest).then(|| Arc::clone(&view.value.book))
    }

    /// Waits until the set has the book of a digest, for so long at most.
    pub(crate) async fn wait_for(&self, digest: BookDigest, patience: Duration) {
        let mut status = self.status.clone();
        let is_here = status.wait_for(|_| self.find(digest).is_some());
        let _ = tokio::time::timeout(patience, is_here).await; // Whoever waited looks again.
    }

    /// Whether any version of the set has come.
    pub(crate) fn is_there(&self) -> bool {
        self.snapshot.version() != VERSION_NONE
    }
}
