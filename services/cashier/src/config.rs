//! The cashier's settings. The defaults live in `cashier.default.toml`, commented; unknown keys are refused by name.

use crate::domain::pricing::Bonus;
use crate::domain::signature::ChannelSecret;
use chrono::TimeDelta;
use figment::Figment;
use figment::providers::{Format, Toml};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The commented defaults.
pub const DEFAULT_TOML: &str = include_str!("../cashier.default.toml");

/// The channel that is built in for development.
pub const SANDBOX: &str = "sandbox";

/// Where this runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    Development,
    Production,
}

/// One payment channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelConfig {
    /// Where a payment begins; `{recharge_id}` is filled in.
    pub pay_url: String,
}

/// The settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub profile: Profile,
    pub currency: String,
    pub recharge_minor_min: i64,
    pub recharge_minor_max: i64,
    pub callback_window_s: u32,
    pub batch_len_max: usize,
    pub queue_len_max: usize,
    pub lease_ms: u32,
    pub bonuses: Vec<Bonus>,
    pub channels: BTreeMap<String, ChannelConfig>,
}

impl Config {
    /// The commented defaults as a layer to put others on.
    pub fn defaults() -> Figment {
        Figment::from(Toml::string(DEFAULT_TOML))
    }

    /// The defaults alone.
    ///
    /// # Errors
    /// Never, as a test proves; the type is figment's.
    pub fn try_default() -> Result<Config, Box<figment::Error>> {
        Config::defaults().extract().map_err(Box::new)
    }

    pub(crate) fn window(&self) -> TimeDelta {
        TimeDelta::seconds(i64::from(self.callback_window_s))
    }

    pub(crate) fn lease(&self) -> Duration {
        Duration::from_millis(u64::from(self.lease_ms))
    }

    /// The channels of this profile: production has no sandbox.
    pub(crate) fn channels(&self) -> impl Iterator<Item = (&String, &ChannelConfig)> {
        self.channels.iter().filter(|(name, _)| self.profile == Profile::Development || *name != SANDBOX)
    }
}

/// Secrets of payment channels by name.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    pub channels: BTreeMap<String, ChannelSecret>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commented_defaults_are_whole_and_an_unknown_key_is_named() {
        let config = Config::try_default().expect("the defaults are whole");
        assert_eq!(config.profile, Profile::Development);
        let odd = Config::defaults().merge(Toml::string("recharge_minor_maximum = 1"));
        let error = odd.extract::<Config>().expect_err("an unknown key").to_string();
        assert!(error.contains("recharge_minor_maximum"), "{error}");
    }

    #[test]
    fn production_has_no_sandbox() {
        let mut config = Config::try_default().expect("the defaults are whole");
        assert_eq!(config.channels().count(), 1);
        config.profile = Profile::Production;
        assert_eq!(config.channels().count(), 0);
    }
}
