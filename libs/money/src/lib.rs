//! Exact money: whole coins, fiat in millionths of a minor unit, shares in parts per million.
//!
//! Owns the only arithmetic on amounts. `Add`, `Sub` and `Mul` are missing on purpose: every sum must
//! say what happens when it does not fit. Must not know about accounts, currencies' names or storage.

mod coins;
mod micros;
mod split;

pub use coins::{COINS_MAX, Coins};
pub use micros::{MICROS_PER_MINOR, Micros};
pub use split::{PPM_WHOLE, Ppm, split_by_ppm, tax_included};

/// Why an amount could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    #[error("the amount does not fit its type")]
    Overflow,
    #[error("the amount is negative")]
    Negative,
    #[error("shares must be between 0 and 1,000,000 ppm and sum to 1,000,000")]
    BadShares,
}
