//! Shows that a row was written by a process that has the key which all processes share. Pure.
//!
//! Calls between processes carry tokens, so an address that somebody else could put on the list would hand him one: the
//! database and the cache are believed in what they leave out, and not in what they add.

use crate::view::Route;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt::Write;
use subtle::ConstantTimeEq;

/// Signs rows, and knows those that are signed.
#[derive(Clone)]
pub struct Seal(Hmac<Sha256>);

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal(…)") // Debug output ends in logs.
    }
}

impl Seal {
    /// With the key that signs tokens. It signs nothing else under this name.
    pub fn new(key: &[u8]) -> Option<Seal> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?; // HMAC takes keys of every length.
        mac.update(b"largesse routes\0");
        Some(Seal(mac))
    }

    /// What a row carries.
    pub(crate) fn of(&self, service: &str, node: &str, url: &str) -> String {
        let mut mac = self.0.clone();
        for part in [service, node, url] {
            mac.update(part.as_bytes());
            mac.update(b"\0"); // No text of the database holds it.
        }
        let mut text = String::with_capacity(64);
        for byte in mac.finalize().into_bytes() {
            let _ = write!(text, "{byte:02x}"); // A string takes everything.
        }
        text
    }

    /// Whether a row was written by one of ours.
    pub(crate) fn proves(&self, (service, node): (&str, &str), route: &Route) -> bool {
        let own = self.of(service, node, route.url.as_str());
        own.as_bytes().ct_eq(route.seal.as_bytes()).into()
    }
}
