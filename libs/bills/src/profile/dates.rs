//! Times by a profile's format, and the day numbers of workbooks.

use crate::error::Flaw;
use crate::profile::DateStyle;
use crate::{When, time::offset_seconds};
use chrono::format::{Item, StrftimeItems};
use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, TimeDelta};

/// Seconds of a day.
const DAY_S: i64 = 86_400;

/// Digits of a day number's fraction that are read: a hundred-millionth of a day is less than a millisecond.
const FRACTION_DIGITS: u8 = 9;

/// The earliest and latest year a row may have: what is outside is a misread column.
const YEARS: std::ops::RangeInclusive<i32> = 1990..=2199;

/// What is wrong with a format.
pub(super) fn fault(format: &str) -> Option<String> {
    if StrftimeItems::new(format).any(|item| matches!(item, Item::Error)) {
        return Some(format!("its date format {format:?} is not one of strftime"));
    }
    // A format that cannot read back what it writes would fail on every row.
    let sample = NaiveDate::from_ymd_opt(2026, 11, 22).and_then(|day| day.and_hms_opt(1, 2, 3))?;
    let mut written = String::new();
    let writes = std::fmt::Write::write_fmt(&mut written, format_args!("{}", sample.format(format)));
    let reads = writes.is_ok() && parse(&written, format).is_some_and(|(day, _)| day == sample.date());
    (!reads).then(|| format!("its date format {format:?} does not name one day"))
}

/// The day and, where the format has one, the time.
fn parse(text: &str, format: &str) -> Option<(NaiveDate, Option<NaiveDateTime>)> {
    if let Ok(moment) = NaiveDateTime::parse_from_str(text, format) {
        return Some((moment.date(), Some(moment)));
    }
    NaiveDate::parse_from_str(text, format).ok().map(|day| (day, None))
}

/// A time as text.
pub(super) fn read(text: &str, style: &DateStyle) -> Result<When, Flaw> {
    let (day, moment) = parse(text, &style.format).ok_or(Flaw::NotATime)?;
    if !YEARS.contains(&day.year()) {
        return Err(Flaw::NotATime);
    }
    let offset_s = offset_seconds(&style.offset).ok_or(Flaw::NotATime)?;
    Ok(moment.map_or(When::Day(day), |local| When::Moment { local, offset_s }))
}

/// A workbook's day number: whole days since 1899-12-30, then the part of the day, to the nearest second.
pub(super) fn read_number(text: &str, style: &DateStyle) -> Result<When, Flaw> {
    let text = crate::amount::plain_decimal(text)?;
    let (days, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let days: u64 = days.parse().map_err(|_| Flaw::NotATime)?;
    let epoch = NaiveDate::from_ymd_opt(1899, 12, 30).ok_or(Flaw::NotATime)?;
    let day = epoch.checked_add_days(Days::new(days)).ok_or(Flaw::NotATime)?;
    if !YEARS.contains(&day.year()) {
        return Err(Flaw::NotATime);
    }
    let digits: String = fraction.chars().take(usize::from(FRACTION_DIGITS)).collect();
    if digits.chars().all(|digit| digit == '0') {
        return Ok(When::Day(day));
    }
    let billionths =
        crate::amount::scaled(&format!("0.{digits}"), FRACTION_DIGITS, crate::amount::Style::PLAIN)?;
    let seconds = (billionths * DAY_S + 500_000_000) / 1_000_000_000;
    let local = day.and_time(chrono::NaiveTime::MIN).checked_add_signed(TimeDelta::seconds(seconds));
    let offset_s = offset_seconds(&style.offset).ok_or(Flaw::NotATime)?;
    local.map(|local| When::Moment { local, offset_s }).ok_or(Flaw::NotATime)
}
