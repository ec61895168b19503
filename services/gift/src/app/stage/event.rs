//! What a room is told: gifts, and coins that went back. Public: viewers appear by short ids only.

use bytes::Bytes;
use contracts::catalogue::GiftId;
use contracts::entry::{Combo, Entry, Reveal};
use contracts::order::{Order, OrderKind};
use ids::{OrderId, ViewerId};
use money::Coins;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The characters of a viewer's id that rooms see.
const SHORT_ID_LEN: usize = 8;

/// One event of a room. `order_id` is the same in every event of one order: a screen shows a gift once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RoomEvent {
    /// A gift to show.
    Gift(GiftEvent),
    /// A gift that the room never saw: its coins are on their way back.
    Refunding { order_id: OrderId, viewer: String },
    /// A gift's coins are back.
    Refunded { order_id: OrderId, viewer: String, coins: Coins },
}

/// A gift as the room shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GiftEvent {
    pub order_id: OrderId,
    /// A short id; not the viewer's own.
    pub viewer: String,
    pub gift_id: GiftId,
    pub quantity: u32,
    /// What it cost; a box's price, whatever was in it.
    pub charge_coins: Coins,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub combo: Option<Combo>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reveals: Vec<Reveal>,
    /// Present on a gift shown late, after its node died.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
}

/// The short id of a viewer: the random end of the id, never the whole.
pub fn short_id(viewer_id: ViewerId) -> String {
    let text = viewer_id.uuid().simple().to_string();
    text[text.len() - SHORT_ID_LEN..].to_owned()
}

impl RoomEvent {
    /// A gift without combo or reveals.
    pub fn gift(
        order_id: OrderId,
        viewer_id: ViewerId,
        gift_id: GiftId,
        quantity: u32,
        charge_coins: Coins,
    ) -> RoomEvent {
        let viewer = short_id(viewer_id);
        let (combo, reveals, late) = (None, Vec::new(), false);
        RoomEvent::Gift(GiftEvent { order_id, viewer, gift_id, quantity, charge_coins, combo, reveals, late })
    }

    /// The gift of an accepted debit; `None` for an entry that sent nothing.
    pub fn of_entry(entry: &Entry, shown: ShownWhen) -> Option<RoomEvent> {
        let send = entry.send.as_ref()?;
        let spent = entry.spent();
        Some(RoomEvent::Gift(GiftEvent {
            order_id: OrderId::from_uuid(entry.request_id.uuid()),
            viewer: short_id(entry.account_id),
            gift_id: send.gift_id,
            quantity: send.quantity,
            charge_coins: spent.paid_coins.checked_add(spent.promo_coins).ok()?,
            combo: send.combo,
            reveals: send.reveals.clone(),
            late: shown == ShownWhen::Late,
        }))
    }

    /// The event as the feed keeps it.
    pub fn to_json(&self) -> Bytes {
        // Plain structs with text keys: this cannot fail.
        Bytes::from(serde_json::to_vec(self).unwrap_or_default())
    }

    /// What a row of `gift.orders` tells a room that its effect has not.
    pub fn of_order(order: &Order) -> Option<RoomEvent> {
        let (order_id, viewer) = (order.order_id, short_id(order.viewer_id));
        match order.kind {
            OrderKind::Delivered => None,
            OrderKind::Refunding => Some(RoomEvent::Refunding { order_id, viewer }),
            OrderKind::ReturnedUndelivered | OrderKind::RefundedDelivered => {
                let coins = order.paid_coins.checked_add(order.promo_coins).ok()?;
                Some(RoomEvent::Refunded { order_id, viewer, coins })
            }
        }
    }
}

/// Whether a gift is shown as it was sent, or after its node died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShownWhen {
    InTime,
    Late,
}
