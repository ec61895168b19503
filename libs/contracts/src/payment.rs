//! Rows of `cashier.payments`: what payment channels told us, once each.

use crate::log::{LogName, Stamp};
use chrono::{DateTime, Utc};
use ids::{PaymentId, ViewerId};
use money::Coins;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a channel told us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentKind {
    /// A viewer paid; coins are due.
    Recharge,
    /// The channel gave the money back, or took it back (chargeback); unspent coins are due back.
    ChannelRefund,
}

impl PaymentKind {
    pub const ALL: [PaymentKind; 2] = [PaymentKind::Recharge, PaymentKind::ChannelRefund];

    /// The number in the column `kind`. Part of the stored format.
    pub const fn code(self) -> i16 {
        match self {
            PaymentKind::Recharge => 1,
            PaymentKind::ChannelRefund => 2,
        }
    }

    /// The kind of a stored code.
    pub fn of_code(code: i16) -> Option<PaymentKind> {
        PaymentKind::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// One row of `cashier.payments`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Payment {
    pub stamp: Stamp,
    pub payment_id: PaymentId,
    pub kind: PaymentKind,
    pub account_id: ViewerId,
    pub channel: String,
    /// The channel's own id: what makes a repeated callback a repeat.
    pub channel_payment_id: String,
    /// For a channel refund: the recharge it takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refunds: Option<PaymentId>,
    /// Fiat in minor units of `currency`, positive for both kinds.
    pub amount_minor: i64,
    /// ISO 4217.
    pub currency: String,
    /// Paid coins due; always the amount's worth at the face value in force.
    pub paid_coins: Coins,
    /// Promotional coins on top, a bonus of the platform.
    pub promo_coins: Coins,
    /// The channel's own time of the payment.
    pub paid_at: DateTime<Utc>,
}

crate::log_row!(Payment, LogName::Payments);
