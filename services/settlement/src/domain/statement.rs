//! A statement: one payee's day, rounded once. What is left under a minor unit goes on to the next statement.

use crate::domain::earning::Earning;
use money::{Micros, MoneyError};

/// One payee's day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    pub earning: Earning,
    /// From the statement before: from zero to under a minor unit.
    pub carry_in: Micros,
    /// Negative on a day when refunds took back more than was earned.
    pub payable_minor: i64,
    pub carry_out: Micros,
}

/// Makes the statement of a day's earnings: whole minor units towards minus infinity, the rest carried.
///
/// # Errors
/// [`MoneyError::Overflow`].
pub fn state(earning: Earning, carry_in: Micros) -> Result<Statement, MoneyError> {
    let (payable_minor, carry_out) = earning.net()?.checked_add(carry_in)?.to_minor_and_carry();
    Ok(Statement { earning, carry_in, payable_minor, carry_out })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(share: i64, clawback: i64) -> Earning {
        Earning { share: Micros::new(share), clawback: Micros::new(clawback), ..Earning::default() }
    }

    #[test]
    fn a_negative_day_is_carried_like_any_other() {
        let first = state(day(1_400_000, 0), Micros::ZERO).expect("fits");
        assert_eq!((first.payable_minor, first.carry_out.get()), (1, 400_000));
        let second = state(day(0, -900_000), first.carry_out).expect("fits");
        assert_eq!((second.payable_minor, second.carry_out.get()), (-1, 500_000));
        let third = state(day(500_000, 0), second.carry_out).expect("fits");
        assert_eq!((third.payable_minor, third.carry_out.get()), (1, 0));
    }

    proptest! {
        #[test]
        fn a_chain_of_days_loses_nothing(
            days in prop::collection::vec((0_i64..50_000_000, -50_000_000_i64..1), 1..60)
        ) {
            let (mut carry, mut paid, mut earned) = (Micros::ZERO, 0_i64, 0_i64);
            for (share, clawback) in days {
                let statement = state(day(share, clawback), carry).expect("fits");
                prop_assert!((0..1_000_000).contains(&statement.carry_out.get()));
                (carry, paid, earned) = (statement.carry_out, paid + statement.payable_minor, earned + share + clawback);
            }
            prop_assert_eq!(paid * 1_000_000 + carry.get(), earned);
        }
    }
}
