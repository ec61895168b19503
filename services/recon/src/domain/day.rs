//! One accounting day as instants, and how late rows about it may be written.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeDelta, Utc};
use contracts::log::{AccountingZone, Minute, minute_of};

/// How long after a day's end a row derived from it may be written and still be looked for.
const LATE: TimeDelta = TimeDelta::days(1);

/// How far a payment and its credit may lie apart, so that one is yesterday's and the other today's.
const CREDIT_MARGIN: TimeDelta = TimeDelta::hours(1);

/// Years that are accounting days: what is outside is a slip of the pen.
const YEARS: std::ops::RangeInclusive<i32> = 2000..=2199;

/// An accounting day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayBounds {
    pub day: NaiveDate,
    /// Its first instant, and the first one after it.
    pub from: DateTime<Utc>,
    pub before: DateTime<Utc>,
}

impl DayBounds {
    /// The bounds of a day; `None` for a year that nobody keeps books of.
    pub fn of(day: NaiveDate, zone: AccountingZone) -> Option<DayBounds> {
        let east = TimeDelta::minutes(i64::from(i32::from(zone)));
        let from = day.and_time(NaiveTime::MIN).and_utc().checked_sub_signed(east)?;
        YEARS.contains(&day.year()).then_some(DayBounds { day, from, before: from + TimeDelta::days(1) })
    }

    /// After this no row about the day is looked for.
    pub fn late(&self) -> DateTime<Utc> {
        self.before + LATE
    }

    /// From when on payments are read, so that a credit of the day's first minutes finds its own.
    pub fn payments_from(&self) -> DateTime<Utc> {
        self.from - CREDIT_MARGIN
    }

    /// Until when entries are read, so that a payment of the day's last minutes finds its credit.
    pub fn credits_until(&self) -> DateTime<Utc> {
        self.before + CREDIT_MARGIN
    }

    /// The day's first minute, and the first one after it.
    pub fn minutes(&self) -> (Minute, Minute) {
        (minute_of(self.from), minute_of(self.before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_lasts_from_its_zones_midnight_to_the_next() {
        let day = NaiveDate::from_ymd_opt(2026, 3, 1).expect("a day");
        let zone = AccountingZone::default();
        let bounds = DayBounds::of(day, zone).expect("in range");
        assert_eq!(zone.day_of(bounds.from), day);
        assert_eq!(zone.day_of(bounds.from - TimeDelta::microseconds(1)), day.pred_opt().expect("a day"));
        assert_eq!(zone.day_of(bounds.before), day.succ_opt().expect("a day"));
        assert_eq!(bounds.minutes().1 - bounds.minutes().0, 1_440);
        assert_eq!(DayBounds::of(NaiveDate::MIN, zone), None);
        assert_eq!(DayBounds::of(NaiveDate::MAX, zone), None);
    }
}
