//! A period as people name it: a day, or a month as the set of its days.

use chrono::{Days, Months, NaiveDate};

/// The most days of one export or roll-forward.
pub const SPAN_DAYS_MAX: u32 = 400;

/// A day (`2026-11-20`) or a month (`2026-11`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    pub name: String,
    pub first: NaiveDate,
    pub last: NaiveDate,
}

/// What names no period.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither a day like 2026-11-20 nor a month like 2026-11")]
pub struct BadPeriod(pub String);

impl Span {
    /// Every day, in order.
    pub fn days(&self) -> impl Iterator<Item = NaiveDate> + '_ {
        self.first.iter_days().take_while(|day| *day <= self.last)
    }
}

impl std::str::FromStr for Span {
    type Err = BadPeriod;

    fn from_str(name: &str) -> Result<Span, BadPeriod> {
        let bad = || BadPeriod(name.to_owned());
        let one_day = NaiveDate::parse_from_str(name, "%Y-%m-%d").ok();
        let (first, last) = match one_day {
            Some(day) => (day, day),
            None => {
                let first =
                    NaiveDate::parse_from_str(&format!("{name}-01"), "%Y-%m-%d").map_err(|_| bad())?;
                let next = first.checked_add_months(Months::new(1)).ok_or_else(bad)?;
                (first, next.checked_sub_days(Days::new(1)).ok_or_else(bad)?)
            }
        };
        // chrono reads `2026-1-2` too; a period has one name only.
        let spelled = if one_day.is_some() { first.to_string() } else { first.format("%Y-%m").to_string() };
        if spelled == name { Ok(Span { name: spelled, first, last }) } else { Err(bad()) }
    }
}

#[cfg(test)]
mod tests {
    use super::Span;

    #[test]
    fn a_month_is_the_set_of_its_days_and_has_one_name() {
        let month: Span = "2028-02".parse().expect("a month");
        assert_eq!((month.days().count(), month.last.to_string()), (29, "2028-02-29".to_owned()));
        let day: Span = "2026-11-20".parse().expect("a day");
        assert_eq!((day.first, day.days().count()), (day.last, 1));
        for bad in ["2026", "2026-13", "2026-2", "2026-11-31", "2026-11-1", "today", "2026-11-20x", ""] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }
}
