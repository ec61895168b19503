//! Fiat in millionths of a minor unit (a micro-fen for CNY), signed: a reversal is a negative amount.

use crate::{Coins, MoneyError};
use rust_decimal::Decimal;

/// Millionths in one minor unit (one fen, one cent).
pub const MICROS_PER_MINOR: i64 = 1_000_000;

/// A signed amount of fiat in millionths of a minor unit.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    utoipa::ToSchema,
)]
#[serde(transparent)]
pub struct Micros(i64);

impl Micros {
    pub const ZERO: Micros = Micros(0);

    pub const fn new(micros: i64) -> Micros {
        Micros(micros)
    }

    pub const fn get(self) -> i64 {
        self.0
    }

    /// The worth of `coins` at a face value in micros per coin.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] where the worth does not fit.
    pub fn of_coins(coins: Coins, face_value: Micros) -> Result<Micros, MoneyError> {
        coins.get().checked_mul(face_value.0).map(Micros).ok_or(MoneyError::Overflow)
    }

    /// Whole minor units as micros.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] where the amount does not fit.
    pub fn of_minor(amount_minor: i64) -> Result<Micros, MoneyError> {
        amount_minor.checked_mul(MICROS_PER_MINOR).map(Micros).ok_or(MoneyError::Overflow)
    }

    /// Adds.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] where the sum does not fit.
    pub fn checked_add(self, other: Micros) -> Result<Micros, MoneyError> {
        self.0.checked_add(other.0).map(Micros).ok_or(MoneyError::Overflow)
    }

    /// Subtracts; the result may be negative.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] where the difference does not fit.
    pub fn checked_sub(self, other: Micros) -> Result<Micros, MoneyError> {
        self.0.checked_sub(other.0).map(Micros).ok_or(MoneyError::Overflow)
    }

    /// The same amount with the other sign.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] for the one value that has no opposite.
    pub fn checked_neg(self) -> Result<Micros, MoneyError> {
        self.0.checked_neg().map(Micros).ok_or(MoneyError::Overflow)
    }

    /// Splits into whole minor units, rounded towards minus infinity, and the remainder (0 ≤ r < 1,000,000).
    /// The rule of a statement: pay the whole units, carry the remainder into the next statement.
    pub fn to_minor_and_carry(self) -> (i64, Micros) {
        (self.0.div_euclid(MICROS_PER_MINOR), Micros(self.0.rem_euclid(MICROS_PER_MINOR)))
    }

    /// The amount in major units (yuan, dollars) for people to read; exact.
    pub fn to_major(self) -> Decimal {
        Decimal::new(self.0, 8).normalize()
    }
}

impl std::fmt::Display for Micros {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.to_major())
    }
}
