//! The token of calls between processes: short-lived, signed with the key that every process shares.

use edge::{Role, TokenKeys};
use http::HeaderValue;
use ids::Uuid;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long one token is good for. A node whose clock is ten minutes late mints tokens that its peers see end ten
/// minutes early, so this is well above that.
const TOKEN_TTL: Duration = Duration::from_secs(30 * 60);
/// How long one token is used before the next is minted.
const RENEW_AFTER: Duration = Duration::from_secs(5 * 60);

pub(crate) struct Credentials {
    keys: TokenKeys,
    /// This process: new at each start.
    sub: Uuid,
    current: Mutex<Option<(Instant, HeaderValue)>>,
}

impl Credentials {
    pub fn new(keys: TokenKeys) -> Credentials {
        Credentials { keys, sub: Uuid::now_v7(), current: Mutex::default() }
    }

    /// `Bearer …`; `None` if no token can be made, which no known input causes.
    pub fn header(&self) -> Option<HeaderValue> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((minted_at, header)) = &*current
            && minted_at.elapsed() < RENEW_AFTER
        {
            return Some(header.clone());
        }
        let token = self.keys.mint(Role::Internal, self.sub, TOKEN_TTL).ok()?;
        let mut header = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
        header.set_sensitive(true);
        *current = Some((Instant::now(), header.clone()));
        Some(header)
    }
}
