//! The shelf: catalogue and rooms as every request sees them, a snapshot and never the database.

use crate::domain::check::{CheckError, check_gift, check_room};
use crate::store::shelf;
use bytes::Bytes;
use cache::Cache;
use contracts::catalogue::{Gift, GiftId, Room};
use contracts::class::{Classed, ErrorClass};
use ids::RoomId;
use pg::Db;
use refresh::{
    Consumer, ConsumerParts, ConsumerSettings, DataSet, LoadError, PgLease, Producer, ProducerParts,
    ProducerSettings, RowTable, Rules, SetName, SnapshotSource, Table, Versioned,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// The set's name: gift publishes it, and any service may read it.
pub const SHELF_SET: &str = "gift-shelf";

/// How long one load of the shelf may take before it counts as failed.
const LOAD_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the node that publishes the shelf may be silent before another does.
const PRODUCER_LEASE: Duration = Duration::from_secs(3);

/// How long a change waits until this node sees it, and a start until there is a shelf. Longer than the lease, so that
/// a change outlives the node that would have published it.
const SEEN_WITHIN: Duration = Duration::from_secs(10);

/// The catalogue as a file holds it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueFile {
    pub version: i64,
    /// Where prices come from.
    pub source: String,
    pub gifts: Vec<Gift>,
}

/// The catalogue as viewers get it, odds included.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Catalogue {
    pub version: i64,
    #[schema(value_type = Vec<Gift>)]
    pub gifts: Vec<Arc<Gift>>,
}

/// Every room, as viewers get them.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Rooms {
    #[schema(value_type = Vec<Room>)]
    pub rooms: Vec<Arc<Room>>,
}

/// One version of everything a send is checked against.
#[derive(Clone, Debug, Default)]
pub struct ShelfView {
    pub catalogue_version: i64,
    pub gifts: Table<GiftId, Gift>,
    pub rooms: Table<RoomId, Room>,
    /// The version of each of the two, as the database counts them.
    versions: Table<String, i64>,
    /// The listings as JSON, made once per change and not once per request.
    pub gifts_json: Bytes,
    pub rooms_json: Bytes,
}

impl DataSet for ShelfView {
    fn table_mut(&mut self, name: &str) -> Option<&mut dyn RowTable> {
        match name {
            GIFTS => Some(&mut self.gifts),
            ROOMS => Some(&mut self.rooms),
            VERSIONS => Some(&mut self.versions),
            _ => None,
        }
    }

    fn finish(&mut self) -> Result<(), String> {
        self.catalogue_version = self.versions.get(&GIFTS.to_owned()).map_or(0, |version| **version);
        let mut gifts: Vec<Arc<Gift>> = self.gifts.iter().map(|(_, gift)| Arc::clone(gift)).collect();
        gifts.sort_unstable_by_key(|gift| gift.gift_id);
        let mut rooms: Vec<Arc<Room>> = self.rooms.iter().map(|(_, room)| Arc::clone(room)).collect();
        rooms.sort_unstable_by_key(|room| room.room_id);
        let failed = |error: serde_json::Error| error.to_string();
        let catalogue = Catalogue { version: self.catalogue_version, gifts };
        self.gifts_json = serde_json::to_vec(&catalogue).map_err(failed)?.into();
        self.rooms_json = serde_json::to_vec(&Rooms { rooms }).map_err(failed)?.into();
        Ok(())
    }
}

/// Tables of the set.
const GIFTS: &str = "gifts";
const ROOMS: &str = "rooms";
const VERSIONS: &str = "versions";

/// Why a change of the shelf was not made.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    #[error("{0}")]
    Check(#[from] CheckError),
    #[error("a revealed gift {0} is not in the catalogue; add it first")]
    UnknownReveal(GiftId),
    #[error("the database failed")]
    Db(#[from] sqlx::Error),
    #[error("the change is stored, and this node will see it later")]
    NotRefreshed(#[from] refresh::WaitError),
    #[error("the shelf could not be published")]
    Producer(#[from] refresh::ProducerError),
    #[error("the shelf could not be followed")]
    Consumer(#[from] refresh::ConsumerError),
    #[error("the shelf's name is not one of a set")]
    Name(#[from] refresh::BadSetName),
}

impl Classed for ShelfError {
    fn class(&self) -> ErrorClass {
        match self {
            ShelfError::Check(error) => error.class(),
            ShelfError::UnknownReveal(_) => ErrorClass::Rejected,
            ShelfError::Db(_) | ShelfError::NotRefreshed(_) => ErrorClass::Transient,
            ShelfError::Producer(_) | ShelfError::Consumer(_) | ShelfError::Name(_) => ErrorClass::Bug,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            ShelfError::Check(error) => error.slug(),
            ShelfError::UnknownReveal(_) => "unknown-reveal",
            ShelfError::Db(_) => "database-unavailable",
            ShelfError::NotRefreshed(_) => "not-refreshed",
            ShelfError::Producer(_) | ShelfError::Consumer(_) | ShelfError::Name(_) => "shelf-not-started",
        }
    }
}

/// The shelf of this node.
pub struct Shelf {
    db: Db,
    producer: Producer,
    consumer: Consumer<ShelfView>,
}

struct ShelfSource {
    db: Db,
}

#[async_trait::async_trait]
impl SnapshotSource<refresh::Rows> for ShelfSource {
    async fn load(&self, known_version: i64) -> Result<Option<Versioned<refresh::Rows>>, LoadError> {
        let db = &self.db;
        // Versions are read first: a change that commits in between is loaded now, and again at the next look.
        let versions = shelf::read_versions(db).await.map_err(LoadError::new)?;
        let version = versions.sum();
        if version <= known_version {
            return Ok(None);
        }
        let mut rows = refresh::Rows::new();
        rows.table(GIFTS)?;
        rows.table(ROOMS)?;
        rows.put(VERSIONS, GIFTS, &versions.catalogue)?;
        rows.put(VERSIONS, ROOMS, &versions.rooms)?;
        for gift in shelf::list_gifts(db).await.map_err(LoadError::new)? {
            rows.put(GIFTS, &gift.gift_id, &gift)?;
        }
        for room in shelf::list_rooms(db).await.map_err(LoadError::new)? {
            rows.put(ROOMS, &room.room_id, &room)?;
        }
        Ok(Some(Versioned { version, value: rows }))
    }
}

/// A catalogue that had gifts and has none is a mistake of somebody's.
fn rules() -> Rules<ShelfView> {
    Rules::none().check("gifts are not all gone", |before: &ShelfView, after| {
        let are_gone = after.gifts.is_empty() && !before.gifts.is_empty();
        if are_gone { Err("the catalogue is empty".to_owned()) } else { Ok(()) }
    })
}

/// What a shelf is built from.
pub struct ShelfParts<'a> {
    pub db: Db,
    pub cache: Cache,
    /// The node's name: unique among live nodes.
    pub node: &'a str,
    /// The gifts an empty catalogue begins with.
    pub seed: &'a [Gift],
    /// How often the node that publishes the shelf compares it with the database.
    pub look_every: Duration,
}

impl Shelf {
    /// Seeds an empty catalogue, takes part in publishing the shelf, and serves it.
    ///
    /// While neither the cache nor a producer can be heard, this node reads the database itself, so that gifts can be
    /// sent while Redis is away.
    ///
    /// # Errors
    /// [`ShelfError`]: a seed that breaks the rules, or the database.
    pub async fn begin(parts: ShelfParts<'_>) -> Result<Shelf, ShelfError> {
        let ShelfParts { db, cache, node, seed, look_every } = parts;
        if shelf::read_versions(&db).await?.catalogue == 0 {
            for gift in seed {
                check_gift(gift)?;
            }
            write_gifts(&db, seed).await?;
        }
        let set = SetName::try_new(SHELF_SET)?;
        let source: Arc<dyn SnapshotSource<refresh::Rows>> = Arc::new(ShelfSource { db: db.clone() });
        let producing = ProducerSettings {
            look_every,
            load_timeout: LOAD_TIMEOUT,
            lease: PRODUCER_LEASE,
            ..ProducerSettings::default()
        };
        let producer = Producer::start(ProducerParts {
            set: set.clone(),
            election: Arc::new(PgLease::new(db.clone(), node)),
            cache: cache.clone(),
            node: node.to_owned(),
            source: Arc::clone(&source),
            rules: rules(),
            settings: producing,
        })?;
        let consuming = ConsumerSettings { fallback_every: look_every, ..ConsumerSettings::default() };
        let consumer = Consumer::start(ConsumerParts {
            set,
            cache,
            node: node.to_owned(),
            disk: None,
            rules: rules(),
            fallback: Some(source),
            settings: consuming,
        })
        .await?;
        consumer.wait_for(1, SEEN_WITHIN).await?;
        Ok(Shelf { db, producer, consumer })
    }

    /// The shelf of this instant.
    pub fn view(&self) -> Arc<Versioned<ShelfView>> {
        self.consumer.view()
    }

    /// Waits until this node sees what is in the database now.
    async fn see(&self) -> Result<(), ShelfError> {
        let version = shelf::read_versions(&self.db).await?.sum();
        self.producer.changed().await;
        self.consumer.look_now().await;
        Ok(self.consumer.wait_for(version, SEEN_WITHIN).await?)
    }

    /// Creates or replaces a gift; this node sees it when this returns.
    ///
    /// # Errors
    /// [`ShelfError`]; nothing is stored except in `NotRefreshed`.
    pub async fn save_gift(&self, gift: Gift) -> Result<i64, ShelfError> {
        check_gift(&gift)?;
        let view = self.view();
        let unknown =
            |outcome: &&contracts::catalogue::BlindOutcome| !view.value.gifts.contains_key(&outcome.gift_id);
        if let Some(outcome) = gift.outcomes.iter().find(unknown) {
            return Err(ShelfError::UnknownReveal(outcome.gift_id));
        }
        let version = write_gifts(&self.db, &[gift]).await?;
        self.see().await?;
        Ok(version)
    }

    /// Creates, changes or closes a room; this node sees it when this returns.
    ///
    /// # Errors
    /// [`ShelfError`]; nothing is stored except in `NotRefreshed`.
    pub async fn save_room(&self, room: Room) -> Result<(), ShelfError> {
        check_room(&room)?;
        let mut tx = self.db.begin().await?;
        shelf::save_room_in_tx(&mut tx, &self.db, &room).await?;
        tx.commit().await?;
        self.see().await?;
        Ok(())
    }
}

async fn write_gifts(db: &Db, gifts: &[Gift]) -> Result<i64, sqlx::Error> {
    let mut tx = db.begin().await?;
    let version = shelf::next_catalogue_version_in_tx(&mut tx, db).await?;
    shelf::insert_gifts_in_tx(&mut tx, db, version, gifts).await?;
    tx.commit().await?;
    Ok(version)
}
