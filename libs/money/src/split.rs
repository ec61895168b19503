//! Splits of one amount into shares that sum to it exactly, and tax contained in an amount.

use crate::{Micros, MoneyError};

/// Parts per million in a whole.
pub const PPM_WHOLE: u32 = 1_000_000;

/// A share in parts per million, from 0 to [`PPM_WHOLE`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, utoipa::ToSchema,
)]
#[serde(transparent)]
pub struct Ppm(u32);

impl Ppm {
    pub const ZERO: Ppm = Ppm(0);

    /// Makes a share.
    ///
    /// # Errors
    /// [`MoneyError::BadShares`] above a whole.
    pub fn try_new(ppm: u32) -> Result<Ppm, MoneyError> {
        if ppm <= PPM_WHOLE { Ok(Ppm(ppm)) } else { Err(MoneyError::BadShares) }
    }

    pub const fn get(self) -> u32 {
        self.0
    }
}

impl<'de> serde::Deserialize<'de> for Ppm {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Ppm, D::Error> {
        Ppm::try_new(u32::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Splits `amount` by shares that sum to a whole, by largest remainder: each part is rounded down, and what
/// is left goes, one micro each, to the parts that lost most (ties to the earlier share). The parts sum to
/// `amount` exactly, and each is less than one micro away from its exact share. A negative amount splits as
/// the mirror image of the positive one, so a reversal takes back exactly what was given.
///
/// # Errors
/// [`MoneyError::BadShares`] when the shares do not sum to 1,000,000; [`MoneyError::Overflow`] never for
/// amounts an `i64` holds except its minimum.
pub fn split_by_ppm<const N: usize>(amount: Micros, shares: [Ppm; N]) -> Result<[Micros; N], MoneyError> {
    let whole: u64 = shares.iter().map(|share| u64::from(share.0)).sum();
    if whole != u64::from(PPM_WHOLE) {
        return Err(MoneyError::BadShares);
    }
    if amount < Micros::ZERO {
        let mut parts = split_by_ppm(amount.checked_neg()?, shares)?;
        for part in &mut parts {
            *part = part.checked_neg()?;
        }
        return Ok(parts);
    }
    let mut parts = [Micros::ZERO; N];
    let mut remainders = [(0_i128, 0_usize); N];
    let mut left = amount;
    for (at, share) in shares.iter().enumerate() {
        let exact = i128::from(amount.get()) * i128::from(share.0);
        let floor = i64::try_from(exact / i128::from(PPM_WHOLE)).map_err(|_| MoneyError::Overflow)?;
        parts[at] = Micros::new(floor);
        left = left.checked_sub(parts[at])?;
        remainders[at] = (-(exact % i128::from(PPM_WHOLE)), at);
    }
    remainders.sort_unstable();
    for (_, at) in remainders {
        if left == Micros::ZERO {
            break;
        }
        parts[at] = parts[at].checked_add(Micros::new(1))?;
        left = left.checked_sub(Micros::new(1))?;
    }
    Ok(parts)
}

/// The tax contained in a tax-inclusive amount at a rate in ppm: `amount × rate / (1 + rate)`, rounded half
/// up in micros for amounts from zero, mirrored below zero.
///
/// # Errors
/// [`MoneyError::Overflow`] only for the `i64` minimum.
pub fn tax_included(amount: Micros, rate: Ppm) -> Result<Micros, MoneyError> {
    if amount < Micros::ZERO {
        return tax_included(amount.checked_neg()?, rate)?.checked_neg();
    }
    let divisor = i128::from(PPM_WHOLE) + i128::from(rate.0);
    let numerator = i128::from(amount.get()) * i128::from(rate.0);
    let rounded = (numerator * 2 + divisor) / (divisor * 2);
    i64::try_from(rounded).map(Micros::new).map_err(|_| MoneyError::Overflow)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_sum_to_the_whole_and_stay_within_one_micro(
            amount in -1_000_000_000_000_000_i64..1_000_000_000_000_000,
            a in 0_u32..=1_000_000, b in 0_u32..=1_000_000,
        ) {
            let b = b.min(PPM_WHOLE - a);
            let shares = [a, b, PPM_WHOLE - a - b].map(|ppm| Ppm::try_new(ppm).expect("in range"));
            let parts = split_by_ppm(Micros::new(amount), shares).expect("shares sum to a whole");
            prop_assert_eq!(parts.iter().map(|part| part.get()).sum::<i64>(), amount);
            for (part, share) in parts.iter().zip(shares) {
                let exact = i128::from(amount) * i128::from(share.get());
                let off = i128::from(part.get()) * i128::from(PPM_WHOLE) - exact;
                prop_assert!(off.abs() < i128::from(PPM_WHOLE), "{part:?} is {off} ppm-micros away");
            }
            let mirror = split_by_ppm(Micros::new(-amount), shares).expect("shares sum to a whole");
            prop_assert_eq!(mirror.map(|part| -part.get()), parts.map(Micros::get));
        }

        #[test]
        fn tax_and_net_are_parts_of_the_gross(amount in 0_i64..1_000_000_000_000_000, rate in 0_u32..=1_000_000) {
            let tax = tax_included(Micros::new(amount), Ppm::try_new(rate).expect("in range")).expect("fits");
            prop_assert!(tax.get() >= 0 && tax.get() <= amount);
        }
    }

    #[test]
    fn six_per_cent_of_fifty_yuan_is_two_yuan_eighty_three() {
        let tax = tax_included(Micros::new(5_000_000_000), Ppm::try_new(60_000).expect("in range"));
        assert_eq!(tax.expect("fits").get(), 283_018_868);
    }

    #[test]
    fn shares_that_do_not_sum_to_a_whole_are_refused() {
        let shares = [400_000, 100_000].map(|ppm| Ppm::try_new(ppm).expect("in range"));
        assert_eq!(split_by_ppm(Micros::new(1), shares), Err(MoneyError::BadShares));
    }
}
