//! The sandbox channel: for development, it signs a real callback and sends it through the front door.

use crate::app::Cashier;
use crate::app::take_callback::CallbackAnswer;
use crate::config::SANDBOX;
use crate::domain::callback::CallbackBody;
use crate::domain::notice::NoticeKind;
use crate::domain::recharge::Recharge;
use crate::domain::signature::Signed;
use crate::error::{CallbackError, RechargeError};
use chrono::Utc;
use ids::{RechargeId, ViewerId};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

/// The most times one request sends its callback.
const TIMES_MAX: u16 = 100;
/// The longest one request waits before it sends.
const DELAY_MS_MAX: u32 = 10_000;

/// What the viewer sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PaySandbox {
    pub recharge_id: RechargeId,
    /// How often the callback is sent: 1 to 100.
    #[serde(default = "once")]
    pub times: u16,
    /// How long to wait first: at most 10,000.
    #[serde(default)]
    pub delay_ms: u32,
    /// Send the refund of the payment instead of the payment.
    #[serde(default)]
    pub refund: bool,
    /// Send a chargeback of the payment instead of the payment.
    #[serde(default)]
    pub chargeback: bool,
    /// Of a refund or a chargeback: only so much, in minor units. Each amount is one refund of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_minor: Option<i64>,
}

const fn once() -> u16 {
    1
}

impl Cashier {
    /// Pays, or refunds, one recharge through the sandbox; answers what the channel was told last.
    ///
    /// # Errors
    /// [`RechargeError`].
    pub(crate) async fn pay_sandbox(
        &self,
        viewer: ViewerId,
        pay: PaySandbox,
    ) -> Result<CallbackAnswer, RechargeError> {
        let recharge = self.get_recharge(viewer, pay.recharge_id).await?;
        let secret = self.secrets.get(SANDBOX).ok_or(RechargeError::UnknownChannel)?;
        let out_of_range = |field, max: u32| CallbackError::Malformed(format!("{field} is at most {max}"));
        if pay.times == 0 || pay.times > TIMES_MAX {
            return Err(out_of_range("times is at least 1 and", u32::from(TIMES_MAX)).into());
        }
        if pay.delay_ms > DELAY_MS_MAX {
            return Err(out_of_range("delay_ms", DELAY_MS_MAX).into());
        }
        let news = news_of(&pay)?;
        tokio::time::sleep(Duration::from_millis(u64::from(pay.delay_ms))).await;
        let body = serde_json::to_vec(&sandbox_body(&recharge, news, pay.amount_minor))
            .map_err(|error| CallbackError::Malformed(error.to_string()))?;
        let mut answer = None;
        for _ in 0..pay.times {
            let now = Utc::now();
            let timestamp = now.timestamp().to_string();
            let signature = secret.sign(&timestamp, &body);
            let signed = Signed { timestamp: Some(&timestamp), signature: Some(&signature), body: &body };
            answer = Some(self.take_callback(SANDBOX, signed, now).await?);
        }
        answer.ok_or(RechargeError::NotFound) // Not reached: `times` is at least one.
    }
}

/// What the sandbox is to say.
fn news_of(pay: &PaySandbox) -> Result<NoticeKind, CallbackError> {
    let malformed = |reason: &str| Err(CallbackError::Malformed(reason.to_owned()));
    match (pay.refund, pay.chargeback) {
        (true, true) => malformed("a payment is refunded or charged back, not both at once"),
        (false, false) if pay.amount_minor.is_some() => {
            malformed("a payment is of the recharge's whole amount")
        }
        (false, false) => Ok(NoticeKind::Succeeded),
        (true, false) => Ok(NoticeKind::Refunded),
        (false, true) => Ok(NoticeKind::ChargedBack),
    }
}

/// The same recharge always makes the same callback, as a real channel's retries do.
fn sandbox_body(recharge: &Recharge, news: NoticeKind, amount_minor: Option<i64>) -> CallbackBody {
    let recharge_id = recharge.recharge_id;
    let part = amount_minor.map(|minor| format!("-{minor}")).unwrap_or_default();
    let id = match news {
        NoticeKind::Refunded => format!("sandbox-refund-{recharge_id}{part}"),
        NoticeKind::ChargedBack => format!("sandbox-chargeback-{recharge_id}{part}"),
        NoticeKind::Pending | NoticeKind::Succeeded | NoticeKind::Failed => format!("sandbox-{recharge_id}"),
    };
    CallbackBody {
        channel_payment_id: id,
        kind: news,
        recharge_id,
        amount_minor: amount_minor.unwrap_or(recharge.amount_minor),
        currency: recharge.currency.clone(),
        paid_at: recharge.asked_at,
        refund_of: news.takes_back().then(|| format!("sandbox-{recharge_id}")),
    }
}
