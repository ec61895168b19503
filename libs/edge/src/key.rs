//! Idempotency keys: the client's own name for one act, and how old it may be.

use crate::Problem;
use axum::extract::FromRequestParts;
use chrono::{DateTime, Utc};
use contracts::class::{Classed, ErrorClass};
use http::request::Parts;
use ids::{SendKey, Uuid, id_time};
use std::time::Duration;

/// The header that carries the key.
pub const IDEMPOTENCY_KEY_HEADER: &str = "idempotency-key";

/// The length of a UUID with hyphens; other spellings are refused so that one key has one text.
const UUID_TEXT_LEN: usize = 36;

/// The header `Idempotency-Key`: a UUIDv7 that the client made for one act and repeats with every retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdempotencyKey(pub SendKey);

impl IdempotencyKey {
    /// Reads the header's text.
    ///
    /// # Errors
    /// A problem `key-malformed` unless it is a hyphenated UUIDv7.
    pub fn parse(text: &str) -> Result<IdempotencyKey, Problem> {
        let malformed = || {
            Problem::malformed("key-malformed", "The header Idempotency-Key must be a UUIDv7 with hyphens.")
                .with("field", "Idempotency-Key")
        };
        if text.len() != UUID_TEXT_LEN {
            return Err(malformed());
        }
        let uuid = Uuid::try_parse(text).map_err(|_| malformed())?;
        let rfc = uuid.as_bytes()[8] & 0b1100_0000 == 0b1000_0000;
        if uuid.get_version_num() == 7 && rfc {
            Ok(IdempotencyKey(SendKey::from_uuid(uuid)))
        } else {
            Err(malformed())
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<IdempotencyKey, Problem> {
        let mut values = parts.headers.get_all(IDEMPOTENCY_KEY_HEADER).iter();
        let (Some(value), second) = (values.next(), values.next()) else {
            return Err(Problem::malformed("key-missing", "The header Idempotency-Key is required.")
                .with("field", "Idempotency-Key"));
        };
        // Two keys for one act are no key: nobody could say which one a retry repeats.
        let text = if second.is_some() { "" } else { value.to_str().unwrap_or_default() };
        IdempotencyKey::parse(text)
    }
}

/// How old a key may be, and how far ahead a client's clock may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyAge {
    pub key_age_max: Duration,
    pub key_future_max: Duration,
}

impl Default for KeyAge {
    /// A day, and a minute ahead.
    fn default() -> KeyAge {
        KeyAge { key_age_max: Duration::from_secs(24 * 60 * 60), key_future_max: Duration::from_secs(60) }
    }
}

/// Why a key's own time was refused. Nothing happened under this key here and now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyAgeError {
    #[error("the key was made {age_s} s ago; at most {key_age_max_s} s are taken")]
    TooOld { age_s: u64, key_age_max_s: u64 },
    #[error("the key is from {ahead_s} s in the future; at most {key_future_max_s} s are taken")]
    FromTheFuture { ahead_s: u64, key_future_max_s: u64 },
}

impl Classed for KeyAgeError {
    fn class(&self) -> ErrorClass {
        ErrorClass::Rejected
    }

    fn slug(&self) -> &'static str {
        match self {
            KeyAgeError::TooOld { .. } => "key-too-old",
            KeyAgeError::FromTheFuture { .. } => "key-from-the-future",
        }
    }
}

impl KeyAge {
    /// Whether a key may still be used at `now`. Both limits themselves are taken.
    ///
    /// # Errors
    /// [`KeyAgeError`].
    pub fn check(&self, key: SendKey, now: DateTime<Utc>) -> Result<(), KeyAgeError> {
        let (made_ms, now_ms) = (id_time(key.uuid()).unix_ms, now.timestamp_millis());
        if made_ms > now_ms {
            let ahead = Duration::from_millis(made_ms.abs_diff(now_ms));
            let refusal = KeyAgeError::FromTheFuture {
                ahead_s: ahead.as_secs(),
                key_future_max_s: self.key_future_max.as_secs(),
            };
            return if ahead > self.key_future_max { Err(refusal) } else { Ok(()) };
        }
        let age = Duration::from_millis(now_ms.abs_diff(made_ms));
        let refusal = KeyAgeError::TooOld { age_s: age.as_secs(), key_age_max_s: self.key_age_max.as_secs() };
        if age > self.key_age_max { Err(refusal) } else { Ok(()) }
    }
}
