//! Whole coins, from zero up. The wallet's unit; it never has a fraction.

use crate::MoneyError;

/// The largest amount of coins one row may carry: 10^15, a thousand times the largest real balance seen,
/// and small enough that nine thousand such rows still sum within an `i64`.
pub const COINS_MAX: i64 = 1_000_000_000_000_000;

/// An amount of whole coins, from zero to [`COINS_MAX`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, utoipa::ToSchema,
)]
#[serde(transparent)]
pub struct Coins(i64); // Signed because the column is BIGINT; the range is ours to keep.

impl Coins {
    pub const ZERO: Coins = Coins(0);

    /// Makes an amount.
    ///
    /// # Errors
    /// [`MoneyError::Negative`] below zero, [`MoneyError::Overflow`] above [`COINS_MAX`].
    pub fn try_new(coins: i64) -> Result<Coins, MoneyError> {
        match coins {
            0..=COINS_MAX => Ok(Coins(coins)),
            i64::MIN..0 => Err(MoneyError::Negative),
            _ => Err(MoneyError::Overflow),
        }
    }

    pub const fn get(self) -> i64 {
        self.0
    }

    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Adds.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] past [`COINS_MAX`].
    pub fn checked_add(self, other: Coins) -> Result<Coins, MoneyError> {
        self.0.checked_add(other.0).ok_or(MoneyError::Overflow).and_then(Coins::try_new)
    }

    /// Subtracts. `None` means "not enough", which is an answer and not a failure.
    pub fn checked_sub(self, other: Coins) -> Option<Coins> {
        if other <= self { Some(Coins(self.0 - other.0)) } else { None }
    }

    /// Multiplies by a count.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] past [`COINS_MAX`].
    pub fn checked_mul(self, count: u32) -> Result<Coins, MoneyError> {
        self.0.checked_mul(i64::from(count)).ok_or(MoneyError::Overflow).and_then(Coins::try_new)
    }
}

impl std::fmt::Display for Coins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Coins {
    /// Refuses floats, strings and amounts out of range: an amount is an integer or it is an error.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Coins, D::Error> {
        let coins = i64::deserialize(deserializer)?;
        Coins::try_new(coins).map_err(serde::de::Error::custom)
    }
}
