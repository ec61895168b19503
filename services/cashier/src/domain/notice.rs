//! What a channel told us and what became of it: one row per (channel, its id, kind).

use chrono::{DateTime, Utc};
use ids::{PaymentId, RechargeId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! coded {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $code:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// The number in its column. Part of the stored format.
            pub const fn code(self) -> i16 {
                match self { $($name::$variant => $code,)* }
            }

            /// The value of a stored code.
            pub const fn of_code(code: i16) -> Option<$name> {
                match code { $($code => Some($name::$variant),)* _ => None }
            }
        }
    };
}
pub(crate) use coded;

coded! {
    /// What a callback tells.
    NoticeKind {
        #[serde(rename = "payment_pending")]
        Pending = 1,
        #[serde(rename = "payment_succeeded")]
        Succeeded = 2,
        #[serde(rename = "payment_failed")]
        Failed = 3,
        #[serde(rename = "payment_refunded")]
        Refunded = 4,
        /// The payer's bank took the money back, whether we wanted it or not.
        #[serde(rename = "payment_charged_back")]
        ChargedBack = 5,
    }
}

impl NoticeKind {
    /// Whether it gives a payment's money back.
    pub const fn takes_back(self) -> bool {
        match self {
            NoticeKind::Refunded | NoticeKind::ChargedBack => true,
            NoticeKind::Pending | NoticeKind::Succeeded | NoticeKind::Failed => false,
        }
    }

    /// The kind that must not bear the same id: one id of a channel gives money back once.
    pub const fn other_way_back(self) -> Option<NoticeKind> {
        match self {
            NoticeKind::Refunded => Some(NoticeKind::ChargedBack),
            NoticeKind::ChargedBack => Some(NoticeKind::Refunded),
            NoticeKind::Pending | NoticeKind::Succeeded | NoticeKind::Failed => None,
        }
    }
}

coded! {
    /// What became of a callback.
    NoticeOutcome {
        /// Coins are due.
        Credited = 1,
        /// Unspent coins are due back.
        TakenBack = 2,
        /// A refund or chargeback that waits for its payment.
        KeptAside = 3,
        /// Nothing moves.
        Noted = 4,
        /// Recorded for finance; nothing was credited.
        Refused = 5,
    }
}

coded! {
    /// Why a believed callback credits nothing. Finance finds each in the bills.
    Refusal {
        NoSuchRecharge = 1,
        ChannelMismatch = 2,
        CurrencyMismatch = 3,
        AmountMismatch = 4,
        /// Another payment of the channel has paid this recharge: the viewer paid twice.
        RechargeAlreadyPaid = 5,
        /// A refund names a payment of another recharge.
        RechargeMismatch = 6,
        /// A refund of a payment that was itself refused.
        PaymentRefused = 7,
        /// A refund of more than is left of its payment.
        OverRefund = 8,
        /// A part refund that is not worth whole coins.
        AmountNotWholeCoins = 9,
    }
}

impl Refusal {
    /// The stable slug.
    pub const fn slug(self) -> &'static str {
        match self {
            Refusal::NoSuchRecharge => "no-such-recharge",
            Refusal::ChannelMismatch => "channel-mismatch",
            Refusal::CurrencyMismatch => "currency-mismatch",
            Refusal::AmountMismatch => "amount-mismatch",
            Refusal::RechargeAlreadyPaid => "recharge-already-paid",
            Refusal::RechargeMismatch => "recharge-mismatch",
            Refusal::PaymentRefused => "payment-refused",
            Refusal::OverRefund => "over-refund",
            Refusal::AmountNotWholeCoins => "amount-not-whole-coins",
        }
    }
}

/// What makes a repeated callback a repeat.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoticeKey {
    pub channel: String,
    pub channel_payment_id: String,
    pub kind: NoticeKind,
}

/// One callback as recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub key: NoticeKey,
    pub content_hash: i64,
    pub recharge_id: RechargeId,
    pub amount_minor: i64,
    pub currency: String,
    pub paid_at: DateTime<Utc>,
    pub refund_of: Option<String>,
    pub outcome: NoticeOutcome,
    pub refusal: Option<Refusal>,
    pub payment_id: Option<PaymentId>,
    pub received_at: DateTime<Utc>,
}
