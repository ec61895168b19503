//! A viewer asks for coins. Nothing is credited here: only a channel's payment does that.

use crate::app::Cashier;
use crate::domain::pricing;
use crate::domain::recharge::{Recharge, RechargeState, recharge_id_of};
use crate::error::RechargeError;
use crate::store::recharges;
use chrono::{DateTime, Utc};
use ids::{RechargeId, SendKey, ViewerId, with_version};
use money::Micros;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the viewer sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskRecharge {
    /// Fiat in minor units (fen).
    pub amount_minor: i64,
    /// The payment channel's name.
    pub channel: String,
}

/// The most recharges a list answers.
const LIST_LEN_MAX: i64 = 100;

impl Cashier {
    /// Makes the recharge of one key, once: one round trip to look for it and for the price, one for the row.
    ///
    /// # Errors
    /// [`RechargeError`].
    pub(crate) async fn ask_recharge(
        &self,
        viewer: ViewerId,
        key: SendKey,
        ask: AskRecharge,
        now: DateTime<Utc>,
    ) -> Result<Recharge, RechargeError> {
        let id = recharge_id_of(viewer, key).uuid();
        let recharge_id = RechargeId::from_uuid(with_version(id, self.db.lane().id_version()));
        let body_hash = contracts::digest::body_hash(&ask);
        // The repeat check comes before any other: a repeat is answered even where the rules have changed.
        let (currency, day) = (&self.config.currency, self.zone.day_of(now));
        let (known, face_value) = recharges::look(&self.db, recharge_id, currency, day).await?;
        if let Some(known) = known {
            return same_body(known, body_hash);
        }
        self.key_age.check(key, now)?;
        let recharge = self.price_recharge((recharge_id, viewer), ask, face_value, now)?;
        if let Some(stored) = recharges::insert_if_new(&self.db, &recharge).await? {
            return Ok(stored);
        }
        let stored = recharges::find_recharge(&self.db, recharge_id).await?;
        same_body(stored.ok_or(RechargeError::NotFound)?, body_hash)
    }

    fn price_recharge(
        &self,
        (recharge_id, account_id): (RechargeId, ViewerId),
        ask: AskRecharge,
        face_value: Option<Micros>,
        now: DateTime<Utc>,
    ) -> Result<Recharge, RechargeError> {
        if !self.secrets.contains_key(&ask.channel) {
            return Err(RechargeError::UnknownChannel);
        }
        let (min, max) = (self.config.recharge_minor_min, self.config.recharge_minor_max);
        if ask.amount_minor < min || ask.amount_minor > max {
            return Err(RechargeError::AmountOutOfRange { min, max });
        }
        let currency = self.config.currency.clone();
        let face_value = face_value.ok_or_else(|| RechargeError::NoFaceValue(currency.clone()))?;
        let price = pricing::price(ask.amount_minor, face_value, &self.config.bonuses)
            .map_err(|error| RechargeError::of_price(error, min, max))?;
        Ok(Recharge {
            recharge_id,
            account_id,
            body_hash: contracts::digest::body_hash(&ask),
            channel: ask.channel,
            amount_minor: ask.amount_minor,
            currency,
            paid_coins: price.paid_coins,
            promo_coins: price.promo_coins,
            state: RechargeState::Asked,
            payment_id: None,
            refunded_minor: 0,
            version: 1,
            asked_at: now,
        })
    }

    /// One of the viewer's own recharges; another viewer's is not there.
    ///
    /// # Errors
    /// [`RechargeError::NotFound`], [`RechargeError::Unavailable`].
    pub(crate) async fn get_recharge(
        &self,
        viewer: ViewerId,
        id: RechargeId,
    ) -> Result<Recharge, RechargeError> {
        let found = recharges::find_recharge(&self.db, id).await?;
        found.filter(|recharge| recharge.account_id == viewer).ok_or(RechargeError::NotFound)
    }

    /// The viewer's recharges, newest first, at most 100.
    ///
    /// # Errors
    /// [`RechargeError::Unavailable`].
    pub(crate) async fn list_recharges(&self, viewer: ViewerId) -> Result<Vec<Recharge>, RechargeError> {
        Ok(recharges::list_recharges(&self.db, viewer, LIST_LEN_MAX).await?)
    }
}

fn same_body(recharge: Recharge, body_hash: i64) -> Result<Recharge, RechargeError> {
    if recharge.body_hash == body_hash { Ok(recharge) } else { Err(RechargeError::RequestReused) }
}
