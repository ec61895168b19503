//! Days as numbers: how many days after 1970-01-01. Owns reading and writing them as `YYYY-MM-DD`; knows no time zone.

/// Days from 0000-03-01 to 1970-01-01, in the calendar whose years begin in March.
const EPOCH_SHIFT_DAYS: i32 = 719_468;
/// Days in 400 years, after which the calendar repeats.
const ERA_DAYS: i32 = 146_097;

/// Reads `YYYY-MM-DD`, years 0001 to 9999. `None` for anything else, days that no calendar has included.
pub fn parse(text: &[u8]) -> Option<i32> {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else { return None };
    let number = |digits: &[u8]| {
        digits
            .iter()
            .try_fold(0_i32, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i32::from(digit - b'0')))
    };
    let (year, month, day) = (number(&[y1, y2, y3, y4])?, number(&[m1, m2])?, number(&[d1, d2])?);
    let fits = year >= 1 && (1..=12).contains(&month) && (1..=month_days(year, month)).contains(&day);
    fits.then(|| days_before(year, month) + day - 1)
}

/// Writes a day as `YYYY-MM-DD`; the number itself where the year has not four digits.
pub fn format(day: i32) -> String {
    // A day far outside is shown as its number: the search below only knows four-digit years.
    let Some(year) =
        (parse(b"0001-01-01") <= Some(day) && Some(day) <= parse(b"9999-12-31")).then(|| year_of(day))
    else {
        return day.to_string();
    };
    let month = (2..=12).rev().find(|month| days_before(year, *month) <= day).unwrap_or(1);
    format!("{year:04}-{month:02}-{:02}", day - days_before(year, month) + 1)
}

fn year_of(day: i32) -> i32 {
    // Never too small, and a year or two too large at most; days of four-digit years fit the product.
    let guess = (day + EPOCH_SHIFT_DAYS) * 400 / ERA_DAYS + 1;
    (1..=guess).rev().find(|year| days_before(*year, 1) <= day).unwrap_or(1)
}

fn month_days(year: i32, month: i32) -> i32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The number of a month's first day. Years begin in March here, so that the leap day is a year's last.
fn days_before(year: i32, month: i32) -> i32 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + (153 * month + 2) / 5 - EPOCH_SHIFT_DAYS
}

#[cfg(test)]
mod tests {
    use super::{format, parse};

    #[test]
    fn days_are_counted_from_1970_and_read_back_as_written() {
        assert_eq!(parse(b"1970-01-01"), Some(0));
        assert_eq!(parse(b"1970-03-01"), Some(59));
        assert_eq!(parse(b"2026-02-28").map(|day| day + 1), parse(b"2026-03-01"));
        let (first, last) = (parse(b"0001-01-01").expect("a day"), parse(b"9999-12-31").expect("a day"));
        assert_eq!(last - first + 1, 3_652_059);
        for day in (first..=last).step_by(97).chain(19_000..24_000).chain([first, last]) {
            assert_eq!(parse(format(day).as_bytes()), Some(day));
        }
    }

    #[test]
    fn what_is_no_day_is_not_read() {
        let bad: [&[u8]; 7] =
            [b"2026-02-29", b"2026-13-01", b"2026-00-10", b"2026-1-01", b"20260101", b"", b"0000-01-01"];
        for text in bad {
            assert_eq!(parse(text), None, "{}", String::from_utf8_lossy(text));
        }
    }
}
