//! A rule of withholding as people write it, and whether it is one.

use chrono::NaiveDate;
use contracts::payout::PayeeClass;
use money::PPM_WHOLE;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The most brackets that one table has.
pub const BRACKETS_MAX: usize = 50;

/// The longest name, in bytes.
const NAME_LEN_MAX: usize = 200;

/// A rule: of whom it withholds, from which day on, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WithholdingTerms {
    pub payee: PayeeClass,
    /// The first accounting day whose payouts it withholds of.
    pub valid_from: NaiveDate,
    /// Such as the announcement it follows.
    pub name: String,
    pub method: MethodTerms,
}

/// How it computes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum MethodTerms {
    /// A part of each payout.
    Flat {
        /// In parts per million.
        rate_ppm: u32,
    },
    /// A table over the income of the calendar year, less what was withheld before.
    Cumulative {
        /// The part of income that counts as costs, in parts per million.
        cost_ppm: u32,
        /// Free of tax for each month since the year's first payout, in minor units.
        allowance_minor: i64,
        /// Lowest first.
        brackets: Vec<BracketTerms>,
    },
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BracketTerms {
    /// Taxable income above this is in the bracket, in minor units.
    pub above_minor: i64,
    /// In parts per million.
    pub rate_ppm: u32,
    /// Taken off the tax at this rate of all taxable income, in minor units.
    pub quick_minor: i64,
}

/// Why a rule is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTerms {
    #[error("the name is empty or longer than {NAME_LEN_MAX} bytes")]
    Name,
    #[error("{field} is {ppm} parts per million, and the whole has 1,000,000")]
    MoreThanWhole { field: &'static str, ppm: u32 },
    #[error("allowance_minor is below zero")]
    Allowance,
    #[error("there are {0} brackets, not 1 to {BRACKETS_MAX}")]
    Brackets(usize),
    #[error("the first bracket begins above {0}, not above 0")]
    NotFromZero(i64),
    #[error("bracket {number} does not begin above the one before, or taxes less than it")]
    NotRising { number: usize },
    #[error(
        "bracket {number} takes off {found}, and the brackets below it make that {expected}: the tax would jump"
    )]
    Jump { number: usize, found: i64, expected: i128 },
}

fn within_whole(field: &'static str, ppm: u32) -> Result<(), BadTerms> {
    if ppm > PPM_WHOLE { Err(BadTerms::MoreThanWhole { field, ppm }) } else { Ok(()) }
}

impl WithholdingTerms {
    /// Whether it can be computed by, and its tax never jumps where income passes from one bracket to the next.
    ///
    /// # Errors
    /// [`BadTerms`], the first found.
    pub fn check(&self) -> Result<(), BadTerms> {
        if self.name.trim().is_empty() || self.name.len() > NAME_LEN_MAX {
            return Err(BadTerms::Name);
        }
        match &self.method {
            MethodTerms::Flat { rate_ppm } => within_whole("rate_ppm", *rate_ppm),
            MethodTerms::Cumulative { cost_ppm, allowance_minor, brackets } => {
                within_whole("cost_ppm", *cost_ppm)?;
                if *allowance_minor < 0 {
                    return Err(BadTerms::Allowance);
                }
                check_brackets(brackets)
            }
        }
    }
}

fn check_brackets(brackets: &[BracketTerms]) -> Result<(), BadTerms> {
    if !(1..=BRACKETS_MAX).contains(&brackets.len()) {
        return Err(BadTerms::Brackets(brackets.len()));
    }
    let mut before = BracketTerms { above_minor: 0, rate_ppm: 0, quick_minor: 0 };
    for (index, bracket) in brackets.iter().enumerate() {
        let number = index + 1;
        within_whole("rate_ppm", bracket.rate_ppm)?;
        let is_rising = bracket.above_minor > before.above_minor && bracket.rate_ppm >= before.rate_ppm;
        match index {
            0 if bracket.above_minor != 0 => return Err(BadTerms::NotFromZero(bracket.above_minor)),
            0 => {}
            _ if !is_rising => return Err(BadTerms::NotRising { number }),
            _ => {}
        }
        // What the lower brackets tax less: their part of the income at the difference of the rates.
        let more_ppm = i128::from(bracket.rate_ppm) - i128::from(before.rate_ppm);
        let expected = i128::from(before.quick_minor)
            + i128::from(bracket.above_minor) * more_ppm / i128::from(PPM_WHOLE);
        if expected != i128::from(bracket.quick_minor) {
            return Err(BadTerms::Jump { number, found: bracket.quick_minor, expected });
        }
        before = *bracket;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(brackets: &[(i64, u32, i64)]) -> WithholdingTerms {
        let row = |(above_minor, rate_ppm, quick_minor): &(i64, u32, i64)| BracketTerms {
            above_minor: *above_minor,
            rate_ppm: *rate_ppm,
            quick_minor: *quick_minor,
        };
        let brackets = brackets.iter().map(row).collect();
        let method = MethodTerms::Cumulative { cost_ppm: 200_000, allowance_minor: 500_000, brackets };
        let valid_from = NaiveDate::from_ymd_opt(2027, 1, 1).expect("a day");
        WithholdingTerms { payee: PayeeClass::Streamer, valid_from, name: "2027".to_owned(), method }
    }

    #[test]
    fn the_yearly_table_of_comprehensive_income_is_a_rule() {
        let table = [
            (0, 30_000, 0),
            (3_600_000, 100_000, 252_000),
            (14_400_000, 200_000, 1_692_000),
            (30_000_000, 250_000, 3_192_000),
            (42_000_000, 300_000, 5_292_000),
            (66_000_000, 350_000, 8_592_000),
            (96_000_000, 450_000, 18_192_000),
        ];
        assert_eq!(rule(&table).check(), Ok(()));
        let flat = MethodTerms::Flat { rate_ppm: 200_000 };
        assert_eq!(WithholdingTerms { method: flat, ..rule(&[]) }.check(), Ok(()));
    }

    #[test]
    fn what_cannot_be_computed_by_or_makes_the_tax_jump_is_refused_with_what_it_should_be() {
        let low = (0, 30_000, 0);
        let of = |brackets: &[(i64, u32, i64)]| rule(brackets).check();
        assert_eq!(of(&[]), Err(BadTerms::Brackets(0)));
        assert_eq!(of(&[low; 51]), Err(BadTerms::Brackets(51)));
        assert_eq!(of(&[(1, 30_000, 0)]), Err(BadTerms::NotFromZero(1)));
        assert_eq!(of(&[low, (0, 100_000, 0)]), Err(BadTerms::NotRising { number: 2 }));
        assert_eq!(of(&[low, (3_600_000, 20_000, 0)]), Err(BadTerms::NotRising { number: 2 }));
        let typed_wrong = of(&[low, (3_600_000, 100_000, 2_520_000)]);
        assert_eq!(typed_wrong, Err(BadTerms::Jump { number: 2, found: 2_520_000, expected: 252_000 }));
        assert_eq!(of(&[(0, 30_000, 5)]), Err(BadTerms::Jump { number: 1, found: 5, expected: 0 }));
        let over = Err(BadTerms::MoreThanWhole { field: "rate_ppm", ppm: 1_000_001 });
        assert_eq!(of(&[(0, 1_000_001, 0)]), over);
        assert_eq!(WithholdingTerms { name: " ".to_owned(), ..rule(&[low]) }.check(), Err(BadTerms::Name));
        let method = MethodTerms::Cumulative { cost_ppm: 0, allowance_minor: -1, brackets: Vec::new() };
        assert_eq!(WithholdingTerms { method, ..rule(&[]) }.check(), Err(BadTerms::Allowance));
    }
}
