//! How many coins an amount buys. Exact, or refused: a fraction of a coin is never made or lost.

use money::{Coins, Micros};
use serde::{Deserialize, Serialize};

/// Promotional coins on top, for recharges of at least an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bonus {
    pub from_minor: i64,
    pub promo_coins: Coins,
}

/// What an amount buys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    pub paid_coins: Coins,
    pub promo_coins: Coins,
}

/// Why an amount buys nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    #[error("the amount is not worth a whole number of coins")]
    NotWholeCoins,
    #[error("the amount is out of range")]
    OutOfRange,
}

/// The coins due for `amount_minor` at a face value: exact, with the bonus of the highest step reached.
///
/// # Errors
/// [`PriceError`].
pub fn price(amount_minor: i64, face_value: Micros, bonuses: &[Bonus]) -> Result<Price, PriceError> {
    if amount_minor <= 0 || face_value <= Micros::ZERO {
        return Err(PriceError::OutOfRange);
    }
    let worth = Micros::of_minor(amount_minor).map_err(|_| PriceError::OutOfRange)?;
    if worth.get() % face_value.get() != 0 {
        return Err(PriceError::NotWholeCoins);
    }
    let paid_coins = Coins::try_new(worth.get() / face_value.get()).map_err(|_| PriceError::OutOfRange)?;
    let reached = bonuses.iter().filter(|bonus| bonus.from_minor <= amount_minor);
    let promo_coins = reached.max_by_key(|bonus| bonus.from_minor).map_or(Coins::ZERO, |b| b.promo_coins);
    Ok(Price { paid_coins, promo_coins })
}

/// The part of `paid_coins` that a refund of `part_minor` out of `whole_minor` takes back.
///
/// # Errors
/// [`PriceError::NotWholeCoins`] when it is not exact.
pub fn part_of(paid_coins: Coins, part_minor: i64, whole_minor: i64) -> Result<Coins, PriceError> {
    if part_minor <= 0 || whole_minor < part_minor {
        return Err(PriceError::OutOfRange);
    }
    let product = i128::from(paid_coins.get()) * i128::from(part_minor);
    if product % i128::from(whole_minor) != 0 {
        return Err(PriceError::NotWholeCoins);
    }
    let coins = i64::try_from(product / i128::from(whole_minor)).map_err(|_| PriceError::OutOfRange)?;
    match Coins::try_new(coins) {
        Ok(Coins::ZERO) | Err(_) => Err(PriceError::NotWholeCoins),
        Ok(coins) => Ok(coins),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FACE: Micros = Micros::new(100_000);

    fn coins(n: i64) -> Coins {
        Coins::try_new(n).expect("in range")
    }

    #[test]
    fn one_yuan_buys_a_thousand_coins_and_a_third_of_a_fen_nothing() {
        assert_eq!(price(100, FACE, &[]).map(|p| p.paid_coins), Ok(coins(1_000)));
        assert_eq!(price(1, Micros::new(300_000), &[]), Err(PriceError::NotWholeCoins));
        assert_eq!(price(0, FACE, &[]), Err(PriceError::OutOfRange));
        assert_eq!(price(-5, FACE, &[]), Err(PriceError::OutOfRange));
        assert_eq!(price(i64::MAX, FACE, &[]), Err(PriceError::OutOfRange));
    }

    #[test]
    fn the_highest_step_reached_gives_the_bonus() {
        let steps =
            [(10_000, 500), (1_000, 30)].map(|(from_minor, n)| Bonus { from_minor, promo_coins: coins(n) });
        let bonus = |amount| price(amount, FACE, &steps).expect("whole coins").promo_coins.get();
        assert_eq!([bonus(999), bonus(1_000), bonus(9_999), bonus(10_000)], [0, 30, 30, 500]);
    }

    proptest! {
        #[test]
        fn coins_are_worth_exactly_what_was_paid(amount in 1_i64..1_000_000_000, face in 1_i64..10_000_000) {
            if let Ok(price) = price(amount, Micros::new(face), &[]) {
                let worth = Micros::of_coins(price.paid_coins, Micros::new(face)).expect("fits");
                prop_assert_eq!(worth, Micros::of_minor(amount).expect("fits"));
            }
        }
    }
}
