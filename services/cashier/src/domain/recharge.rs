//! One recharge as the viewer asked for it, and its states.

use crate::domain::notice::coded;
use chrono::{DateTime, Utc};
use ids::{PaymentId, RechargeId, SendKey, ViewerId, derive_id, partition_of};
use money::Coins;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

coded! {
    /// How far a recharge is.
    RechargeState {
        Asked = 1,
        Pending = 2,
        Failed = 3,
        Paid = 4,
        PartlyRefunded = 5,
        Refunded = 6,
    }
}

/// What can happen to a recharge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RechargeEvent {
    PaymentPending,
    PaymentFailed,
    PaymentSucceeded,
    PartRefunded,
    AllRefunded,
}

/// A pair that must not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadStep {
    AlreadyPaid,
    NotPaid,
    NothingLeft,
}

impl RechargeState {
    /// The state after an event.
    ///
    /// # Errors
    /// [`BadStep`]; the state stays.
    pub fn after(self, event: RechargeEvent) -> Result<RechargeState, BadStep> {
        use RechargeEvent as E;
        use RechargeState as S;
        match (self, event) {
            (S::Asked | S::Pending, E::PaymentPending) => Ok(S::Pending),
            (S::Asked | S::Pending | S::Failed, E::PaymentFailed) => Ok(S::Failed),
            // A channel may fail one attempt and succeed with the next.
            (S::Asked | S::Pending | S::Failed, E::PaymentSucceeded) => Ok(S::Paid),
            // Late copies of older news change nothing.
            (S::Failed | S::Paid | S::PartlyRefunded | S::Refunded, E::PaymentPending)
            | (S::Paid | S::PartlyRefunded | S::Refunded, E::PaymentFailed) => Ok(self),
            (S::Paid | S::PartlyRefunded | S::Refunded, E::PaymentSucceeded) => Err(BadStep::AlreadyPaid),
            (S::Paid | S::PartlyRefunded, E::PartRefunded) => Ok(S::PartlyRefunded),
            (S::Paid | S::PartlyRefunded, E::AllRefunded) => Ok(S::Refunded),
            (S::Asked | S::Pending | S::Failed, E::PartRefunded | E::AllRefunded) => Err(BadStep::NotPaid),
            (S::Refunded, E::PartRefunded | E::AllRefunded) => Err(BadStep::NothingLeft),
        }
    }
}

/// What the viewer asked for and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recharge {
    pub recharge_id: RechargeId,
    pub account_id: ViewerId,
    pub channel: String,
    /// Hash of what the viewer sent.
    pub body_hash: i64,
    pub amount_minor: i64,
    pub currency: String,
    pub paid_coins: Coins,
    pub promo_coins: Coins,
    pub state: RechargeState,
    /// The payment that paid it.
    pub payment_id: Option<PaymentId>,
    pub refunded_minor: i64,
    /// Moves with every change; a change made from an older one is refused.
    pub version: i64,
    pub asked_at: DateTime<Utc>,
}

/// The recharge of one key of one viewer: the same key makes the same recharge.
pub fn recharge_id_of(viewer: ViewerId, key: SendKey) -> RechargeId {
    let (viewer, key) = (viewer.uuid(), key.uuid());
    let partition = partition_of(viewer);
    RechargeId::from_uuid(derive_id(key, "recharge", &[viewer.as_bytes(), key.as_bytes()], partition))
}
