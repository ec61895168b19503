//! The pieces that drawn pages are made of: times, people, badges, exact amounts, tables, ways to more rows.
//!
//! Amounts are integers from the answer to the page; nothing here rounds.

use super::Set;
use crate::pages::frame::{Session, grouped};
use chrono::{DateTime, FixedOffset, TimeDelta, Utc};
use contracts::log::AccountingZone;
use edge::{AnyRole, Role};
use ids::Uuid;
use maud::{Markup, html};

/// Who looks at a page, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub now: DateTime<Utc>,
    zone: AccountingZone,
    pub sub: Option<Uuid>,
    pub role: Option<Role>,
}

impl Look {
    pub fn of(session: &Session, zone: AccountingZone) -> Look {
        let claims = session.as_ref().ok().map(|AnyRole(claims)| claims);
        Look {
            now: Utc::now(),
            zone,
            sub: claims.map(|claims| claims.sub),
            role: claims.map(|claims| claims.role),
        }
    }

    /// Whether an id names whoever looks.
    pub fn is_me(&self, id: &str) -> bool {
        self.sub.is_some_and(|sub| id.parse() == Ok(sub))
    }

    /// Who proposes. The API has the last word.
    pub fn is_maker(&self) -> bool {
        matches!(self.role, Some(Role::Finance | Role::FinanceMaker))
    }

    /// Who decides about breaks. The API has the last word.
    pub fn is_checker(&self) -> bool {
        self.role == Some(Role::FinanceChecker)
    }

    /// Who decides about money and rules: refunds, payouts, contracts, periods. The API has the last word.
    pub fn decides_money(&self) -> bool {
        matches!(self.role, Some(Role::Finance | Role::FinanceChecker))
    }

    /// Who does more than read.
    pub fn is_worker(&self) -> bool {
        self.is_maker() || self.is_checker()
    }

    /// An instant by the clock of accounting days; the exact one on hovering.
    pub fn time(&self, at: DateTime<Utc>) -> Markup {
        html! { time datetime=(iso(at)) title=(iso(at)) { (self.stamp(at)) } }
    }

    fn stamp(&self, at: DateTime<Utc>) -> String {
        let seconds_east = i32::from(self.zone).saturating_mul(60);
        let local = FixedOffset::east_opt(seconds_east).map(|zone| at.with_timezone(&zone).naive_local());
        local.unwrap_or(at.naive_utc()).format("%-d %b %Y, %H:%M:%S").to_string()
    }

    /// How far the clock of accounting days is from UTC, such as `+08:00`.
    pub fn offset(&self) -> String {
        let minutes = i32::from(self.zone);
        let sign = if minutes < 0 { '-' } else { '+' };
        format!("{sign}{:02}:{:02}", minutes.unsigned_abs() / 60, minutes.unsigned_abs() % 60)
    }

    /// How long ago something was.
    pub fn age(&self, at: DateTime<Utc>) -> Markup {
        html! { time datetime=(iso(at)) title=(self.stamp(at)) { (span(self.now - at)) } }
    }

    /// The clock of what should be done by an instant; `ended` where it does not run any more.
    pub fn due(&self, at: Option<DateTime<Utc>>, ended: bool) -> Markup {
        let Some(at) = at else { return html! { "—" } };
        if ended {
            return self.time(at);
        }
        let left = at - self.now;
        let (class, text) = if left < TimeDelta::zero() {
            ("due late", format!("{} late", span(left)))
        } else if left < TimeDelta::hours(4) {
            ("due soon", format!("in {}", span(left)))
        } else {
            ("due", format!("in {}", span(left)))
        };
        html! { time class=(class) datetime=(iso(at)) title=(self.stamp(at)) { (text) } }
    }

    /// Whoever an id names: "you" where it is who looks.
    pub fn person(&self, id: Option<&str>) -> Markup {
        match id {
            None => html! { "nobody" },
            Some(id) if self.is_me(id) => html! { strong { "you" } },
            Some(id) => short_id(id),
        }
    }
}

fn iso(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

/// A length of time in its largest unit: 40 s, 5 min, 3 h, 12 d.
pub(super) fn span(length: TimeDelta) -> String {
    match length.num_seconds().saturating_abs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7_200 => format!("{} min", seconds / 60),
        seconds @ ..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", grouped(seconds / 86_400)),
    }
}

/// The last eight digits of an id: the part that differs. The whole on hovering.
pub(super) fn short_id(id: &str) -> Markup {
    let short = id.parse::<Uuid>().map_or_else(|_| id.to_owned(), crate::pages::frame::short);
    html! { span .id title=(id) { (short) } }
}

/// Snake case in words.
pub(super) fn words(text: &str) -> String {
    let mut plain = text.replace(['_', '-'], " ");
    if let Some(first) = plain.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    plain
}

/// How bad it is: by sign and word, not by colour alone.
pub(super) fn severity_badge(severity: &str) -> Markup {
    let sign = match severity {
        "critical" => "▲▲",
        "high" => "▲",
        "medium" => "●",
        "low" => "○",
        _ => "",
    };
    html! {
        span class={ "mark severity-" (severity) } { span aria-hidden="true" { (sign) } " " (words(severity)) }
    }
}

pub(super) fn state_badge(state: &str) -> Markup {
    html! { span class={ "mark state-" (state) } { (words(state)) } }
}

/// Millionths of a minor unit as yuan: two decimals, more only where they are not zero.
pub(super) fn yuan_of_micros(micros: i64) -> String {
    let (whole, rest) = (micros.unsigned_abs() / 100_000_000, micros.unsigned_abs() % 100_000_000);
    let decimals = format!("{rest:08}");
    let (minor, below) = decimals.split_at(2);
    let sign = if micros < 0 { "−" } else { "" };
    // A hundred-millionth of an i64 always fits one.
    let whole = grouped(i64::try_from(whole).unwrap_or(i64::MAX));
    format!("{sign}¥{whole}.{minor}{}", below.trim_end_matches('0'))
}

/// Minor units as yuan.
pub(super) fn yuan_of_minor(minor: i64) -> String {
    let sign = if minor < 0 { "−" } else { "" };
    let whole = i64::try_from(minor.unsigned_abs() / 100).unwrap_or(i64::MAX);
    format!("{sign}¥{}.{:02}", grouped(whole), minor.unsigned_abs() % 100)
}

/// Name and value pairs; those without a value are left out.
pub(super) fn facts(pairs: &[(&str, Option<Markup>)]) -> Markup {
    html! {
        dl .facts {
            @for (name, value) in pairs { @if let Some(value) = value { dt { (name) } dd { (value) } } }
        }
    }
}

/// A table with its rows; `empty` is said where there are none. Its id names it, `<id>-state` what is said of it.
pub(super) struct Table<'a> {
    pub id: &'a str,
    pub caption: &'a str,
    pub columns: &'a [(&'a str, Set)],
    pub rows: Vec<Markup>,
    pub empty: &'a str,
}

impl Table<'_> {
    pub fn draw(&self) -> Markup {
        self.draw_with(&html! {})
    }

    /// The same with sums below its rows.
    pub fn draw_with(&self, sums: &Markup) -> Markup {
        let stacks = self.columns.iter().any(|(_, set)| matches!(set, Set::Tick | Set::Decision));
        html! {
            @if !self.rows.is_empty() {
                div .scroll tabindex="0" role="region" aria-label=(self.caption) {
                    table #(self.id) .stacks[stacks] {
                        caption .visually-hidden { (self.caption) }
                        thead { tr { @for (label, set) in self.columns { (super::heading(label, *set)) } } }
                        tbody { @for row in &self.rows { (row) } }
                        @if !sums.0.is_empty() { tfoot { (sums) } }
                    }
                }
            }
            (note(self.id, if self.rows.is_empty() { self.empty } else { "" }))
        }
    }
}

/// What there is to say of a part; nothing where the text is empty.
pub(super) fn note(id: &str, text: &str) -> Markup {
    html! { p .state.empty-state id={ (id) "-state" } hidden[text.is_empty()] { (text) } }
}

/// The address of a page with the filters that are given.
pub(super) fn address(path: &str, filters: &[(&str, Option<&str>)]) -> String {
    let given: Vec<_> = filters.iter().filter_map(|(name, value)| Some((name, (*value)?))).collect();
    // Plain texts always serialize.
    let query = serde_urlencoded::to_string(given).unwrap_or_default();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// The way to more rows: to the first page where this is not it, to the next where there is one.
pub(super) fn ways(first: Option<&str>, next: Option<&str>) -> Markup {
    html! {
        @if first.is_some() || next.is_some() {
            nav .pager aria-label="More rows" {
                @if let Some(first) = first { a .quiet.button #first href=(first) { "First page" } }
                @if let Some(next) = next { a .quiet.button #next href=(next) rel="next" { "Next page" } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{span, words, yuan_of_micros, yuan_of_minor};
    use chrono::TimeDelta;

    #[test]
    fn amounts_keep_every_digit() {
        let micros =
            [0, 1, 100_000_000, -123_456_789_012, 9_007_199_254_740_993, i64::MIN].map(yuan_of_micros);
        let texts = [
            "¥0.00",
            "¥0.00000001",
            "¥1.00",
            "−¥1,234.56789012",
            "¥90,071,992.54740993",
            "−¥92,233,720,368.54775808",
        ];
        assert_eq!(micros, texts);
        let minor = [0, 7, -1_234_567, i64::MAX].map(yuan_of_minor);
        assert_eq!(minor, ["¥0.00", "¥0.07", "−¥12,345.67", "¥92,233,720,368,547,758.07"]);
    }

    #[test]
    fn a_length_of_time_is_told_in_its_largest_unit() {
        let texts = [40, -119, 300, 10_800, 1_036_800].map(|seconds| span(TimeDelta::seconds(seconds)));
        assert_eq!(texts, ["40 s", "119 s", "5 min", "3 h", "12 d"]);
    }

    #[test]
    fn names_become_words() {
        assert_eq!(["amount_mismatch", "over-30", ""].map(words), ["Amount mismatch", "Over 30", ""]);
    }
}
