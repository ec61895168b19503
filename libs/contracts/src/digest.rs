//! Digests: how two logs are compared without comparing their rows.
//!
//! Logs that should agree state the same *facts*; the digest of a set of facts is its count, its coins, and a
//! 128-bit keyed hash sum, so order does not matter and one changed, lost or doubled fact shows.

use crate::entry::{Entry, EntryKind};
use crate::item::{Item, ItemKind};
use crate::order::{Order, OrderKind};
use ids::OrderId;
use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;

/// The key of the hash: published, because the digest guards against faults, not against forgers.
const DIGEST_KEY: [u8; 16] = *b"largesse-digest1";

/// Two logs that must state the same facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pair {
    /// `wallet.entries` and `gift.orders`: what was spent and what came back.
    EntriesOrders,
    /// `gift.orders` and `settlement.items`: what was delivered and what was reversed.
    OrdersItems,
}

impl Pair {
    pub const ALL: [Pair; 2] = [Pair::EntriesOrders, Pair::OrdersItems];

    /// The number in columns `pair`. Part of the stored format.
    pub const fn code(self) -> i16 {
        match self {
            Pair::EntriesOrders => 1,
            Pair::OrdersItems => 2,
        }
    }
}

/// One thing both logs of a pair must say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fact {
    pub pair: Pair,
    pub order_id: OrderId,
    pub kind: FactKind,
    pub paid_coins: i64,
    pub promo_coins: i64,
}

/// What a fact says of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactKind {
    Spent,
    Returned,
    Settled,
    Reversed,
}

impl FactKind {
    const fn code(self) -> u8 {
        match self {
            FactKind::Spent => 1,
            FactKind::Returned => 2,
            FactKind::Settled => 3,
            FactKind::Reversed => 4,
        }
    }
}

/// What a wallet entry says to `gift.orders`.
pub fn facts_of_entry(entry: &Entry) -> Option<Fact> {
    if !entry.is_accepted() {
        return None;
    }
    let fact = |order_id, kind, paid_coins, promo_coins| Fact {
        pair: Pair::EntriesOrders,
        order_id,
        kind,
        paid_coins,
        promo_coins,
    };
    match entry.kind {
        EntryKind::Debit | EntryKind::HoldCapture => {
            let spent = entry.spent();
            let order_id = OrderId::from_uuid(entry.request_id.uuid());
            Some(fact(order_id, FactKind::Spent, spent.paid_coins.get(), spent.promo_coins.get()))
        }
        EntryKind::Refund => {
            let order_id = OrderId::from_uuid(entry.origin_id.unwrap_or_default());
            Some(fact(order_id, FactKind::Returned, entry.available.paid_coins, entry.available.promo_coins))
        }
        EntryKind::Recharge
        | EntryKind::Bonus
        | EntryKind::Compensation
        | EntryKind::HoldPlace
        | EntryKind::HoldRelease
        | EntryKind::HoldExpire
        | EntryKind::Withdraw
        | EntryKind::Expire
        | EntryKind::Freeze
        | EntryKind::Unfreeze => None,
    }
}

/// What an order row says: to `wallet.entries`, and to `settlement.items`.
pub fn facts_of_order(order: &Order) -> impl Iterator<Item = Fact> {
    let fact = |pair, kind| Fact {
        pair,
        order_id: order.order_id,
        kind,
        paid_coins: order.paid_coins.get(),
        promo_coins: order.promo_coins.get(),
    };
    let (upstream, downstream) = match order.kind {
        OrderKind::Delivered => (FactKind::Spent, Some(FactKind::Settled)),
        OrderKind::Refunding => (FactKind::Spent, None),
        OrderKind::ReturnedUndelivered => (FactKind::Returned, None),
        OrderKind::RefundedDelivered => (FactKind::Returned, Some(FactKind::Reversed)),
    };
    std::iter::once(fact(Pair::EntriesOrders, upstream))
        .chain(downstream.map(|kind| fact(Pair::OrdersItems, kind)))
}

/// What an item says to `gift.orders`.
pub fn facts_of_item(item: &Item) -> Fact {
    let kind = match item.kind {
        ItemKind::Settled => FactKind::Settled,
        ItemKind::Reversed => FactKind::Reversed,
    };
    Fact {
        pair: Pair::OrdersItems,
        order_id: item.order_id,
        kind,
        paid_coins: item.paid_coins.get(),
        promo_coins: item.promo_coins.get(),
    }
}

/// Count, coins and keyed hash sum of a set of facts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    pub row_count: i64,
    pub coins: i64,
    /// The 128-bit sum as two halves, as the columns hold it.
    pub hash_high: i64,
    pub hash_low: i64,
}

impl Digest {
    /// Adds one fact.
    pub fn add(&mut self, fact: &Fact) {
        let mut hasher = SipHasher13::new_with_key(&DIGEST_KEY);
        hasher.write(fact.order_id.uuid().as_bytes());
        hasher.write_u8(fact.kind.code());
        hasher.write(&fact.paid_coins.to_le_bytes());
        hasher.write(&fact.promo_coins.to_le_bytes());
        let hash = hasher.finish128().as_u128();
        self.merge(&Digest::of_parts(1, fact.paid_coins.wrapping_add(fact.promo_coins), hash));
    }

    /// Adds another set's digest. Sums wrap: a digest is compared, never spent.
    pub fn merge(&mut self, other: &Digest) {
        let sum = self.hash().wrapping_add(other.hash());
        let count = self.row_count.wrapping_add(other.row_count);
        *self = Digest::of_parts(count, self.coins.wrapping_add(other.coins), sum);
    }

    fn of_parts(row_count: i64, coins: i64, hash: u128) -> Digest {
        let bytes = hash.to_be_bytes();
        let half = |at: usize| {
            let mut half = [0_u8; 8];
            half.copy_from_slice(&bytes[at..at + 8]);
            i64::from_be_bytes(half)
        };
        Digest { row_count, coins, hash_high: half(0), hash_low: half(8) }
    }

    fn hash(&self) -> u128 {
        let mut bytes = [0_u8; 16];
        bytes[..8].copy_from_slice(&self.hash_high.to_be_bytes());
        bytes[8..].copy_from_slice(&self.hash_low.to_be_bytes());
        u128::from_be_bytes(bytes)
    }
}

/// The hash of what a client sent, for telling a repeat from a reuse of its key: SipHash-1-3 of the canonical
/// JSON (fields in the type's order).
pub fn body_hash<T: Serialize>(body: &T) -> i64 {
    let json = serde_json::to_vec(body).unwrap_or_default(); // Bodies are plain structs: this cannot fail.
    let mut hasher = siphasher::sip::SipHasher13::new_with_key(&DIGEST_KEY);
    hasher.write(&json);
    i64::from_le_bytes(hasher.finish().to_le_bytes())
}
