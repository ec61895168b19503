//! One order's value split among its payees, and the part of it that a refund takes back. Exact to the micro.

use crate::domain::contract::{Promo, Terms};
use contracts::entry::Funds;
use contracts::item::Item;
use money::{Coins, Micros, MoneyError, Ppm, split_by_ppm, tax_included};

/// An order's value and who gets what of it: the parts sum to the gross.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Split {
    pub gross_paid: Micros,
    pub gross_promo: Micros,
    pub streamer: Micros,
    pub agency: Micros,
    pub platform: Micros,
    pub tax: Micros,
}

/// Why an order row cannot be settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    #[error(transparent)]
    Money(#[from] MoneyError),
    #[error("more is reversed than was settled")]
    OverReversal,
    #[error("the settled amounts do not follow from the coins and the contract")]
    NotOfThisContract,
}

/// Splits coins at a face value by the terms.
///
/// The paid value is split by the shares; the tax contained in it comes out of the platform's part, and is never
/// more than it (where a contract gives the platform just the tax, rounding could make it one micro more). The
/// promotional value carries no tax: the platform keeps what is not shared.
///
/// # Errors
/// [`SplitError::Money`] where an amount does not fit.
pub fn split(coins: Funds, face_value: Micros, terms: &Terms) -> Result<Split, SplitError> {
    let gross_paid = Micros::of_coins(coins.paid_coins, face_value)?;
    let gross_promo = Micros::of_coins(coins.promo_coins, face_value)?;
    let shares = [terms.streamer_ppm, terms.agency_ppm, terms.platform_ppm];
    let [streamer, agency, platform] = split_by_ppm(gross_paid, shares)?;
    let tax = tax_included(gross_paid, terms.tax_ppm)?.min(platform);
    let promo_shares = match terms.promo {
        Promo::Shared => shares,
        Promo::NotShared => [Ppm::ZERO, Ppm::ZERO, Ppm::try_new(money::PPM_WHOLE)?],
    };
    let [promo_streamer, promo_agency, promo_platform] = split_by_ppm(gross_promo, promo_shares)?;
    Ok(Split {
        gross_paid,
        gross_promo,
        streamer: streamer.checked_add(promo_streamer)?,
        agency: agency.checked_add(promo_agency)?,
        platform: platform.checked_sub(tax)?.checked_add(promo_platform)?,
        tax,
    })
}

impl Split {
    /// What an item says.
    pub fn of_item(item: &Item) -> Split {
        Split {
            gross_paid: item.gross_paid,
            gross_promo: item.gross_promo,
            streamer: item.streamer,
            agency: item.agency,
            platform: item.platform,
            tax: item.tax,
        }
    }

    fn zip(
        self,
        other: Split,
        of: fn(Micros, Micros) -> Result<Micros, MoneyError>,
    ) -> Result<Split, MoneyError> {
        Ok(Split {
            gross_paid: of(self.gross_paid, other.gross_paid)?,
            gross_promo: of(self.gross_promo, other.gross_promo)?,
            streamer: of(self.streamer, other.streamer)?,
            agency: of(self.agency, other.agency)?,
            platform: of(self.platform, other.platform)?,
            tax: of(self.tax, other.tax)?,
        })
    }
}

/// What one refund takes back, as negative amounts.
///
/// Taken back after a refund is the split of all coins refunded so far, so each refund takes the difference: every
/// part follows the contract to the micro, and the refund of the last coin takes exactly what is left.
///
/// # Errors
/// [`SplitError::OverReversal`]; [`SplitError::NotOfThisContract`] when the settled item is not what the contract
/// makes of its coins.
pub fn reverse(settled: &Item, terms: &Terms, before: Funds, now: Funds) -> Result<Split, SplitError> {
    let face_value = face_value_of(settled)?;
    let all = Funds { paid_coins: settled.paid_coins, promo_coins: settled.promo_coins };
    if split(all, face_value, terms)? != Split::of_item(settled) {
        return Err(SplitError::NotOfThisContract);
    }
    let after = Funds {
        paid_coins: before.paid_coins.checked_add(now.paid_coins)?,
        promo_coins: before.promo_coins.checked_add(now.promo_coins)?,
    };
    if after.paid_coins > all.paid_coins || after.promo_coins > all.promo_coins {
        return Err(SplitError::OverReversal);
    }
    let taken_before = split(before, face_value, terms)?;
    Ok(taken_before.zip(split(after, face_value, terms)?, Micros::checked_sub)?)
}

/// The face value an item was settled at.
fn face_value_of(item: &Item) -> Result<Micros, SplitError> {
    let (gross, coins) = if item.paid_coins == Coins::ZERO {
        (item.gross_promo, item.promo_coins)
    } else {
        (item.gross_paid, item.paid_coins)
    };
    if coins == Coins::ZERO {
        return Ok(Micros::ZERO);
    }
    Ok(Micros::new(gross.get() / coins.get()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::contract::tests::terms;
    use chrono::{DateTime, NaiveDate};
    use contracts::item::ItemKind;
    use contracts::log::Stamp;
    use ids::{OrderId, Partition, StreamerId};
    use proptest::prelude::*;

    const FACE: Micros = Micros::new(100_000);

    fn funds(paid: i64, promo: i64) -> Funds {
        let coins = |n| Coins::try_new(n).expect("in range");
        Funds { paid_coins: coins(paid), promo_coins: coins(promo) }
    }

    fn item(coins: Funds, terms: &Terms) -> Item {
        let split = split(coins, FACE, terms).expect("fits");
        Item {
            stamp: Stamp {
                partition: Partition::try_new(0).expect("exists"),
                seq: 1,
                epoch: 1,
                decided_at: DateTime::UNIX_EPOCH,
                minute: 0,
                day: NaiveDate::default(),
                origin_seq: 1,
            },
            order_id: OrderId::now(),
            kind: ItemKind::Settled,
            streamer_id: StreamerId::now(),
            agency_id: terms.agency_id,
            contract_version: 1,
            paid_coins: coins.paid_coins,
            promo_coins: coins.promo_coins,
            gross_paid: split.gross_paid,
            gross_promo: split.gross_promo,
            streamer: split.streamer,
            agency: split.agency,
            platform: split.platform,
            tax: split.tax,
        }
    }

    fn parts(split: &Split) -> [i64; 4] {
        [split.streamer, split.agency, split.platform, split.tax].map(Micros::get)
    }

    /// The worked example of the accounting notes: 500 coins, 40 % and 10 %, 6 % tax.
    #[test]
    fn five_hundred_coins_split_as_the_books_say() {
        let split =
            split(funds(500, 0), FACE, &terms(400_000, 100_000, 60_000, Promo::Shared)).expect("fits");
        assert_eq!(split.gross_paid.get(), 50_000_000);
        assert_eq!(parts(&split), [20_000_000, 5_000_000, 22_169_811, 2_830_189]);
    }

    #[test]
    fn promotional_coins_carry_no_tax_and_are_the_platforms_unless_shared() {
        let not_shared = split(funds(0, 10), FACE, &terms(400_000, 100_000, 60_000, Promo::NotShared));
        assert_eq!(parts(&not_shared.expect("fits")), [0, 0, 1_000_000, 0]);
        let shared = split(funds(0, 10), FACE, &terms(400_000, 100_000, 60_000, Promo::Shared));
        assert_eq!(parts(&shared.expect("fits")), [400_000, 100_000, 500_000, 0]);
    }

    #[test]
    fn an_item_changed_by_hand_is_not_reversed() {
        let terms = terms(400_000, 0, 60_000, Promo::Shared);
        let mut item = item(funds(10, 0), &terms);
        item.streamer = item.streamer.checked_add(Micros::new(1)).expect("fits");
        let refused = reverse(&item, &terms, funds(0, 0), funds(1, 0));
        assert_eq!(refused, Err(SplitError::NotOfThisContract));
    }

    proptest! {
        #[test]
        fn parts_sum_to_the_gross_and_none_is_negative(
            paid in 0_i64..1_000_000_000, promo in 0_i64..1_000_000_000, streamer in 0_u32..=500_000,
            agency in 0_u32..=400_000, tax in 0_u32..=100_000, face in 1_i64..10_000_000, shared in any::<bool>(),
        ) {
            let promo_rule = if shared { Promo::Shared } else { Promo::NotShared };
            let terms = terms(streamer, agency, tax, promo_rule);
            prop_assume!(terms.check().is_ok());
            let split = split(funds(paid, promo), Micros::new(face), &terms).expect("fits");
            let whole = split.gross_paid.get() + split.gross_promo.get();
            prop_assert_eq!(parts(&split).iter().sum::<i64>(), whole);
            prop_assert!(parts(&split).iter().all(|part| *part >= 0), "{:?}", split);
        }

        #[test]
        fn refunds_in_any_parts_restore_zero(
            paid in 0_i64..10_000, promo in 0_i64..10_000, cuts in prop::collection::vec((0_i64..5_000, 0_i64..5_000), 0..6),
            streamer in 0_u32..=500_000, agency in 0_u32..=400_000, shared in any::<bool>(),
        ) {
            let promo_rule = if shared { Promo::Shared } else { Promo::NotShared };
            let terms = terms(streamer, agency, 60_000, promo_rule);
            let item = item(funds(paid, promo), &terms);
            let (mut before, mut sum) = ((0, 0), Split::of_item(&item));
            for (cut_paid, cut_promo) in cuts.into_iter().chain([(paid, promo)]) {
                let now = (cut_paid.min(paid - before.0), cut_promo.min(promo - before.1));
                let back = reverse(&item, &terms, funds(before.0, before.1), funds(now.0, now.1)).expect("is left");
                prop_assert_eq!(parts(&back).iter().sum::<i64>(), back.gross_paid.get() + back.gross_promo.get());
                prop_assert_eq!(back.gross_paid.get(), -now.0 * 100_000);
                sum = sum.zip(back, Micros::checked_add).expect("fits");
                before = (before.0 + now.0, before.1 + now.1);
            }
            prop_assert_eq!(sum, Split::default());
            let more = reverse(&item, &terms, funds(before.0, before.1), funds(1, 0));
            prop_assert_eq!(more, Err(SplitError::OverReversal));
        }
    }
}
