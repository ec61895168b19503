//! Why the cashier has no answer, or a refusal. Each error knows its class and its stable slug.

use crate::domain::pricing::PriceError;
use crate::domain::signature::Disbelief;
use contracts::class::{Classed, ErrorClass};
use edge::KeyAgeError;

/// Why a callback was not taken.
#[derive(Debug, thiserror::Error)]
pub enum CallbackError {
    #[error("there is no payment channel of this name")]
    UnknownChannel,
    #[error("the signature does not fit the timestamp and the body")]
    SignatureInvalid,
    #[error("the callback was signed too long ago; sign it again")]
    TooOld,
    #[error("the callback was signed in the future; check the clock")]
    FromTheFuture,
    #[error("the callback cannot be read: {0}")]
    Malformed(String),
    #[error("the channel used this id before, for something else")]
    Contradicts,
    #[error("this node does not take the viewer's payments now")]
    ShardMoved,
    #[error("more callbacks wait than are taken; send it again")]
    Overloaded,
    #[error("the outcome is not known yet; send the callback again to learn it")]
    OutcomeUnknown,
    #[error("the database cannot be reached; send the callback again")]
    Unavailable(#[source] Option<sqlx::Error>),
    #[error("the database refused what this callback made")]
    NotRecordable(#[source] sqlx::Error),
}

impl Classed for CallbackError {
    fn class(&self) -> ErrorClass {
        match self {
            CallbackError::UnknownChannel => ErrorClass::NotFound,
            CallbackError::SignatureInvalid => ErrorClass::Denied,
            CallbackError::TooOld | CallbackError::FromTheFuture | CallbackError::Malformed(_) => {
                ErrorClass::Rejected
            }
            CallbackError::Contradicts => ErrorClass::Conflict,
            CallbackError::ShardMoved | CallbackError::Overloaded | CallbackError::Unavailable(_) => {
                ErrorClass::Transient
            }
            CallbackError::OutcomeUnknown => ErrorClass::Unknown,
            CallbackError::NotRecordable(_) => ErrorClass::Bug,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            CallbackError::UnknownChannel => "unknown-channel",
            CallbackError::SignatureInvalid => "signature-invalid",
            CallbackError::TooOld => "callback-too-old",
            CallbackError::FromTheFuture => "callback-from-the-future",
            CallbackError::Malformed(_) => "callback-malformed",
            CallbackError::Contradicts => "callback-contradicts",
            CallbackError::ShardMoved => "shard-moved",
            CallbackError::Overloaded => "overloaded",
            CallbackError::OutcomeUnknown => "outcome-unknown",
            CallbackError::Unavailable(_) => "cashier-unavailable",
            CallbackError::NotRecordable(_) => "callback-not-recordable",
        }
    }
}

impl From<Disbelief> for CallbackError {
    fn from(disbelief: Disbelief) -> CallbackError {
        match disbelief {
            Disbelief::SignatureInvalid => CallbackError::SignatureInvalid,
            Disbelief::BadTimestamp => CallbackError::Malformed("the timestamp is no Unix second".to_owned()),
            Disbelief::TooOld => CallbackError::TooOld,
            Disbelief::FromTheFuture => CallbackError::FromTheFuture,
        }
    }
}

/// Why a recharge was not made or found.
#[derive(Debug, thiserror::Error)]
pub enum RechargeError {
    #[error("there is no payment channel of this name")]
    UnknownChannel,
    #[error("a recharge is {min} to {max} minor units")]
    AmountOutOfRange { min: i64, max: i64 },
    #[error("the amount is not worth a whole number of coins")]
    NotWholeCoins,
    #[error("coins have no face value in {0} today")]
    NoFaceValue(String),
    #[error("this key came before with another body")]
    RequestReused,
    #[error("no such recharge")]
    NotFound,
    #[error(transparent)]
    Key(#[from] KeyAgeError),
    #[error("the database cannot be reached; ask again with the same key")]
    Unavailable(#[from] sqlx::Error),
    #[error(transparent)]
    Callback(#[from] CallbackError),
}

impl Classed for RechargeError {
    fn class(&self) -> ErrorClass {
        match self {
            RechargeError::UnknownChannel
            | RechargeError::AmountOutOfRange { .. }
            | RechargeError::NotWholeCoins => ErrorClass::Rejected,
            RechargeError::NoFaceValue(_) => ErrorClass::Bug,
            RechargeError::RequestReused => ErrorClass::Conflict,
            RechargeError::NotFound => ErrorClass::NotFound,
            RechargeError::Unavailable(_) => ErrorClass::Transient,
            RechargeError::Key(error) => error.class(),
            RechargeError::Callback(error) => error.class(),
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            RechargeError::UnknownChannel => "unknown-channel",
            RechargeError::AmountOutOfRange { .. } => "amount-out-of-range",
            RechargeError::NotWholeCoins => "amount-not-whole-coins",
            RechargeError::NoFaceValue(_) => "no-face-value",
            RechargeError::RequestReused => "request-reused",
            RechargeError::NotFound => "recharge-not-found",
            RechargeError::Unavailable(_) => "cashier-unavailable",
            RechargeError::Key(error) => error.slug(),
            RechargeError::Callback(error) => error.slug(),
        }
    }
}

/// Why the cashier did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Node(#[from] seqlog::JoinError),
    #[error("the payment channel {0} has no secret")]
    NoSecret(String),
    #[error("the setting {0} must be above zero, and no minimum above its maximum")]
    BadSetting(&'static str),
    #[error("the database cannot be used")]
    Db(#[from] sqlx::Error),
}

impl RechargeError {
    pub(crate) fn of_price(error: PriceError, min: i64, max: i64) -> RechargeError {
        match error {
            PriceError::NotWholeCoins => RechargeError::NotWholeCoins,
            PriceError::OutOfRange => RechargeError::AmountOutOfRange { min, max },
        }
    }
}
