//! What the pages must know to draw themselves, as whoever composes the process provides it.

use contracts::catalogue::{Gift, Room};
use ids::RoomId;

/// Rooms and gifts as of the latest snapshot. Answers from memory: a page never waits for a database.
pub trait RoomDirectory: Send + Sync {
    fn rooms(&self) -> Vec<Room>;

    /// Every gift of the catalogue, also those off the shelf: old orders still show them.
    fn gifts(&self) -> Vec<Gift>;

    fn find_room(&self, room_id: RoomId) -> Option<Room> {
        self.rooms().into_iter().find(|room| room.room_id == room_id)
    }
}
