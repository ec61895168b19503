//! What a channel says in a callback, parsed strictly.

use crate::domain::notice::NoticeKind;
use chrono::{DateTime, Utc};
use ids::RechargeId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The longest id a channel may use.
pub const CHANNEL_ID_LEN_MAX: usize = 128;

/// The body of a callback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CallbackBody {
    /// The channel's own id of this payment, or of this refund: what makes a repeat a repeat.
    pub channel_payment_id: String,
    pub kind: NoticeKind,
    pub recharge_id: RechargeId,
    /// In minor units, above zero for every kind.
    pub amount_minor: i64,
    /// ISO 4217.
    pub currency: String,
    /// The channel's own time.
    pub paid_at: DateTime<Utc>,
    /// For a refund or a chargeback: the channel's id of the payment it takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund_of: Option<String>,
}

/// One callback whose signature was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    pub channel: String,
    pub body: CallbackBody,
    pub content_hash: i64,
}

impl Callback {
    /// Reads the bytes of a checked callback.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(channel: &str, bytes: &[u8]) -> Result<Callback, String> {
        let body: CallbackBody = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        check_id("channel_payment_id", &body.channel_payment_id)?;
        if let Some(refund_of) = &body.refund_of {
            check_id("refund_of", refund_of)?;
        }
        if body.amount_minor <= 0 {
            return Err("amount_minor must be above zero".to_owned());
        }
        if body.currency.len() != 3 || !body.currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err("currency must be three capital letters".to_owned());
        }
        if body.kind.takes_back() != body.refund_of.is_some() {
            return Err(
                "refund_of belongs to payment_refunded and payment_charged_back, and only to them".to_owned()
            );
        }
        if body.paid_at.timestamp() < 0 || body.paid_at.timestamp() > 253_402_300_799 {
            return Err("paid_at must lie between 1970 and 9999".to_owned());
        }
        let content_hash = contracts::digest::body_hash(&body);
        Ok(Callback { channel: channel.to_owned(), body, content_hash })
    }
}

fn check_id(field: &str, id: &str) -> Result<(), String> {
    let fits = (1..=CHANNEL_ID_LEN_MAX).contains(&id.len());
    if fits && id.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(())
    } else {
        Err(format!("{field} must be 1 to {CHANNEL_ID_LEN_MAX} printable ASCII characters without spaces"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn body() -> serde_json::Value {
        serde_json::json!({
            "channel_payment_id": "wx-1", "kind": "payment_succeeded", "recharge_id": RechargeId::now(),
            "amount_minor": 600, "currency": "CNY", "paid_at": "2026-01-01T00:00:00Z",
        })
    }

    fn parse(change: impl FnOnce(&mut serde_json::Value)) -> Result<Callback, String> {
        let mut body = body();
        change(&mut body);
        Callback::parse("sandbox", body.to_string().as_bytes())
    }

    #[test]
    fn each_wrong_field_is_named() {
        assert!(parse(|_| ()).is_ok());
        for (field, value) in [
            ("amount_minor", serde_json::json!(0)),
            ("amount_minor", serde_json::json!(6.5)),
            ("amount_minor", serde_json::json!("600")),
            ("channel_payment_id", serde_json::json!("")),
            ("channel_payment_id", serde_json::json!("a b")),
            ("channel_payment_id", serde_json::json!("x".repeat(129))),
            ("kind", serde_json::json!("payment_imagined")),
            ("recharge_id", serde_json::json!("nobody")),
            ("currency", serde_json::json!("yuan")),
            ("refund_of", serde_json::json!("wx-0")),
            ("paid_at", serde_json::json!("now")),
            ("tip_minor", serde_json::json!(1)),
        ] {
            assert!(parse(|body| body[field] = value.clone()).is_err(), "{field} = {value} was taken");
        }
        for kind in ["payment_refunded", "payment_charged_back"] {
            assert!(parse(|body| body["kind"] = kind.into()).is_err(), "a {kind} of nothing was taken");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Callback::parse("sandbox", &bytes).is_err());
        }

        #[test]
        fn no_cut_or_flip_makes_it_panic(at in 0_usize..200, byte in any::<u8>()) {
            let mut bytes = body().to_string().into_bytes();
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = Callback::parse("sandbox", &bytes);
            prop_assert!(Callback::parse("sandbox", &bytes[..at]).is_err());
        }
    }
}
