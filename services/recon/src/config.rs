//! Recon's settings; defaults in `recon.default.toml`, commented.

use crate::domain::effect::{BadVoucherRule, VoucherRule, VoucherRules};
use figment::Figment;
use figment::providers::{Format, Toml};
use serde::{Deserialize, Serialize};

/// The commented defaults, as the program ships them.
pub const DEFAULTS: &str = include_str!("../recon.default.toml");

/// Recon's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub compare_every_ms: u64,
    pub gather_ms: u64,
    pub batch_rows_max: usize,
    pub keep_days: u16,
    pub lease_ms: u64,
    pub voucher_rules: Vec<VoucherRule>,
}

/// Why the settings were refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("recon's settings cannot be read: {0}")]
    Unreadable(Box<figment::Error>),
    #[error(transparent)]
    VoucherRule(#[from] BadVoucherRule),
    #[error("{0} must be above zero")]
    Zero(&'static str),
}

impl Config {
    /// The defaults.
    ///
    /// # Errors
    /// [`ConfigError::Unreadable`], which would be a mistake in the shipped file.
    pub fn try_default() -> Result<Config, ConfigError> {
        let read = Figment::from(Toml::string(DEFAULTS)).extract();
        read.map_err(|error| ConfigError::Unreadable(Box::new(error)))
    }

    /// Which voucher each kind of row must become.
    ///
    /// # Errors
    /// [`ConfigError`], with the name of what is wrong.
    pub fn checked_rules(&self) -> Result<VoucherRules, ConfigError> {
        for (name, value) in [
            ("compare_every_ms", self.compare_every_ms),
            ("gather_ms", self.gather_ms),
            ("lease_ms", self.lease_ms),
        ] {
            if value == 0 {
                return Err(ConfigError::Zero(name));
            }
        }
        if self.batch_rows_max == 0 {
            return Err(ConfigError::Zero("batch_rows_max"));
        }
        if self.keep_days == 0 {
            return Err(ConfigError::Zero("keep_days"));
        }
        Ok(VoucherRules::try_new(&self.voucher_rules)?)
    }
}
