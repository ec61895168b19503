//! Pages of some days: which days are asked for, the form that asks, and files of the same days.

use super::asked::wrong;
use super::draw::address;
use super::field;
use crate::api::Refused;
use chrono::{NaiveDate, TimeDelta};
use maud::{Markup, html};

/// Days that a first look goes back.
const FIRST_LOOK_DAYS: i64 = 13;

/// From one day to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Days {
    pub from: NaiveDate,
    pub to: NaiveDate,
}

impl Days {
    /// The last days, today among them.
    pub fn first_look(today: NaiveDate) -> Days {
        let from = today.checked_sub_signed(TimeDelta::days(FIRST_LOOK_DAYS)).unwrap_or(today);
        Days { from, to: today }
    }

    /// The days asked for; those of a first look where one is empty.
    ///
    /// # Errors
    /// [`Refused`] where one is no date, or they are not in order.
    pub fn asked(from: &str, to: &str, today: NaiveDate) -> Result<Days, Refused> {
        let first_look = Days::first_look(today);
        let (from, to) = (day("From", from, first_look.from)?, day("To", to, first_look.to)?);
        if from > to {
            return Err(wrong("From is after to."));
        }
        Ok(Days { from, to })
    }
}

fn day(name: &str, text: &str, none: NaiveDate) -> Result<NaiveDate, Refused> {
    if text.is_empty() {
        return Ok(none);
    }
    text.parse().map_err(|_| wrong(&format!("{name} is a date, such as 2026-11-20.")))
}

/// The form that asks for days, with more fields and whatever stands beside it.
pub(super) fn form(path: &str, days: Days, [fields, beside]: [&Markup; 2]) -> Markup {
    html! {
        form .filters method="get" action=(path) aria-label="Which days" #span {
            (field("From", &html! { input type="date" name="from" value=(days.from); }))
            (field("To", &html! { input type="date" name="to" value=(days.to); }))
            (fields)
            div .filter-actions { button .primary type="submit" { "Show" } }
            (beside)
        }
    }
}

/// The ways to files of a book of these days.
pub(super) fn exports(book: &str, days: Days, formats: &[&str]) -> Markup {
    let (from, to) = (days.from.to_string(), days.to.to_string());
    html! {
        div .filter-actions.exports #exports {
            @for format in formats {
                @let filters = [("from", Some(&*from)), ("to", Some(&*to)), ("format", Some(*format))];
                a .quiet.button.small download href=(address(&format!("/v1/finance/exports/{book}"), &filters)) {
                    (format)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Days;
    use chrono::NaiveDate;

    #[test]
    fn days_are_those_asked_for_and_in_order() {
        let day = |text: &str| text.parse::<NaiveDate>().expect("a date");
        let asked = |from, to| {
            let days = Days::asked(from, to, day("2026-11-20")).map_err(|refused| refused.detail);
            days.map(|Days { from, to }| (from.to_string(), to.to_string()))
        };
        let days = |from: &str, to: &str| Ok((from.to_owned(), to.to_owned()));
        assert_eq!(asked("", ""), days("2026-11-07", "2026-11-20"));
        assert_eq!(asked("2020-01-01", ""), days("2020-01-01", "2026-11-20"));
        assert_eq!(asked("2026-11-09", "2026-11-09"), days("2026-11-09", "2026-11-09"));
        assert_eq!(asked("2026-11-10", "2026-11-09"), Err("From is after to.".to_owned()));
        assert_eq!(asked("", "soon"), Err("To is a date, such as 2026-11-20.".to_owned()));
    }
}
