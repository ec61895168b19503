//! Rows of `settlement.items`: one per delivered order, one more per refund of a delivered order.

use crate::log::{LogName, Stamp};
use ids::{AgencyId, OrderId, StreamerId};
use money::{Coins, Micros};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A settlement, or the reversal of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    Settled,
    Reversed,
}

impl ItemKind {
    pub const ALL: [ItemKind; 2] = [ItemKind::Settled, ItemKind::Reversed];

    /// The number in the column `kind`. Part of the stored format.
    pub const fn code(self) -> i16 {
        match self {
            ItemKind::Settled => 1,
            ItemKind::Reversed => 2,
        }
    }

    /// The kind of a stored code.
    pub fn of_code(code: i16) -> Option<ItemKind> {
        ItemKind::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// One row of `settlement.items`. `stamp.origin_seq` is the seq of the `gift.orders` row it derives from.
///
/// Amounts are fiat in micros, positive when settled and negative when reversed. Always
/// `gross_paid + gross_promo = streamer + agency + platform + tax`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Item {
    pub stamp: Stamp,
    pub order_id: OrderId,
    pub kind: ItemKind,
    pub streamer_id: StreamerId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agency_id: Option<AgencyId>,
    /// The version of the streamer's contract that was in force.
    pub contract_version: i32,
    /// Coins of the order row, never negative.
    pub paid_coins: Coins,
    pub promo_coins: Coins,
    pub gross_paid: Micros,
    pub gross_promo: Micros,
    pub streamer: Micros,
    pub agency: Micros,
    pub platform: Micros,
    pub tax: Micros,
}

crate::log_row!(Item, LogName::Items, |item| Some(item.order_id.uuid()));
