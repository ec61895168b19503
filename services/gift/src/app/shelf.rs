//! The shelf: catalogue and rooms as every request sees them, a snapshot and never the database.

use crate::domain::check::{CheckError, check_gift, check_room};
use crate::store::shelf;
use bytes::Bytes;
use contracts::catalogue::{Gift, GiftId, Room};
use contracts::class::{Classed, ErrorClass};
use ids::RoomId;
use pg::Db;
use refresh::{LoadError, Poll, Snapshot, SnapshotSource, Versioned, poll};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// How long one load of the shelf may take before it counts as failed.
const LOAD_TIMEOUT: Duration = Duration::from_secs(5);

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
    pub gifts: HashMap<GiftId, Arc<Gift>>,
    pub rooms: HashMap<RoomId, Arc<Room>>,
    /// The listings as JSON, made once per change and not once per request.
    pub gifts_json: Bytes,
    pub rooms_json: Bytes,
}

/// Why a change of the shelf was not made.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    #[error("{0}")]
    Check(#[from] CheckError),
    #[error("a revealed gift {0} is not in the catalogue; add it first")]
    UnknownReveal(GiftId),
    #[error("the database failed")]
    Db(#[from] sqlx::Error),
    #[error("the change is stored, and this node will see it within a second")]
    NotRefreshed(#[from] refresh::RefreshError),
}

impl Classed for ShelfError {
    fn class(&self) -> ErrorClass {
        match self {
            ShelfError::Check(error) => error.class(),
            ShelfError::UnknownReveal(_) => ErrorClass::Rejected,
            ShelfError::Db(_) | ShelfError::NotRefreshed(_) => ErrorClass::Transient,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            ShelfError::Check(error) => error.slug(),
            ShelfError::UnknownReveal(_) => "unknown-reveal",
            ShelfError::Db(_) => "database-unavailable",
            ShelfError::NotRefreshed(_) => "not-refreshed",
        }
    }
}

/// The shelf of this node.
pub struct Shelf {
    db: Db,
    view: Snapshot<ShelfView>,
    poll: Poll,
}

struct ShelfSource {
    db: Db,
}

#[async_trait::async_trait]
impl SnapshotSource<ShelfView> for ShelfSource {
    async fn load(&self, known_version: i64) -> Result<Option<Versioned<ShelfView>>, LoadError> {
        load(&self.db, known_version).await.map_err(LoadError::new)
    }
}

/// Both versions only grow, so their sum is a version of both.
async fn load(db: &Db, known_version: i64) -> Result<Option<Versioned<ShelfView>>, sqlx::Error> {
    // Versions are read first: a change that commits in between is loaded now and again at the next poll.
    let versions = shelf::read_versions(db).await?;
    let version = versions.catalogue + versions.rooms;
    if version <= known_version {
        return Ok(None);
    }
    let gifts: Vec<Arc<Gift>> = shelf::list_gifts(db).await?.into_iter().map(Arc::new).collect();
    let rooms: Vec<Arc<Room>> = shelf::list_rooms(db).await?.into_iter().map(Arc::new).collect();
    let catalogue = Catalogue { version: versions.catalogue, gifts: gifts.clone() };
    let listing = Rooms { rooms: rooms.clone() };
    let json = |made: Result<Vec<u8>, serde_json::Error>| {
        made.map(Bytes::from).map_err(|e| sqlx::Error::Encode(e.into()))
    };
    let value = ShelfView {
        catalogue_version: versions.catalogue,
        gifts: gifts.into_iter().map(|gift| (gift.gift_id, gift)).collect(),
        rooms: rooms.into_iter().map(|room| (room.room_id, room)).collect(),
        gifts_json: json(serde_json::to_vec(&catalogue))?,
        rooms_json: json(serde_json::to_vec(&listing))?,
    };
    Ok(Some(Versioned { version, value }))
}

impl Shelf {
    /// Loads the shelf, seeding an empty catalogue with `seed`, and keeps it fresh.
    ///
    /// # Errors
    /// [`ShelfError`]: a seed that breaks the rules, or the database.
    pub async fn begin(db: Db, seed: &[Gift], poll_every: Duration) -> Result<Shelf, ShelfError> {
        if shelf::read_versions(&db).await?.catalogue == 0 {
            for gift in seed {
                check_gift(gift)?;
            }
            write_gifts(&db, seed).await?;
        }
        let first = load(&db, refresh::VERSION_NONE).await?;
        let first =
            first.unwrap_or(Versioned { version: refresh::VERSION_NONE, value: ShelfView::default() });
        let view = Snapshot::new(first);
        let source = Arc::new(ShelfSource { db: db.clone() });
        let poll = poll("gift-shelf", view.clone(), source, poll_every, LOAD_TIMEOUT);
        Ok(Shelf { db, view, poll })
    }

    /// The shelf of this instant.
    pub fn view(&self) -> Arc<Versioned<ShelfView>> {
        self.view.get()
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
        self.poll.refresh_now().await?;
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
        self.poll.refresh_now().await?;
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
