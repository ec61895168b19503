//! Rows of `settlement.payouts`: what became of the money of each payee, from the end of its hold to the bank.

use crate::log::{LogName, Stamp};
use ids::Uuid;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whom money is paid out to.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum PayeeClass {
    #[default]
    Streamer,
    Agency,
}

impl PayeeClass {
    pub const ALL: [PayeeClass; 2] = [PayeeClass::Streamer, PayeeClass::Agency];

    /// The number in the column `payee_kind`. Part of the stored format.
    pub const fn code(self) -> i16 {
        match self {
            PayeeClass::Streamer => 1,
            PayeeClass::Agency => 2,
        }
    }

    /// The class of a stored code.
    pub fn of_code(code: i16) -> Option<PayeeClass> {
        PayeeClass::ALL.into_iter().find(|class| class.code() == code)
    }
}

/// What happened to a payee's money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PayoutKind {
    /// A statement's hold ended, or refunds took back more than the day earned.
    Released,
    /// Available money was asked for.
    Requested,
    /// The request was taken back.
    Cancelled,
    /// A file with it went to the bank; tax was withheld.
    Submitted,
    /// The bank paid it.
    Paid,
    /// The bank sent it back; the tax is not owed any more.
    Rejected,
}

impl PayoutKind {
    pub const ALL: [PayoutKind; 6] = [
        PayoutKind::Released,
        PayoutKind::Requested,
        PayoutKind::Cancelled,
        PayoutKind::Submitted,
        PayoutKind::Paid,
        PayoutKind::Rejected,
    ];

    /// The number in the column `kind`. Part of the stored format.
    pub const fn code(self) -> i16 {
        match self {
            PayoutKind::Released => 1,
            PayoutKind::Requested => 2,
            PayoutKind::Cancelled => 3,
            PayoutKind::Submitted => 4,
            PayoutKind::Paid => 5,
            PayoutKind::Rejected => 6,
        }
    }

    /// The kind of a stored code.
    pub fn of_code(code: i16) -> Option<PayoutKind> {
        PayoutKind::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// How far each place of a payee's money moved, in minor units; zero where it stayed. Always
/// `released = available + requested + in_flight + paid + withheld - receivable`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PayeeMove {
    /// Out of what is pending: negative where refunds took back more than was earned.
    pub released_minor: i64,
    pub available_minor: i64,
    pub requested_minor: i64,
    /// At the bank, neither paid nor sent back yet.
    pub in_flight_minor: i64,
    pub paid_minor: i64,
    /// Tax withheld of what is in flight or paid.
    pub withheld_minor: i64,
    /// What the payee owes: taken back after it had been paid out.
    pub receivable_minor: i64,
}

/// One row of `settlement.payouts`. The partition is the payee's; `stamp.origin_seq` is 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Payout {
    pub stamp: Stamp,
    pub kind: PayoutKind,
    pub payee: PayeeClass,
    pub payee_id: Uuid,
    /// From 1 for each payee, without a gap.
    pub payee_seq: i64,
    pub moved: PayeeMove,
    /// What it is about: the statement's day, the request, or the line of the batch.
    pub reference: String,
}

crate::log_row!(Payout, LogName::Payouts);
