//! From wallet entries to order rows: pure.

use chrono::{DateTime, Utc};
use contracts::entry::{Entry, EntryKind, Funds};
use contracts::log::Stamp;
use contracts::order::{Order, OrderKind};
use ids::OrderId;
use money::Coins;

/// What an entry means to the keeper.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Nothing.
    Other,
    /// An accepted debit or capture: one order.
    Spent(OrderId),
    /// Coins of an order came back.
    CameBack(OrderId),
    /// It says something that cannot be.
    Impossible(&'static str),
}

pub(super) fn meaning_of(entry: &Entry) -> Meaning {
    if !entry.is_accepted() {
        return Meaning::Other;
    }
    match entry.kind {
        EntryKind::Debit | EntryKind::HoldCapture if entry.send.is_none() => {
            Meaning::Impossible("an accepted debit without what was sent")
        }
        EntryKind::Debit | EntryKind::HoldCapture => {
            Meaning::Spent(OrderId::from_uuid(entry.request_id.uuid()))
        }
        EntryKind::Refund => match entry.origin_id {
            Some(origin) => Meaning::CameBack(OrderId::from_uuid(origin)),
            None => Meaning::Impossible("a refund without its order"),
        },
        EntryKind::Recharge
        | EntryKind::Bonus
        | EntryKind::Compensation
        | EntryKind::HoldPlace
        | EntryKind::HoldRelease
        | EntryKind::HoldExpire
        | EntryKind::Withdraw
        | EntryKind::Expire
        | EntryKind::Freeze
        | EntryKind::Unfreeze => Meaning::Other,
    }
}

/// The row of how a debit ended. `None` only for an entry that [`meaning_of`] calls impossible.
pub(super) fn ended(entry: &Entry, kind: OrderKind, now: DateTime<Utc>) -> Option<Order> {
    let send = entry.send.as_ref()?;
    let Funds { paid_coins, promo_coins } = entry.spent();
    Some(Order {
        stamp: Stamp::derived(&entry.stamp, now),
        order_id: OrderId::from_uuid(entry.request_id.uuid()),
        kind,
        viewer_id: entry.account_id,
        room_id: send.room_id,
        streamer_id: send.streamer_id,
        gift_id: send.gift_id,
        quantity: send.quantity,
        paid_coins,
        promo_coins,
    })
}

/// The row of what came back for an order that has ended. `None` when the order did not end before.
pub(super) fn came_back(entry: &Entry, end: &Order, now: DateTime<Utc>) -> Option<Order> {
    let kind = match end.kind {
        OrderKind::Delivered => OrderKind::RefundedDelivered,
        OrderKind::Refunding => OrderKind::ReturnedUndelivered,
        OrderKind::ReturnedUndelivered | OrderKind::RefundedDelivered => return None,
    };
    let coins = |delta: i64| Coins::try_new(delta).ok();
    Some(Order {
        stamp: Stamp::derived(&entry.stamp, now),
        kind,
        paid_coins: coins(entry.available.paid_coins)?,
        promo_coins: coins(entry.available.promo_coins)?,
        ..end.clone()
    })
}
