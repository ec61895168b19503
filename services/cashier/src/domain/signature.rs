//! Signatures of channel callbacks: HMAC-SHA256 over `timestamp.body`, compared in constant time.

use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The header with the Unix second of signing.
pub const TIMESTAMP_HEADER: &str = "x-channel-timestamp";
/// The header with the signature in hex.
pub const SIGNATURE_HEADER: &str = "x-channel-signature";

/// The secret shared with one channel. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ChannelSecret(Vec<u8>);

impl ChannelSecret {
    /// A secret of at least 16 bytes.
    pub fn try_new(secret: &[u8]) -> Option<ChannelSecret> {
        (secret.len() >= 16).then(|| ChannelSecret(secret.to_vec()))
    }

    fn mac(&self, timestamp: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?; // HMAC takes keys of every length.
        mac.update(timestamp.as_bytes());
        mac.update(b".");
        mac.update(body);
        Some(mac)
    }

    /// The signature in hex, as the channel would send it.
    pub fn sign(&self, timestamp: &str, body: &[u8]) -> String {
        self.mac(timestamp, body).map(|mac| hex_of(&mac.finalize().into_bytes())).unwrap_or_default()
    }

    fn verify(&self, timestamp: &str, body: &[u8], signature: &str) -> bool {
        let Some(bytes) = bytes_of_hex(signature) else { return false };
        self.mac(timestamp, body).is_some_and(|mac| mac.verify_slice(&bytes).is_ok()) // In constant time.
    }
}

impl std::fmt::Debug for ChannelSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChannelSecret(..)")
    }
}

/// What came with a callback.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    pub timestamp: Option<&'a str>,
    pub signature: Option<&'a str>,
    pub body: &'a [u8],
}

/// Why a callback was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disbelief {
    SignatureInvalid,
    /// Signed, but its time is no number.
    BadTimestamp,
    TooOld,
    FromTheFuture,
}

/// Checks the signature first, and only then looks at what was signed.
///
/// # Errors
/// [`Disbelief`].
pub fn verify(
    secret: &ChannelSecret,
    signed: Signed<'_>,
    now: DateTime<Utc>,
    window: TimeDelta,
) -> Result<(), Disbelief> {
    let (Some(timestamp), Some(signature)) = (signed.timestamp, signed.signature) else {
        return Err(Disbelief::SignatureInvalid);
    };
    if !secret.verify(timestamp, signed.body, signature) {
        return Err(Disbelief::SignatureInvalid);
    }
    let seconds: i64 = timestamp.parse().map_err(|_| Disbelief::BadTimestamp)?;
    let signed_at = DateTime::from_timestamp(seconds, 0).ok_or(Disbelief::BadTimestamp)?;
    if now.signed_duration_since(signed_at) > window {
        return Err(Disbelief::TooOld);
    }
    if signed_at.signed_duration_since(now) > window {
        return Err(Disbelief::FromTheFuture);
    }
    Ok(())
}

fn hex_of(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // Writing to a String cannot fail.
        text
    })
}

fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secret() -> ChannelSecret {
        ChannelSecret::try_new(b"a secret of tests").expect("long enough")
    }

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).expect("in range")
    }

    fn check(timestamp: &str, now: i64) -> Result<(), Disbelief> {
        let signature = secret().sign(timestamp, b"{}");
        let signed = Signed { timestamp: Some(timestamp), signature: Some(&signature), body: b"{}" };
        verify(&secret(), signed, at(now), TimeDelta::minutes(5))
    }

    #[test]
    fn the_window_is_five_minutes_each_way() {
        assert_eq!(check("1000", 1_300), Ok(()));
        assert_eq!(check("1000", 1_301), Err(Disbelief::TooOld));
        assert_eq!(check("1300", 1_000), Ok(()));
        assert_eq!(check("1301", 1_000), Err(Disbelief::FromTheFuture));
        assert_eq!(check("yesterday", 1_000), Err(Disbelief::BadTimestamp));
        assert_eq!(check("9223372036854775807", 1_000), Err(Disbelief::BadTimestamp));
    }

    #[test]
    fn a_known_signature_stays_what_it_is() {
        let key = ChannelSecret::try_new(b"0123456789abcdef").expect("long enough");
        let known = "e4f8e2ecae2295b2ddb2f0b5584c8275e226c0ebe9b3b819e70156bb67122e3e"; // As openssl makes it.
        assert_eq!(key.sign("1700000000", b"{}"), known);
        assert_eq!(ChannelSecret::try_new(b"short"), None);
        assert!(!format!("{key:?}").contains("0123"));
    }

    proptest! {
        #[test]
        fn any_other_body_time_or_signature_is_refused(
            body in prop::collection::vec(any::<u8>(), 0..64), other in prop::collection::vec(any::<u8>(), 0..64),
            noise in ".{0,70}",
        ) {
            let signature = secret().sign("1000", &body);
            let ask = |timestamp, signature, body| {
                let signed = Signed { timestamp: Some(timestamp), signature: Some(signature), body };
                verify(&secret(), signed, at(1_000), TimeDelta::minutes(5))
            };
            prop_assert_eq!(ask("1000", &signature, &body), Ok(()));
            if other != body {
                prop_assert_eq!(ask("1000", &signature, &other), Err(Disbelief::SignatureInvalid));
            }
            prop_assert_eq!(ask("1001", &signature, &body), Err(Disbelief::SignatureInvalid));
            if noise != signature {
                prop_assert_eq!(ask("1000", &noise, &body), Err(Disbelief::SignatureInvalid));
            }
        }
    }
}
