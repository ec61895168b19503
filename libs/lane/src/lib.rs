//! The signed, expiring header that puts a request into a shadow lane.
//!
//! Owns the header's form: `v1.<run>.<expires_at, unix seconds>.<HMAC-SHA256 in hex>`. No header means live
//! traffic. Must not decide what a lane may do.

use chrono::{DateTime, Utc};
use contracts::class::{Classed, ErrorClass};
use contracts::lane::{Lane, RunName};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt::Write;
use subtle::ConstantTimeEq;

/// The header that carries the lane.
pub const LANE_HEADER: &str = "x-largesse-lane";

/// The shortest key taken, in bytes.
pub const KEY_LEN_MIN: usize = 32;

/// The longest header worth reading, in bytes: the longest well-formed one has 104.
const HEADER_LEN_MAX: usize = 128;

/// The key that signs lane headers. `Debug` does not show it.
#[derive(Clone)]
pub struct LaneKey(Hmac<Sha256>);

impl std::fmt::Debug for LaneKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LaneKey(…)")
    }
}

impl LaneKey {
    /// A key from a secret of at least [`KEY_LEN_MIN`] bytes.
    ///
    /// # Errors
    /// [`LaneError::KeyTooShort`].
    pub fn try_new(secret: &[u8]) -> Result<LaneKey, LaneError> {
        if secret.len() < KEY_LEN_MIN {
            return Err(LaneError::KeyTooShort);
        }
        Hmac::new_from_slice(secret).map(LaneKey).map_err(|_| LaneError::KeyTooShort)
    }
}

/// Why a lane header was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LaneError {
    #[error("the lane header is not of the form v1.<run>.<expires_at>.<signature>")]
    Malformed,
    #[error("the lane header's signature is wrong")]
    WrongSignature,
    #[error("the lane header has expired")]
    Expired,
    #[error("a lane key has at least {KEY_LEN_MIN} bytes")]
    KeyTooShort,
}

impl Classed for LaneError {
    fn class(&self) -> ErrorClass {
        match self {
            LaneError::Malformed | LaneError::WrongSignature | LaneError::Expired => ErrorClass::Denied,
            LaneError::KeyTooShort => ErrorClass::Bug,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            LaneError::Malformed => "lane-malformed",
            LaneError::WrongSignature => "lane-not-signed",
            LaneError::Expired => "lane-expired",
            LaneError::KeyTooShort => "lane-key-too-short",
        }
    }
}

/// The header's value for a shadow run until `expires_at` (whole seconds; the second itself is too late).
pub fn sign(run: &RunName, expires_at: DateTime<Utc>, key: &LaneKey) -> String {
    let mut header = format!("v1.{}.{}", run.as_str(), expires_at.timestamp());
    let mac = key.0.clone().chain_update(header.as_bytes()).finalize().into_bytes();
    header.push('.');
    for byte in mac {
        let _ = write!(header, "{byte:02x}"); // Writing to a String cannot fail.
    }
    header
}

/// Reads a header's value.
///
/// # Errors
/// [`LaneError`]; the request must be refused, never treated as live.
pub fn read(header: &str, now: DateTime<Utc>, key: &LaneKey) -> Result<Lane, LaneError> {
    if header.len() > HEADER_LEN_MAX {
        return Err(LaneError::Malformed);
    }
    let mut parts = header.split('.');
    let (Some("v1"), Some(run), Some(expires_at), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(LaneError::Malformed);
    };
    let run = RunName::try_from(run.to_owned()).map_err(|_| LaneError::Malformed)?;
    let expires_at = expires_at.parse().map_err(|_| LaneError::Malformed)?;
    let expires_at = DateTime::<Utc>::from_timestamp(expires_at, 0).ok_or(LaneError::Malformed)?;
    // Signing again and comparing whole texts leaves one spelling per header: no other case, sign or zero.
    if !bool::from(sign(&run, expires_at, key).as_bytes().ct_eq(header.as_bytes())) {
        return Err(LaneError::WrongSignature);
    }
    if now >= expires_at { Err(LaneError::Expired) } else { Ok(Lane::Shadow(run)) }
}
