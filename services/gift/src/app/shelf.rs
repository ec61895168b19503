//! The shelf: catalogue and rooms as every request sees them, a snapshot and never the database.

use crate::app::published::{Place, PublishError, Published};
use crate::domain::check::{CheckError, check_gift, check_room};
use crate::store::shelf;
use bytes::Bytes;
use contracts::catalogue::{Gift, GiftId, Room};
use contracts::class::{Classed, ErrorClass};
use ids::RoomId;
use pg::Db;
use refresh::{DataSet, LoadError, RowTable, Rules, SnapshotSource, Table, Versioned};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// The set's name: gift publishes it, and any service may read it.
pub const SHELF_SET: &str = "gift-shelf";

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
    #[error(transparent)]
    Set(#[from] PublishError),
}

impl Classed for ShelfError {
    fn class(&self) -> ErrorClass {
        match self {
            ShelfError::Check(error) => error.class(),
            ShelfError::UnknownReveal(_) => ErrorClass::Rejected,
            ShelfError::Db(_) => ErrorClass::Transient,
            ShelfError::Set(error) => error.class(),
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            ShelfError::Check(error) => error.slug(),
            ShelfError::UnknownReveal(_) => "unknown-reveal",
            ShelfError::Db(_) => "database-unavailable",
            ShelfError::Set(error) => error.slug(),
        }
    }
}

/// The shelf of this node.
pub struct Shelf {
    db: Db,
    set: Published<ShelfView>,
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

impl Shelf {
    /// Seeds an empty catalogue with `seed`, takes part in publishing the shelf, and serves it.
    ///
    /// # Errors
    /// [`ShelfError`]: a seed that breaks the rules, or the database.
    pub async fn begin(place: &Place<'_>, seed: &[Gift]) -> Result<Shelf, ShelfError> {
        let db = place.db.clone();
        if shelf::read_versions(&db).await?.catalogue == 0 {
            for gift in seed {
                check_gift(gift)?;
            }
            write_gifts(&db, seed).await?;
        }
        let source = Arc::new(ShelfSource { db: db.clone() });
        let set = Published::begin(place, SHELF_SET, source, rules()).await?;
        Ok(Shelf { db, set })
    }

    /// The shelf of this instant.
    pub fn view(&self) -> Arc<Versioned<ShelfView>> {
        self.set.view()
    }

    /// The set by hand.
    pub fn control(&self) -> refresh::Control {
        self.set.control()
    }

    /// Waits until this node sees what is in the database now.
    async fn see(&self) -> Result<(), ShelfError> {
        let version = shelf::read_versions(&self.db).await?.sum();
        Ok(self.set.see(version).await?)
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
