//! What can be set about the adaptive limit, each with its unit, and what is not accepted.

use crate::clock::nanos;
use std::time::Duration;

/// The longest window, and the longest wait that can be allowed.
const WAIT_LONGEST: Duration = Duration::from_secs(10);

/// The highest limit that can be asked for, in requests: one window's counters hold more than twice as many.
pub const LIMIT_CEILING: u32 = 100_000;

/// Settings of an [`AdaptiveLimit`](crate::AdaptiveLimit). `Default` suits a node that answers in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Never fewer places than this, in requests.
    pub limit_min: u32,
    /// Places before anything is known, in requests.
    pub limit_start: u32,
    /// Never more places than this, in requests.
    pub limit_max: u32,
    /// How long a request may wait inside the node on average before that counts as a queue. Work in batches needs
    /// some; less of it means faster answers under overload, more of it means higher throughput.
    pub wait_allowed: Duration,
    /// How often the limit moves at most.
    pub window: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            limit_min: 8,
            limit_start: 64,
            limit_max: 4_096,
            wait_allowed: Duration::from_millis(1),
            window: Duration::from_millis(50),
        }
    }
}

/// Why settings are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error("limit_min must be at least 1, at most limit_max, and limit_start between them")]
    LimitsOutOfOrder,
    #[error("limit_max is at most {LIMIT_CEILING}")]
    LimitTooHigh,
    #[error("window must be from 1 ms to 10 s")]
    WindowOutOfRange,
    #[error("wait_allowed is at most 10 s")]
    WaitTooLong,
}

/// Settings that were found good, in the units of the control.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checked {
    pub limit_min: u64,
    pub limit_start: u64,
    pub limit_max: u64,
    pub wait_allowed_ns: u64,
    pub window_ns: u64,
}

impl Settings {
    /// The defaults with this ceiling: between 1 and [`LIMIT_CEILING`], a number outside counts as the nearest. The
    /// start is a quarter of it.
    pub fn up_to(limit_max: usize) -> Settings {
        let limit_max = u32::try_from(limit_max).unwrap_or(LIMIT_CEILING).clamp(1, LIMIT_CEILING);
        let default = Settings::default();
        let limit_min = default.limit_min.min(limit_max);
        Settings { limit_min, limit_start: (limit_max / 4).clamp(limit_min, limit_max), limit_max, ..default }
    }

    pub(crate) fn check(self) -> Result<Checked, SettingsError> {
        let in_order =
            1 <= self.limit_min && self.limit_min <= self.limit_start && self.limit_start <= self.limit_max;
        if !in_order {
            return Err(SettingsError::LimitsOutOfOrder);
        }
        if self.limit_max > LIMIT_CEILING {
            return Err(SettingsError::LimitTooHigh);
        }
        if self.window < Duration::from_millis(1) || self.window > WAIT_LONGEST {
            return Err(SettingsError::WindowOutOfRange);
        }
        if self.wait_allowed > WAIT_LONGEST {
            return Err(SettingsError::WaitTooLong);
        }
        Ok(self.in_units())
    }

    fn in_units(self) -> Checked {
        Checked {
            limit_min: self.limit_min.into(),
            limit_start: self.limit_start.into(),
            limit_max: self.limit_max.into(),
            wait_allowed_ns: nanos(self.wait_allowed),
            window_ns: nanos(self.window),
        }
    }

    /// What [`Settings::up_to`] makes, which is good whatever was asked for.
    pub(crate) fn checked_up_to(limit_max: usize, wait_allowed: Duration) -> Checked {
        Settings { wait_allowed: wait_allowed.min(WAIT_LONGEST), ..Settings::up_to(limit_max) }.in_units()
    }
}
