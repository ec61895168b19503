//! Settlement's settings. The defaults live in `settlement.default.toml`, commented; unknown keys are refused by name.

use crate::domain::contract::Terms;
use figment::Figment;
use figment::providers::{Format, Toml};
use seqlog::ReaderSettings;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The commented defaults.
pub const DEFAULT_TOML: &str = include_str!("../settlement.default.toml");

/// The settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub currency: String,
    pub gather_ms: u32,
    pub pull_after_ms: u32,
    pub batch_rows_max: usize,
    pub lease_ms: u32,
    /// How long a batch waits for contracts that are on their way, before it reads them itself; zero does not wait.
    pub contracts_wait_ms: u32,
    pub finalise_every_s: u32,
    pub statements_per_batch: u32,
    pub payouts: PayoutSettings,
    pub payer: Payer,
    /// The address under which people reach these routes: files point there.
    pub public_url: String,
    pub default_contract: Terms,
}

/// What becomes of money after its statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PayoutSettings {
    /// Days a statement is on hold after its own day; zero releases it as soon as it is final.
    pub hold_days: u32,
    /// The least that one request asks for, in minor units.
    pub minimum_minor: i64,
    pub batch_lines_max: u32,
    pub releases_per_batch: u32,
    pub log_every_ms: u32,
}

/// Who pays, as files for the bank name it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payer {
    pub name: String,
    /// An IBAN, or a number of another kind; nothing is written for the bank while it is empty.
    pub account_no: String,
    /// A BIC, or the bank's number in the country's clearing.
    pub bank_code: String,
    /// The clearing system of banks that are not named by BIC.
    pub clearing_system: String,
    /// What payees read on their banks' statements; may be empty.
    pub remittance: String,
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

    /// The first setting that cannot be worked with.
    pub(crate) fn find_bad_setting(&self) -> Option<&'static str> {
        [
            ("gather_ms", self.gather_ms == 0),
            ("pull_after_ms", self.pull_after_ms == 0),
            ("batch_rows_max", self.batch_rows_max == 0),
            ("lease_ms", self.lease_ms == 0),
            ("finalise_every_s", self.finalise_every_s == 0),
            ("statements_per_batch", self.statements_per_batch == 0),
            ("payouts.minimum_minor", self.payouts.minimum_minor <= 0),
            ("payouts.batch_lines_max", self.payouts.batch_lines_max == 0),
            ("payouts.releases_per_batch", self.payouts.releases_per_batch == 0),
            ("payouts.log_every_ms", self.payouts.log_every_ms == 0),
        ]
        .into_iter()
        .find_map(|(setting, bad)| bad.then_some(setting))
    }

    pub(crate) fn lease(&self) -> Duration {
        Duration::from_millis(u64::from(self.lease_ms))
    }

    pub(crate) fn contracts_wait(&self) -> Duration {
        Duration::from_millis(u64::from(self.contracts_wait_ms))
    }

    pub(crate) fn finalise_every(&self) -> Duration {
        Duration::from_secs(u64::from(self.finalise_every_s))
    }

    pub(crate) fn log_every(&self) -> Duration {
        Duration::from_millis(u64::from(self.payouts.log_every_ms))
    }

    pub(crate) fn reader(&self) -> ReaderSettings {
        ReaderSettings {
            gather: Duration::from_millis(u64::from(self.gather_ms)),
            pull_after: Duration::from_millis(u64::from(self.pull_after_ms)),
            batch_rows_max: self.batch_rows_max,
            ..ReaderSettings::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commented_defaults_are_whole_and_an_unknown_key_is_named() {
        let config = Config::try_default().expect("the defaults are whole");
        assert_eq!(config.default_contract.check(), Ok(()));
        assert_eq!(config.find_bad_setting(), None);
        let odd = Config::defaults().merge(Toml::string("[default_contract]\nstreamer_percent = 50"));
        let error = odd.extract::<Config>().expect_err("an unknown key").to_string();
        assert!(error.contains("streamer_percent"), "{error}");
    }
}
