//! Times as bills write them. Owns the offsets; knows no clock.

use crate::When;
use crate::error::Flaw;
use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

/// China Standard Time: what it is ahead of UTC, in seconds. It has had no summer time since 1991.
pub const CHINA_OFFSET_S: i32 = 8 * 3_600;

/// The earliest and latest year a row may have: what is outside is a misread column.
const YEARS: std::ops::RangeInclusive<i32> = 1990..=2199;

fn number(bytes: &[u8]) -> Option<u32> {
    bytes.iter().try_fold(0_u32, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
}

fn date_of(year: &[u8], month: &[u8], day: &[u8]) -> Option<NaiveDate> {
    let year = i32::try_from(number(year)?).ok()?;
    YEARS.contains(&year).then_some(())?;
    NaiveDate::from_ymd_opt(year, number(month)?, number(day)?)
}

/// `2019-07-25`.
pub(crate) fn day(text: &str) -> Result<NaiveDate, Flaw> {
    match text.as_bytes() {
        [year @ .., b'-', m1, m2, b'-', d1, d2] if year.len() == 4 => {
            date_of(year, &[*m1, *m2], &[*d1, *d2]).ok_or(Flaw::NotATime)
        }
        _ => Err(Flaw::NotATime),
    }
}

/// `190725`, in this century until 79 and in the last from 80, as SWIFT reads it.
pub(crate) fn swift_day(text: &str) -> Option<NaiveDate> {
    let bytes = text.as_bytes();
    let (year, rest) = bytes.split_at_checked(2)?;
    let (month, day) = rest.split_at_checked(2)?;
    let short = number(year)?;
    let year = i32::try_from(if short < 80 { 2_000 + short } else { 1_900 + short }).ok()?;
    (day.len() == 2).then_some(())?;
    YEARS.contains(&year).then_some(())?;
    NaiveDate::from_ymd_opt(year, number(month)?, number(day)?)
}

/// `2019-07-25 08:35:41`.
pub(crate) fn moment(text: &str) -> Result<NaiveDateTime, Flaw> {
    let bytes = text.as_bytes();
    let (Some(date), Some(time)) = (text.get(..10), bytes.get(10..)) else { return Err(Flaw::NotATime) };
    let &[b' ', h1, h2, b':', m1, m2, b':', s1, s2] = time else { return Err(Flaw::NotATime) };
    let time = clock(&[h1, h2], &[m1, m2], &[s1, s2]).ok_or(Flaw::NotATime)?;
    Ok(day(date)?.and_time(time))
}

fn clock(hour: &[u8], minute: &[u8], second: &[u8]) -> Option<NaiveTime> {
    NaiveTime::from_hms_opt(number(hour)?, number(minute)?, number(second)?)
}

/// A time of a Chinese bill. One published sample writes its colons full-width, so these are read too.
pub(crate) fn china(text: &str) -> Result<When, Flaw> {
    let local = match moment(text) {
        Err(_) if text.contains('：') => moment(&text.replace('：', ":"))?,
        read => read?,
    };
    Ok(When::Moment { local, offset_s: CHINA_OFFSET_S })
}

/// `2009-10-29`, `2009-10-29T02:00:00`, with fractions and `Z` or `+02:00`: what ISO 20022 writes. A time
/// without an offset is given its day only, as nobody can tell where its clock stood.
pub(crate) fn iso(text: &str) -> Result<When, Flaw> {
    let Some((date, time)) = text.split_once('T') else {
        // A date may carry an offset too (`2009-10-29+02:00`); the calendar day is what counts.
        return text.get(..10).ok_or(Flaw::NotATime).and_then(day).map(When::Day);
    };
    let date = day(date)?;
    let at = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (time, offset) = time.split_at(at);
    let whole = time.split_once('.').map_or(time, |(whole, _)| whole);
    let &[h1, h2, b':', m1, m2, b':', s1, s2] = whole.as_bytes() else { return Err(Flaw::NotATime) };
    let local = date.and_time(clock(&[h1, h2], &[m1, m2], &[s1, s2]).ok_or(Flaw::NotATime)?);
    if offset.is_empty() {
        return Ok(When::Day(date));
    }
    let offset_s = offset_seconds(offset).ok_or(Flaw::NotATime)?;
    Ok(When::Moment { local, offset_s })
}

/// `Z`, `+02:00`, `-05:30`: at most 14 hours, as far as any place on Earth is.
pub(crate) fn offset_seconds(text: &str) -> Option<i32> {
    let (sign, rest) = match text.as_bytes() {
        [b'Z'] => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let &[h1, h2, b':', m1, m2] = rest else { return None };
    let (hours, minutes) = (number(&[h1, h2])?, number(&[m1, m2])?);
    let seconds = (hours * 60 + minutes) * 60;
    (minutes < 60 && seconds <= 14 * 3_600).then_some(())?;
    i32::try_from(seconds).ok().map(|seconds| sign * seconds)
}
