//! What a gift costs. The server alone computes a charge; `replay` uses the same function to check a file.

use ids::{RoomId, StreamerId};
use money::{Coins, MoneyError, Ppm};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The number of a gift in the catalogue.
pub type GiftId = u32;

/// The most gifts one send may carry.
pub const QUANTITY_MAX: u32 = 9_999;

/// One gift on the shelf.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Gift {
    pub gift_id: GiftId,
    /// What the panel shows; at most 64 characters.
    pub name: String,
    /// A single glyph the pages draw it with.
    pub glyph: String,
    /// The price on the label, in coins.
    pub list_price_coins: Coins,
    /// What one costs now, in coins: less than the label when discounted, 0 for a free gift.
    pub price_coins: Coins,
    pub kind: GiftKind,
    #[serde(default)]
    pub shelf: Shelf,
    /// For a blind box: what may be inside. Odds sum to 1,000,000 ppm.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outcomes: Vec<BlindOutcome>,
}

/// What sort of gift it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GiftKind {
    /// Paid for in coins.
    Paid,
    /// Free: shown, never charged, never an order.
    Free,
    /// A box with a known price and published odds.
    BlindBox,
    /// A membership of a room ("guard").
    Guard,
    /// A message held on the screen.
    PaidMessage,
}

/// Whether a gift can be bought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shelf {
    #[default]
    On,
    Off,
}

/// One thing a blind box may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BlindOutcome {
    pub gift_id: GiftId,
    /// What the revealed gift is worth on the label, in coins; shown, never charged.
    pub value_coins: Coins,
    pub odds_ppm: Ppm,
}

/// One live room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Room {
    pub room_id: RoomId,
    pub streamer_id: StreamerId,
    pub title: String,
    pub state: RoomState,
}

/// Whether a room takes gifts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoomState {
    Live,
    Closed,
}

/// The charge of a send: price × quantity, nothing else. The price of a blind box is the box's.
///
/// # Errors
/// [`MoneyError::Overflow`] where the charge does not fit.
pub fn charge_coins(gift: &Gift, quantity: u32) -> Result<Coins, MoneyError> {
    gift.price_coins.checked_mul(quantity)
}
