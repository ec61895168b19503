//! Rows of `wallet.entries`: one per decided command, refusals included.

use crate::catalogue::GiftId;
use crate::log::{LogName, Seq, Stamp};
use ids::{ComboId, RequestId, RoomId, StreamerId, Uuid, ViewerId};
use money::Coins;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// What a command did, or would have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    Recharge,
    Bonus,
    Compensation,
    Debit,
    HoldPlace,
    HoldCapture,
    HoldRelease,
    HoldExpire,
    Refund,
    Withdraw,
    Expire,
    Freeze,
    Unfreeze,
}

impl EntryKind {
    pub const ALL: [EntryKind; 13] = [
        EntryKind::Recharge,
        EntryKind::Bonus,
        EntryKind::Compensation,
        EntryKind::Debit,
        EntryKind::HoldPlace,
        EntryKind::HoldCapture,
        EntryKind::HoldRelease,
        EntryKind::HoldExpire,
        EntryKind::Refund,
        EntryKind::Withdraw,
        EntryKind::Expire,
        EntryKind::Freeze,
        EntryKind::Unfreeze,
    ];

    /// The number in the column `kind`. Part of the stored format.
    pub const fn code(self) -> i16 {
        match self {
            EntryKind::Recharge => 1,
            EntryKind::Bonus => 2,
            EntryKind::Compensation => 3,
            EntryKind::Debit => 4,
            EntryKind::HoldPlace => 5,
            EntryKind::HoldCapture => 6,
            EntryKind::HoldRelease => 7,
            EntryKind::HoldExpire => 8,
            EntryKind::Refund => 9,
            EntryKind::Withdraw => 10,
            EntryKind::Expire => 11,
            EntryKind::Freeze => 12,
            EntryKind::Unfreeze => 13,
        }
    }

    /// The kind of a stored code.
    pub fn of_code(code: i16) -> Option<EntryKind> {
        EntryKind::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Whether an accepted entry of this kind spends coins on a gift, and so must become one order.
    pub const fn is_spend(self) -> bool {
        matches!(self, EntryKind::Debit | EntryKind::HoldCapture)
    }
}

/// How a command ended. Refusals are the viewer's and are pinned: the same id gets the same answer for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Accepted,
    NotEnoughCoins,
    Frozen,
    OverDayLimit,
    /// Gift's own verdict, pinned by the wallet: the room takes no gifts.
    RoomClosed,
    /// Gift's own verdict, pinned by the wallet: the gift cannot be bought.
    GiftOffShelf,
    /// A refund, capture or release of something that is not there.
    NoSuchOrigin,
    /// A refund or withdrawal of more than is left of its origin.
    OverRefund,
    /// The hold was already captured, released or expired.
    HoldEnded,
    /// The account's balance would leave its range.
    OverBalanceMax,
}

impl Outcome {
    pub const ALL: [Outcome; 10] = [
        Outcome::Accepted,
        Outcome::NotEnoughCoins,
        Outcome::Frozen,
        Outcome::OverDayLimit,
        Outcome::RoomClosed,
        Outcome::GiftOffShelf,
        Outcome::NoSuchOrigin,
        Outcome::OverRefund,
        Outcome::HoldEnded,
        Outcome::OverBalanceMax,
    ];

    /// The number in the column `outcome`. Part of the stored format.
    pub const fn code(self) -> i16 {
        match self {
            Outcome::Accepted => 0,
            Outcome::NotEnoughCoins => 1,
            Outcome::Frozen => 2,
            Outcome::OverDayLimit => 3,
            Outcome::RoomClosed => 4,
            Outcome::GiftOffShelf => 5,
            Outcome::NoSuchOrigin => 6,
            Outcome::OverRefund => 7,
            Outcome::HoldEnded => 8,
            Outcome::OverBalanceMax => 9,
        }
    }

    /// The outcome of a stored code.
    pub fn of_code(code: i16) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|outcome| outcome.code() == code)
    }

    /// The stable slug of the problem a refusal becomes.
    pub const fn slug(self) -> &'static str {
        match self {
            Outcome::Accepted => "accepted",
            Outcome::NotEnoughCoins => "not-enough-coins",
            Outcome::Frozen => "account-frozen",
            Outcome::OverDayLimit => "over-day-limit",
            Outcome::RoomClosed => "room-closed",
            Outcome::GiftOffShelf => "gift-off-shelf",
            Outcome::NoSuchOrigin => "no-such-origin",
            Outcome::OverRefund => "over-refund",
            Outcome::HoldEnded => "hold-ended",
            Outcome::OverBalanceMax => "over-balance-max",
        }
    }
}

/// Coins of the two funds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Funds {
    pub paid_coins: Coins,
    pub promo_coins: Coins,
}

/// A signed change of the two funds, in coins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FundsDelta {
    pub paid_coins: i64,
    pub promo_coins: i64,
}

/// The whole order, as the debit carries it. Written once, by the gift node; everything after reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GiftSend {
    pub room_id: RoomId,
    pub streamer_id: StreamerId,
    pub gift_id: GiftId,
    pub quantity: u32,
    pub unit_price_coins: Coins,
    pub catalogue_version: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub combo: Option<Combo>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reveals: Vec<Reveal>,
    /// The gift node that will show it, with its boot: `<name>/<boot id>`.
    pub node: String,
}

/// Where a send stands in its combo session. The server makes the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Combo {
    pub combo_id: ComboId,
    /// Gifts in the session so far, this send included.
    pub count: u32,
}

/// What a blind box held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reveal {
    pub gift_id: GiftId,
    pub value_coins: Coins,
    pub count: u32,
}

/// One row of `wallet.entries`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Entry {
    pub stamp: Stamp,
    pub request_id: RequestId,
    pub account_id: ViewerId,
    /// The seq of the account's entry before this one; 0 for its first. An account's history is a chain.
    pub previous_seq: Seq,
    pub kind: EntryKind,
    pub outcome: Outcome,
    /// Change of the available coins.
    pub available: FundsDelta,
    /// Change of the coins on hold; absent where there is none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub held: FundsDelta,
    /// Available coins after this entry.
    pub after: Funds,
    /// Coins on hold after this entry; absent where there are none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub held_after: Funds,
    /// What a withdrawal could not take: a receivable, in coins.
    #[serde(default, skip_serializing_if = "is_default")]
    pub shortfall_coins: Coins,
    /// The order refunded, the recharge withdrawn, the hold placed, captured, released or expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin_id: Option<Uuid>,
    /// For a hold: when it expires, Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<i64>,
    /// What was sent, for a debit or a capture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<GiftSend>)]
    pub send: Option<Arc<GiftSend>>,
    /// Hash of what the client sent under this request id.
    pub body_hash: i64,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

crate::log_row!(Entry, LogName::Entries, Entry::order);

impl Entry {
    pub fn is_accepted(&self) -> bool {
        self.outcome == Outcome::Accepted
    }

    /// The order a spend makes or a refund takes back, whatever came of it.
    fn order(&self) -> Option<Uuid> {
        match self.kind {
            EntryKind::Debit | EntryKind::HoldCapture => Some(self.request_id.uuid()),
            EntryKind::Refund => self.origin_id,
            _ => None,
        }
    }

    /// Coins this accepted entry spent on a gift, by fund; zero for every other entry.
    pub fn spent(&self) -> Funds {
        if !self.is_accepted() {
            return Funds::default();
        }
        let taken = match self.kind {
            EntryKind::Debit => self.available,
            EntryKind::HoldCapture => FundsDelta {
                paid_coins: self.held.paid_coins.saturating_add(self.available.paid_coins),
                promo_coins: self.held.promo_coins.saturating_add(self.available.promo_coins),
            },
            _ => FundsDelta::default(),
        };
        let positive = |delta: i64| Coins::try_new(delta.saturating_neg()).unwrap_or_default();
        Funds { paid_coins: positive(taken.paid_coins), promo_coins: positive(taken.promo_coins) }
    }
}
