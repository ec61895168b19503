//! Recon's settings; defaults in `recon.default.toml`, commented.

use crate::app::run_desk::Pace;
use crate::domain::action::Limits;
use crate::domain::bill_line::{PayoutSettings, WithdrawalSettings};
use crate::domain::controls::{FaceValue, face_value};
use crate::domain::effect::{BadVoucherRule, VoucherRule, VoucherRules};
use crate::domain::healing::{BadHealing, Healing};
use crate::domain::severity::{BadSeverities, Severities, SeverityRule};
use crate::jobs::daily_work::Timetable;
use chrono::{NaiveDate, NaiveTime, TimeDelta};
use figment::Figment;
use figment::providers::{Format, Toml};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

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
    pub desk_every_ms: u64,
    pub open_after_s: u32,
    pub recheck_every_s: u32,
    pub write_off_coins_max: i64,
    pub grant_coins_max: i64,
    pub wait_days_max: u16,
    pub healing: Healing,
    pub daily_run_at: String,
    pub daily_give_up_after_s: u32,
    pub match_lag_days: u16,
    pub bill_bytes_max: u64,
    pub bill_rows_max: u64,
    pub face_values: Vec<FaceValue>,
    pub severities: Vec<SeverityRule>,
    pub voucher_rules: Vec<VoucherRule>,
    pub payouts: PayoutSettings,
    pub withdrawals: Vec<WithdrawalSettings>,
    pub expected_statements: Vec<String>,
}

/// Why the settings were refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("recon's settings cannot be read: {0}")]
    Unreadable(Box<figment::Error>),
    #[error(transparent)]
    VoucherRule(#[from] BadVoucherRule),
    #[error(transparent)]
    Severities(#[from] BadSeverities),
    #[error(transparent)]
    Healing(#[from] BadHealing),
    #[error("{0} must be above zero")]
    Zero(&'static str),
    #[error("daily_run_at must be a time of day as 04:30, or empty; it is {0:?}")]
    RunAt(String),
    #[error("withdrawals must name each channel once, and the bank it withdraws to; {0:?} is named wrongly")]
    Withdrawals(String),
    #[error("face_values must begin by 2000-01-01 and be above zero")]
    FaceValues,
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
            ("desk_every_ms", self.desk_every_ms),
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

    /// How bad breaks are, with what people and rules may do about them.
    ///
    /// # Errors
    /// [`ConfigError`], with what is wrong.
    pub fn checked_desk(&self) -> Result<Severities, ConfigError> {
        for (name, value) in [
            ("recheck_every_s", i64::from(self.recheck_every_s)),
            ("wait_days_max", i64::from(self.wait_days_max)),
            ("grant_coins_max", self.grant_coins_max),
        ] {
            if value <= 0 {
                return Err(ConfigError::Zero(name));
            }
        }
        self.healing.check()?;
        Ok(Severities::try_new(&self.severities)?)
    }

    /// When daily runs are due.
    ///
    /// # Errors
    /// [`ConfigError`], with what is wrong.
    pub(crate) fn checked_daily(&self) -> Result<Timetable, ConfigError> {
        for (name, value) in [
            ("daily_give_up_after_s", u64::from(self.daily_give_up_after_s)),
            ("bill_bytes_max", self.bill_bytes_max),
            ("bill_rows_max", self.bill_rows_max),
        ] {
            if value == 0 {
                return Err(ConfigError::Zero(name));
            }
        }
        let first = NaiveDate::from_ymd_opt(2000, 1, 1).unwrap_or_default();
        let is_positive = self.face_values.iter().all(|value| value.micros_per_coin > 0);
        if !is_positive || face_value(&self.face_values, first).is_none() {
            return Err(ConfigError::FaceValues);
        }
        let mut channels = BTreeSet::new();
        for WithdrawalSettings { channel, bank, .. } in &self.withdrawals {
            if channel.is_empty() || bank.is_empty() || !channels.insert(channel) {
                return Err(ConfigError::Withdrawals(channel.clone()));
            }
        }
        let bad = |_| ConfigError::RunAt(self.daily_run_at.clone());
        let run_at = match self.daily_run_at.as_str() {
            "" => None,
            text => Some(NaiveTime::parse_from_str(text, "%H:%M").map_err(bad)?),
        };
        let give_up_after = TimeDelta::seconds(i64::from(self.daily_give_up_after_s));
        Ok(Timetable { run_at, give_up_after })
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            write_off_coins_max: self.write_off_coins_max,
            grant_coins_max: self.grant_coins_max,
            wait_days_max: self.wait_days_max,
        }
    }

    pub(crate) fn pace(&self) -> Pace {
        Pace {
            turn_every: Duration::from_millis(self.desk_every_ms),
            open_after: TimeDelta::seconds(i64::from(self.open_after_s)),
            recheck_every: Duration::from_secs(u64::from(self.recheck_every_s)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_withdraws_to_one_bank_that_has_a_name() {
        let of = |pairs: &[(&str, &str)]| {
            let one = |(channel, bank): &(&str, &str)| WithdrawalSettings {
                channel: (*channel).to_owned(),
                bank: (*bank).to_owned(),
                from_day: None,
            };
            let withdrawals = pairs.iter().map(one).collect();
            Config { withdrawals, ..Config::try_default().expect("the defaults") }.checked_daily()
        };
        assert!(of(&[("wechat", "icbc"), ("alipay", "icbc")]).is_ok(), "one account may have many channels");
        for wrong in [&[("wechat", "icbc"), ("wechat", "cmb")][..], &[("wechat", "")], &[("", "icbc")]] {
            assert!(matches!(of(wrong), Err(ConfigError::Withdrawals(_))), "{wrong:?}");
        }
    }
}
