//! What is withheld of a payout for the payee's income tax, by a dated rule. Whole minor units, rounded half up once.

use chrono::NaiveDate;
use money::{MoneyError, PPM_WHOLE, Ppm};

/// A rule in force from a day on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithholdingRule {
    pub rule_id: i32,
    pub valid_from: NaiveDate,
    pub method: Method,
}

/// How a rule computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// A part of each payout.
    Flat(Ppm),
    /// A table over the income of the calendar year, less what was withheld before.
    Cumulative(Cumulative),
}

/// The cumulative method's figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cumulative {
    /// The part of income that counts as costs.
    pub cost: Ppm,
    /// Free of tax for each month since the year's first payout.
    pub allowance_minor: i64,
    /// Lowest first.
    pub brackets: Vec<Bracket>,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bracket {
    /// Taxable income above this is in the bracket.
    pub above_minor: i64,
    pub rate: Ppm,
    /// Taken off the tax at this rate of all taxable income.
    pub quick_minor: i64,
}

/// A payee's calendar year before a payout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct YearSoFar {
    pub gross_minor: i64,
    pub tax_minor: i64,
    /// Months from the first payout of the year to this one, both included; at least 1.
    pub months: u32,
}

/// What is withheld of `gross_minor`, zero or more. May be more than the payout where earlier payouts were taxed
/// too low; the caller refuses that.
///
/// # Errors
/// [`MoneyError::Overflow`].
pub fn withhold(method: &Method, so_far: YearSoFar, gross_minor: i64) -> Result<i64, MoneyError> {
    match method {
        Method::Flat(rate) => {
            let scaled = i128::from(gross_minor) * i128::from(rate.get());
            minor(half_up(scaled, i128::from(PPM_WHOLE)))
        }
        Method::Cumulative(figures) => {
            let income = so_far.gross_minor.checked_add(gross_minor).ok_or(MoneyError::Overflow)?;
            let due = figures.tax_of_year(income, so_far.months)?;
            Ok(due.saturating_sub(so_far.tax_minor).max(0))
        }
    }
}

impl Cumulative {
    /// The tax of a year's income, zero or more.
    fn tax_of_year(&self, income_minor: i64, months: u32) -> Result<i64, MoneyError> {
        let whole = i128::from(PPM_WHOLE);
        let kept = whole - i128::from(self.cost.get());
        // In millionths of a minor unit, so that costs are not rounded on their own.
        let taxable =
            i128::from(income_minor) * kept - i128::from(self.allowance_minor) * i128::from(months) * whole;
        let bracket = self.brackets.iter().rev().find(|row| taxable > i128::from(row.above_minor) * whole);
        let Some(bracket) = bracket else { return Ok(0) };
        let tax = taxable
            .checked_mul(i128::from(bracket.rate.get()))
            .ok_or(MoneyError::Overflow)?
            .checked_sub(i128::from(bracket.quick_minor) * whole * whole)
            .ok_or(MoneyError::Overflow)?;
        minor(half_up(tax.max(0), whole * whole))
    }
}

/// The nearest whole, halves upwards; neither number is below zero.
const fn half_up(value: i128, unit: i128) -> i128 {
    (value + unit / 2) / unit
}

fn minor(value: i128) -> Result<i64, MoneyError> {
    i64::try_from(value).map_err(|_| MoneyError::Overflow)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ppm(rate: u32) -> Ppm {
        Ppm::try_new(rate).expect("in range")
    }

    /// The table that the migration ships.
    fn shipped() -> Cumulative {
        let rows = [
            (0, 30_000, 0),
            (3_600_000, 100_000, 252_000),
            (14_400_000, 200_000, 1_692_000),
            (30_000_000, 250_000, 3_192_000),
            (42_000_000, 300_000, 5_292_000),
            (66_000_000, 350_000, 8_592_000),
            (96_000_000, 450_000, 18_192_000),
        ];
        let brackets = rows.map(|(above_minor, rate, quick_minor)| Bracket {
            above_minor,
            rate: ppm(rate),
            quick_minor,
        });
        Cumulative { cost: ppm(200_000), allowance_minor: 500_000, brackets: brackets.to_vec() }
    }

    /// The same tax, bracket by bracket from the bottom: it knows no quick deduction.
    fn by_slices(figures: &Cumulative, income_minor: i64, months: u32) -> i64 {
        let whole = 1_000_000_i128;
        let taxable = i128::from(income_minor) * (whole - i128::from(figures.cost.get()))
            - i128::from(figures.allowance_minor) * i128::from(months) * whole;
        let tops = figures.brackets.iter().skip(1).map(|row| i128::from(row.above_minor) * whole);
        let slices = figures.brackets.iter().zip(tops.chain([i128::MAX]));
        let tax: i128 = slices
            .map(|(row, top)| {
                let bottom = i128::from(row.above_minor) * whole;
                (taxable.min(top) - bottom).max(0) * i128::from(row.rate.get())
            })
            .sum();
        i64::try_from((tax + whole * whole / 2) / (whole * whole)).expect("fits")
    }

    #[test]
    fn a_year_of_ten_thousand_a_month_is_taxed_as_by_hand() {
        let method = Method::Cumulative(shipped());
        let (mut so_far, mut withheld) = (YearSoFar::default(), Vec::new());
        for month in 1..=12 {
            so_far.months = month;
            let tax = withhold(&method, so_far, 1_000_000).expect("fits");
            withheld.push(tax);
            so_far = YearSoFar {
                gross_minor: so_far.gross_minor + 1_000_000,
                tax_minor: so_far.tax_minor + tax,
                months: month,
            };
        }
        // 10,000 less 2,000 of costs less 5,000: 3,000 taxable a month at 3 %, up to 36,000 in the year.
        assert_eq!(withheld, [9_000; 12]);
    }

    #[test]
    fn a_flat_rate_rounds_half_up() {
        let of = |rate, gross| withhold(&Method::Flat(ppm(rate)), YearSoFar::default(), gross).expect("fits");
        assert_eq!([of(100_000, 5), of(100_000, 4), of(0, 1_000), of(1_000_000, 7)], [1, 0, 0, 7]);
    }

    proptest! {
        #[test]
        fn all_that_was_withheld_is_the_tax_of_the_year(
            payouts in prop::collection::vec((1_i64..50_000_000, 0_u32..2), 1..24)
        ) {
            let figures = shipped();
            let method = Method::Cumulative(figures.clone());
            let (mut so_far, mut month, mut most) = (YearSoFar { months: 1, ..YearSoFar::default() }, 1, 0);
            for (gross, later) in payouts {
                month = (month + later).min(12);
                so_far.months = month;
                let tax = withhold(&method, so_far, gross).expect("fits");
                prop_assert!(tax >= 0);
                so_far.gross_minor += gross;
                so_far.tax_minor += tax;
                // A month without much income brings an allowance: what was withheld before is not paid back.
                most = by_slices(&figures, so_far.gross_minor, month).max(most);
                prop_assert_eq!(so_far.tax_minor, most);
            }
        }
    }
}
