//! Settings of gift; the defaults are `gift.default.toml`, where each is explained.

use edge::KeyAge;
use figment::Figment;
use figment::providers::{Format, Toml};
use hotkey::{CounterSettings, HotSettings};
use seqlog::ReaderSettings;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The commented defaults, as shipped.
pub const DEFAULTS: &str = include_str!("../gift.default.toml");

/// Every setting of gift.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub key_age_max_s: u64,
    pub key_future_max_s: u64,
    pub combo_gap_ms: u32,
    pub combo_sessions_max: usize,
    pub delivery_deadline_s: u64,
    pub report_grace_s: u64,
    pub node_lease_ms: u64,
    pub report_resend_ms: u64,
    pub report_reach_max_ms: u64,
    pub report_wait_ms: u64,
    pub gather_ms: u64,
    pub batch_rows_max: usize,
    pub look_every_ms: u64,
    pub keeper_lease_ms: u64,
    pub refund_retry_ms: u64,
    pub shelf_poll_ms: u64,
    pub blind_boxes: bool,
    pub room_subscribers_max: usize,
    pub subscribers_max: usize,
    pub heartbeat_s: u64,
    pub ranks_len_max: usize,
    pub hot_per_s: u64,
    pub hot_keys_max: usize,
    pub hot_bytes_max: usize,
    pub hot_stale_max_ms: u64,
    pub counters_write_ms: u64,
    pub quota_share_ms: u64,
}

impl Config {
    /// The defaults alone.
    ///
    /// # Errors
    /// Never with the file as shipped; a test holds it to that.
    pub fn defaults() -> Result<Config, Box<figment::Error>> {
        Figment::from(Toml::string(DEFAULTS)).extract().map_err(Box::new)
    }

    pub(crate) fn key_age(&self) -> KeyAge {
        KeyAge {
            key_age_max: Duration::from_secs(self.key_age_max_s),
            key_future_max: Duration::from_secs(self.key_future_max_s),
        }
    }

    /// Hot ranks and room counters, each set with bounds of its own.
    pub(crate) fn hot(&self) -> HotSettings {
        let stale_max = Duration::from_millis(self.hot_stale_max_ms);
        let shipped = HotSettings::default();
        HotSettings {
            hot_per_s: self.hot_per_s,
            keys_max: self.hot_keys_max,
            bytes_max: self.hot_bytes_max,
            value_bytes_max: shipped.value_bytes_max.min(self.hot_bytes_max),
            stale_max,
            refresh_after: stale_max / 2,
            ..shipped
        }
    }

    pub(crate) fn counters(&self) -> CounterSettings {
        CounterSettings {
            flush_every: Duration::from_millis(self.counters_write_ms),
            ..CounterSettings::default()
        }
    }

    pub(crate) fn quota_share(&self) -> Duration {
        Duration::from_millis(self.quota_share_ms.max(10))
    }

    pub(crate) fn heartbeat(&self) -> Duration {
        Duration::from_secs(self.heartbeat_s.max(1))
    }

    pub(crate) fn refund_retry(&self) -> Duration {
        Duration::from_millis(self.refund_retry_ms.max(10))
    }

    pub(crate) fn reader(&self) -> ReaderSettings {
        ReaderSettings {
            gather: Duration::from_millis(self.gather_ms.max(1)),
            batch_rows_max: self.batch_rows_max.max(1),
            ..ReaderSettings::default()
        }
    }
}
