//! Rows of `gift.orders`: how each accepted debit ended.

use crate::catalogue::GiftId;
use crate::log::{LogName, Stamp};
use ids::{OrderId, RoomId, StreamerId, ViewerId};
use money::Coins;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What happened to an order. Every accepted debit has exactly one of the first two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderKind {
    /// The room saw it.
    Delivered,
    /// The room did not, and will not: the refund is on its way.
    Refunding,
    /// The refund of an order that was never delivered came back from the wallet.
    ReturnedUndelivered,
    /// A delivered order was refunded: its item must be reversed.
    RefundedDelivered,
}

impl OrderKind {
    pub const ALL: [OrderKind; 4] = [
        OrderKind::Delivered,
        OrderKind::Refunding,
        OrderKind::ReturnedUndelivered,
        OrderKind::RefundedDelivered,
    ];

    /// The number in the column `kind`. Part of the stored format.
    pub const fn code(self) -> i16 {
        match self {
            OrderKind::Delivered => 1,
            OrderKind::Refunding => 2,
            OrderKind::ReturnedUndelivered => 3,
            OrderKind::RefundedDelivered => 4,
        }
    }

    /// The kind of a stored code.
    pub fn of_code(code: i16) -> Option<OrderKind> {
        OrderKind::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// One row of `gift.orders`. `stamp.origin_seq` is the seq of the wallet entry it derives from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Order {
    pub stamp: Stamp,
    pub order_id: OrderId,
    pub kind: OrderKind,
    pub viewer_id: ViewerId,
    pub room_id: RoomId,
    pub streamer_id: StreamerId,
    pub gift_id: GiftId,
    pub quantity: u32,
    /// Coins of this row: the charge of the first two kinds, what came back for the last two.
    pub paid_coins: Coins,
    pub promo_coins: Coins,
}

crate::log_row!(Order, LogName::Orders, |order| Some(order.order_id.uuid()));
