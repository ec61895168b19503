//! Settings, each with its unit. The commented defaults are `wallet.default.toml`.

use crate::app::LaneSettings;
use crate::domain::Rules;
use contracts::lane::Lane;
use contracts::log::AccountingZone;
use money::Coins;
use serde::Deserialize;
use std::time::Duration;

/// The defaults as the project ships them, with what each setting means.
pub const DEFAULTS: &str = include_str!("../wallet.default.toml");

/// The wallet's settings.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub lane_count: usize,
    pub queue_len_max: usize,
    pub batch_len_max: usize,
    pub batch_wait_max_us: u64,
    pub day_limit_coins: Coins,
    pub hold_age_max_s: u32,
    pub id_ahead_max_s: u32,
    pub id_age_max_days: u16,
    pub keys_max: usize,
    pub keys_window_s: u32,
    pub accounts_max: usize,
    pub snapshot_rows: usize,
    pub snapshot_changes_max: usize,
    pub replay_rows_max: usize,
    pub tick_ms: u64,
    pub lease_ms: u64,
    pub home: Home,
    pub relay: bool,
}

/// Which groups of partitions a database has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Home {
    /// Every group that was not moved away.
    All,
    /// Only groups that were moved here.
    Moved,
}

/// Why settings were refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the settings could not be read")]
    Read(#[from] Box<figment::Error>),
    #[error("{name} must be {rule}")]
    OutOfRange { name: &'static str, rule: &'static str },
}

impl Config {
    /// The defaults.
    ///
    /// # Errors
    /// Never for the file that ships; the signature says what a changed file could do.
    pub fn defaults() -> Result<Config, ConfigError> {
        use figment::providers::{Format, Toml};
        Ok(figment::Figment::from(Toml::string(DEFAULTS)).extract().map_err(Box::new)?)
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] names the first setting that cannot work.
    pub fn check(&self) -> Result<(), ConfigError> {
        let rules = [
            ("lane_count", (1..=8).contains(&self.lane_count), "1 to 8"),
            ("queue_len_max", self.queue_len_max > 0, "at least 1"),
            ("batch_len_max", (1..=8_192).contains(&self.batch_len_max), "1 to 8192"),
            ("keys_max", self.keys_max >= 64, "at least 64"),
            ("accounts_max", self.accounts_max > 0, "at least 1"),
            ("snapshot_rows", self.snapshot_rows > 0, "at least 1"),
            ("snapshot_changes_max", self.snapshot_changes_max <= 64, "at most 64"),
            ("replay_rows_max", self.replay_rows_max >= self.snapshot_rows, "at least snapshot_rows"),
            ("tick_ms", self.tick_ms > 0, "at least 1"),
            ("lease_ms", self.lease_ms >= 100, "at least 100"),
        ];
        match rules.into_iter().find(|(_, holds, _)| !holds) {
            None => Ok(()),
            Some((name, _, rule)) => Err(ConfigError::OutOfRange { name, rule }),
        }
    }

    pub(crate) fn lane_settings(&self, zone: AccountingZone, lane: &Lane) -> LaneSettings {
        let ms = |seconds: u32| i64::from(seconds) * 1_000;
        LaneSettings {
            zone,
            rules: Rules {
                day_limit_coins: self.day_limit_coins,
                hold_age_max_ms: ms(self.hold_age_max_s),
                id_ahead_max_ms: ms(self.id_ahead_max_s),
                id_age_max_ms: i64::from(self.id_age_max_days) * 86_400_000,
                id_version: lane.id_version(),
            },
            batch_len_max: self.batch_len_max,
            batch_wait_max: Duration::from_micros(self.batch_wait_max_us),
            keys_max: self.keys_max,
            keys_window_ms: ms(self.keys_window_s),
            accounts_max: self.accounts_max,
            snapshot_rows: self.snapshot_rows,
            snapshot_changes_max: self.snapshot_changes_max,
            replay_rows_max: self.replay_rows_max,
            tick: Duration::from_millis(self.tick_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn the_defaults_that_ship_are_in_range() {
        Config::defaults().expect("the file parses").check().expect("the ranges hold");
    }

    #[test]
    fn an_unknown_setting_is_refused_by_name() {
        use figment::providers::{Format, Toml};
        let text = format!("{}\nlane_cuont = 3\n", super::DEFAULTS);
        let refused = figment::Figment::from(Toml::string(&text)).extract::<Config>();
        let reason = refused.expect_err("lane_cuont is no setting").to_string();
        assert!(reason.contains("lane_cuont"), "{reason}");
    }
}
