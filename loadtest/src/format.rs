//! The replay file: JSON Lines, plain or gzip. A header, then rooms, then recharges, then gifts.
//!
//! Owns the words of the format and its limits. Viewers, rooms and streamers are names; their ids are derived
//! from the names, so one file means the same people wherever it is replayed.

use contracts::catalogue::GiftId;
use ids::{RoomId, StreamerId, ViewerId, named_id};
use serde::Serialize;

/// What the header's `format` must say.
pub const FORMAT: &str = "largesse-replay";
/// The only version there is.
pub const VERSION: i64 = 1;

/// The longest line, in bytes.
pub const LINE_LEN_MAX: usize = 16 * 1024;
/// The most bytes a file may unpack to: what a gzip bomb runs into.
pub const UNPACKED_LEN_MAX: u64 = 8 * 1024 * 1024 * 1024;
/// The most gifts (of either coin) a header may declare.
pub const GIFTS_MAX: i64 = 50_000_000;
/// The most rooms a header may declare.
pub const ROOMS_MAX: i64 = 100_000;
/// The most viewers a header may declare; each costs memory while the file is checked.
pub const VIEWERS_MAX: i64 = 2_000_000;
/// The most recharges a header may declare.
pub const RECHARGES_MAX: i64 = 10_000_000;
/// The longest name of a viewer, room, streamer or combo, in characters.
pub const NAME_LEN_MAX: usize = 64;
/// The longest title of a room, in characters.
pub const TITLE_LEN_MAX: usize = 64;
/// The longest text of a header's `source`, in characters.
pub const SOURCE_LEN_MAX: usize = 512;
/// The latest instant of an event, in milliseconds after the start: 31 days.
pub const T_MS_MAX: i64 = 31 * 24 * 60 * 60 * 1_000;
/// The largest recharge: CNY 1,000,000 in fen.
pub const AMOUNT_MINOR_MAX: i64 = 100_000_000;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Header {
    pub format: String,
    pub version: i64,
    /// Where the events come from, for people to read.
    pub source: String,
    /// Gold gift lines, the ones that charge.
    pub gifts: u64,
    /// Silver gift lines, the ones that do not.
    pub free_gifts: u64,
    pub rooms: u64,
    /// Distinct viewers of recharges and gifts.
    pub viewers: u64,
    pub recharges: u64,
}

/// A room, announced before anything happens in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RoomLine {
    pub room: String,
    pub streamer: String,
    pub title: String,
}

/// A viewer pays real money for coins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RechargeLine {
    pub t_ms: i64,
    pub viewer: String,
    pub amount_minor: i64,
}

/// A viewer sends gifts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GiftLine {
    pub t_ms: i64,
    pub viewer: String,
    pub room: String,
    pub gift_id: GiftId,
    pub num: u32,
    pub coin_type: CoinType,
    /// What was paid, all of it. For silver: a count of silver, which is no money and is not compared.
    pub total_coin: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub combo: Option<String>,
}

/// The summary a platform sends when a combo ends: cumulative, so it charges nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ComboEndLine {
    pub t_ms: i64,
    pub viewer: String,
    pub room: String,
    pub gift_id: GiftId,
    pub combo: String,
    pub num: u32,
    pub total_coin: i64,
}

/// What a gift is paid with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CoinType {
    /// Bought coins: 1 gold is 1 coin.
    Gold,
    /// Free: charges nothing.
    Silver,
}

/// Any line after the header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    Room(RoomLine),
    Recharge(RechargeLine),
    Gift(GiftLine),
    ComboEnd(ComboEndLine),
}

/// One event and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// Unique in the file and the same each time it is read: what request ids are derived from.
    pub number: u64,
    /// The line people find it on.
    pub line: u64,
    pub event: Event,
}

impl RoomLine {
    pub fn room_id(&self) -> RoomId {
        room_id(&self.room)
    }

    pub fn streamer_id(&self) -> StreamerId {
        StreamerId::from_uuid(named_id("streamer", &self.streamer))
    }
}

/// The id of a viewer's name.
pub fn viewer_id(name: &str) -> ViewerId {
    ViewerId::from_uuid(named_id("viewer", name))
}

/// The id of a room's name.
pub fn room_id(name: &str) -> RoomId {
    RoomId::from_uuid(named_id("room", name))
}
