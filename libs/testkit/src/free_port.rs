//! Free ports on the loopback address, below the range that the kernel hands to outgoing connections.

use crate::TestkitError;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port that nobody listens on now. Another process may still take it first: whoever starts a server on it
/// tries again with another one.
///
/// # Errors
/// [`TestkitError::NoFreePort`].
pub fn free_port() -> Result<u16, TestkitError> {
    // Processes begin far apart, so that two of them seldom try the same port at the same moment.
    let start = u16::try_from(u64::from(std::process::id()) * 97 % u64::from(COUNT)).unwrap_or(0);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (start + step) % COUNT;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(TestkitError::NoFreePort { first: FIRST, last: FIRST + COUNT - 1 })
}
