//! Clearing's settings; defaults in `clearing.default.toml`, commented.

use crate::domain::chart::Account;
use crate::domain::face_value::{FaceValue, FaceValues};
use crate::domain::movement::Terms;
use crate::domain::policy::{BadPolicy, Policy};
use crate::domain::rules::Rule;
use figment::Figment;
use figment::providers::{Format, Toml};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The commented defaults, as the program ships them.
pub const DEFAULTS: &str = include_str!("../clearing.default.toml");

const CHART: &str = include_str!("../chart.default.toml");
const RULES: &str = include_str!("../rules.default.toml");

/// Clearing's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// ISO 4217.
    pub currency: String,
    pub gather_ms: u64,
    pub batch_rows_max: usize,
    pub lease_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart_file: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules_file: Option<PathBuf>,
    pub face_values: Vec<FaceValue>,
    /// Channels that send a bill for every day.
    pub expected_bills: Vec<String>,
    /// Accounts at banks that send a statement for every day.
    pub expected_statements: Vec<String>,
    pub seal_within_s: u64,
    /// The accounts of the coin liability.
    pub coin_accounts: Vec<String>,
    pub channel_settlement: ChannelAccounts,
}

/// The accounts that a channel's payment to us moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelAccounts {
    /// What channels owe us.
    pub receivable: String,
    pub bank: String,
    /// What channels keep.
    pub fee: String,
}

/// Why the settings were refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("clearing's settings cannot be read: {0}")]
    Unreadable(Box<figment::Error>),
    #[error("clearing's chart and rules do not fit together")]
    Policy(#[from] BadPolicy),
    #[error("{0} must be above zero")]
    Zero(&'static str),
}

impl From<figment::Error> for ConfigError {
    fn from(error: figment::Error) -> ConfigError {
        ConfigError::Unreadable(Box::new(error))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChartFile {
    accounts: Vec<Account>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RulesFile {
    rules: Vec<Rule>,
}

impl Config {
    /// The defaults.
    ///
    /// # Errors
    /// [`ConfigError::Unreadable`], which would be a mistake in the shipped file.
    pub fn try_default() -> Result<Config, ConfigError> {
        Ok(Figment::from(Toml::string(DEFAULTS)).extract()?)
    }

    /// The chart, rules and face values in force, checked against each other.
    ///
    /// # Errors
    /// [`ConfigError`], with the name of what is wrong.
    pub fn policy(&self) -> Result<Policy, ConfigError> {
        let file = |path: Option<&Path>, default: &str| match path {
            Some(path) => Figment::from(Toml::file_exact(path)),
            None => Figment::from(Toml::string(default)),
        };
        let chart: ChartFile = file(self.chart_file.as_deref(), CHART).extract()?;
        let rules: RulesFile = file(self.rules_file.as_deref(), RULES).extract()?;
        let face_values = FaceValues::try_new(self.face_values.clone()).ok_or(BadPolicy::BadFaceValues)?;
        let above_zero = [
            ("gather_ms", self.gather_ms),
            ("lease_ms", self.lease_ms),
            ("seal_within_s", self.seal_within_s),
        ];
        for (name, value) in above_zero {
            if value == 0 {
                return Err(ConfigError::Zero(name));
            }
        }
        if self.batch_rows_max == 0 {
            return Err(ConfigError::Zero("batch_rows_max"));
        }
        Ok(Policy::try_new(chart.accounts, rules.rules, face_values)?)
    }

    /// What the movements of rows depend on.
    pub fn terms(&self, policy: &Policy) -> Terms {
        Terms { currency: self.currency.clone(), face_values: policy.face_values.clone() }
    }
}
