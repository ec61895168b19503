//! Settings, each with its unit. The commented defaults are `peer.default.toml`.

use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// The commented defaults, as shipped.
pub const DEFAULTS: &str = include_str!("../peer.default.toml");

/// Where a process listens: `http://host:port`, no path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PeerUrl(Arc<str>);

impl PeerUrl {
    /// The URL without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for PeerUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<PeerUrl> for String {
    fn from(url: PeerUrl) -> String {
        url.0.as_ref().to_owned()
    }
}

impl TryFrom<String> for PeerUrl {
    type Error = ConfigError;
    fn try_from(text: String) -> Result<PeerUrl, ConfigError> {
        let wrong = || ConfigError::BadUrl(text.clone());
        let uri: http::Uri = text.parse().map_err(|_| wrong())?;
        let is_plain = uri.scheme() == Some(&http::uri::Scheme::HTTP) && matches!(uri.path(), "" | "/");
        match uri.authority() {
            Some(authority) if is_plain && uri.query().is_none() && !authority.as_str().contains('@') => {
                Ok(PeerUrl(format!("http://{authority}").into()))
            }
            _ => Err(wrong()),
        }
    }
}

/// The settings.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub cashier: Vec<PeerUrl>,
    pub wallet: Vec<PeerUrl>,
    pub gift: Vec<PeerUrl>,
    pub settlement: Vec<PeerUrl>,
    pub clearing: Vec<PeerUrl>,
    pub recon: Vec<PeerUrl>,
    pub request_timeout_ms: u64,
    pub connect_timeout_ms: u64,
    pub retry_max_ms: u64,
    pub waiting_len_max: usize,
    pub queue_len_max: usize,
    pub batch_len_max: usize,
    pub batch_wait_max_us: u64,
    pub requests_in_flight_max: usize,
    pub map_poll_ms: u64,
}

/// Why settings were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("`{0}` is not the address of a process (http://host:port, without a path)")]
    BadUrl(String),
    #[error("peers.{name} must be {rule}")]
    OutOfRange { name: &'static str, rule: &'static str },
}

impl Config {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] names the first setting that cannot work.
    pub fn check(&self) -> Result<(), ConfigError> {
        let rules = [
            ("request_timeout_ms", self.request_timeout_ms > 0, "at least 1"),
            ("connect_timeout_ms", self.connect_timeout_ms > 0, "at least 1"),
            ("waiting_len_max", self.waiting_len_max > 0, "at least 1"),
            ("queue_len_max", self.queue_len_max > 0, "at least 1"),
            ("batch_len_max", (1..=512).contains(&self.batch_len_max), "1 to 512"),
            ("requests_in_flight_max", (1..=64).contains(&self.requests_in_flight_max), "1 to 64"),
            ("map_poll_ms", self.map_poll_ms > 0, "at least 1"),
        ];
        match rules.into_iter().find(|(_, holds, _)| !holds) {
            None => Ok(()),
            Some((name, _, rule)) => Err(ConfigError::OutOfRange { name, rule }),
        }
    }

    /// Every service that may run elsewhere, with the nodes that are named for it.
    pub fn services(&self) -> [(&'static str, &[PeerUrl]); 6] {
        [
            ("cashier", &self.cashier),
            ("wallet", &self.wallet),
            ("gift", &self.gift),
            ("settlement", &self.settlement),
            ("clearing", &self.clearing),
            ("recon", &self.recon),
        ]
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    pub(crate) fn retry_max(&self) -> Duration {
        Duration::from_millis(self.retry_max_ms)
    }

    /// How often nodes are asked what they hold.
    pub fn map_poll(&self) -> Duration {
        Duration::from_millis(self.map_poll_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::PeerUrl;

    #[test]
    fn only_a_plain_address_is_a_peer() {
        for good in ["http://127.0.0.1:8080", "http://wallet-1:80/"] {
            let url = PeerUrl::try_from(good.to_owned()).expect(good);
            assert_eq!(url.as_str(), good.trim_end_matches('/'));
        }
        for bad in [
            "",
            "wallet-1:8080",
            "https://a:1",
            "http://a:1/x",
            "http://a:1?x=1",
            "http://u:p@a:1",
            "http://",
        ] {
            assert!(PeerUrl::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
