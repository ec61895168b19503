//! The catalogue and the rooms, each with one version number that moves with every write.

use contracts::catalogue::{Gift, Room, RoomState};
use ids::{RoomId, StreamerId};
use pg::Db;
use sqlx::types::Json;
use sqlx::{PgConnection, Row};

/// Versions of the two tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShelfVersions {
    pub catalogue: i64,
    pub rooms: i64,
}

impl ShelfVersions {
    /// Both only grow, so their sum is a version of both.
    pub fn sum(self) -> i64 {
        self.catalogue.saturating_add(self.rooms)
    }
}

/// Reads the versions: the one statement a look costs.
pub async fn read_versions(db: &Db) -> Result<ShelfVersions, sqlx::Error> {
    let text = "SELECT catalogue_version, rooms_version FROM {s}.shelf_versions";
    let row = sqlx::query(db.sql(text)).fetch_one(db.pool()).await?;
    Ok(ShelfVersions { catalogue: row.try_get("catalogue_version")?, rooms: row.try_get("rooms_version")? })
}

const LIST_GIFTS: &str = "SELECT DISTINCT ON (gift_id) gift FROM {s}.gifts ORDER BY gift_id, version DESC";

/// The newest version of every gift.
pub async fn list_gifts(db: &Db) -> Result<Vec<Gift>, sqlx::Error> {
    let gifts: Vec<Json<Gift>> = sqlx::query_scalar(db.sql(LIST_GIFTS)).fetch_all(db.pool()).await?;
    Ok(gifts.into_iter().map(|Json(gift)| gift).collect())
}

/// Every room.
pub async fn list_rooms(db: &Db) -> Result<Vec<Room>, sqlx::Error> {
    let text = "SELECT room_id, streamer_id, title, state FROM {s}.rooms ORDER BY room_id";
    let rows = sqlx::query(db.sql(text)).fetch_all(db.pool()).await?;
    rows.iter()
        .map(|row| {
            Ok(Room {
                room_id: RoomId::from_uuid(row.try_get("room_id")?),
                streamer_id: StreamerId::from_uuid(row.try_get("streamer_id")?),
                title: row.try_get("title")?,
                state: if row.try_get::<i16, _>("state")? == 0 { RoomState::Live } else { RoomState::Closed },
            })
        })
        .collect()
}

const NEXT_CATALOGUE: &str = "
UPDATE {s}.shelf_versions SET catalogue_version = catalogue_version + 1 RETURNING catalogue_version";

/// Takes the next version of the catalogue; other writers wait until this transaction ends.
pub async fn next_catalogue_version_in_tx(tx: &mut PgConnection, db: &Db) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(db.sql(NEXT_CATALOGUE)).fetch_one(tx).await
}

const INSERT_GIFTS: &str = "
INSERT INTO {s}.gifts (gift_id, version, gift) SELECT g.gift_id, $1, g.gift
FROM unnest($2::bigint[], $3::jsonb[]) AS g (gift_id, gift)";

/// Adds a version of some gifts.
pub async fn insert_gifts_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    version: i64,
    gifts: &[Gift],
) -> Result<(), sqlx::Error> {
    sqlx::query(db.sql(INSERT_GIFTS))
        .bind(version)
        .bind(gifts.iter().map(|gift| i64::from(gift.gift_id)).collect::<Vec<_>>())
        .bind(gifts.iter().map(Json).collect::<Vec<_>>())
        .execute(tx)
        .await?;
    Ok(())
}

const NEXT_ROOMS: &str = "UPDATE {s}.shelf_versions SET rooms_version = rooms_version + 1";

const SAVE_ROOM: &str = "
INSERT INTO {s}.rooms AS r (room_id, streamer_id, title, state) VALUES ($1, $2, $3, $4)
ON CONFLICT (room_id) DO UPDATE SET streamer_id = $2, title = $3, state = $4, changed_at = now()";

/// Creates or replaces a room.
pub async fn save_room_in_tx(tx: &mut PgConnection, db: &Db, room: &Room) -> Result<(), sqlx::Error> {
    sqlx::query(db.sql(NEXT_ROOMS)).execute(&mut *tx).await?;
    let state: i16 = match room.state {
        RoomState::Live => 0,
        RoomState::Closed => 1,
    };
    sqlx::query(db.sql(SAVE_ROOM))
        .bind(room.room_id.uuid())
        .bind(room.streamer_id.uuid())
        .bind(&room.title)
        .bind(state)
        .execute(tx)
        .await?;
    Ok(())
}
