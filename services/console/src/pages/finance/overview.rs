//! Today at a glance: what is open, what is late, and whether the books can be trusted.
//!
//! Four services answer. What one of them does not say is told in its place, and the rest still shows. A clock takes
//! fresh parts; a chart keeps its opened table until its figures are others.

use super::ages::{AgeGroup, Ages, bars_by_age, inbox, sum};
use super::amounts::percent;
use super::charts::{Bar, bars, stamp_of};
use super::draw::{Look, Table, note, span, state_badge, words, yuan_of_micros, yuan_of_minor};
use super::part::{NO_FIGURE, Part, inner_table, status_of};
use super::{About, Content, Page, Set, drawn, may_read};
use crate::Deps;
use crate::api::{Api, Refused};
use crate::pages::frame::{Session, grouped};
use axum::extract::State;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use maud::{Markup, html};
use serde::Deserialize;

/// Seconds behind that are more than the way of a comparison.
const LAG_GOOD_MAX_S: i64 = 70;

const SEVERITIES: [(&str, &str); 4] =
    [("critical", "bar-critical"), ("high", "bar-high"), ("medium", "bar-medium"), ("low", "bar-low")];

/// How far recon compared.
#[derive(Debug, Deserialize)]
struct Lag {
    pairs: Vec<PairLag>,
    readers: Vec<ReaderLag>,
}

#[derive(Debug, Deserialize)]
struct PairLag {
    pair: String,
    compared_until: Option<DateTime<Utc>>,
    lag_s: i64,
}

#[derive(Debug, Deserialize)]
struct ReaderLag {
    reader: String,
    lag_rows: i64,
    stopped: Vec<String>,
}

/// A day of files and matching.
#[derive(Debug, Deserialize)]
struct DayFigures {
    files: Vec<FileOfDay>,
    match_rate_count_ppm: Option<i64>,
    match_rate_amount_ppm: Option<i64>,
    cash_at_risk_minor: i64,
}

#[derive(Debug, Deserialize)]
struct FileOfDay {
    channel: String,
    expected: bool,
    arrived: i64,
    state: String,
}

/// What is read of the trial balance.
#[derive(Debug, Deserialize)]
struct Balance {
    difference_micro: i64,
}

/// What the services said.
struct Answers {
    ages: Result<Ages, Refused>,
    lag: Result<Lag, Refused>,
    figures: Result<DayFigures, Refused>,
    balance: Result<Balance, Refused>,
}

/// `/finance`.
pub(super) async fn page(State(deps): State<Deps>, session: Session, api: Api) -> Page {
    let about = About {
        title: "Today",
        lede: "What is open, what is late, and whether the books can be trusted now.",
        script: "today",
        under: "/finance",
    };
    if !may_read(&session) {
        return super::page(&deps, &session, &about, &html! {});
    }
    let look = Look::of(&session, deps.zone);
    let day = deps.zone.day_of(look.now);
    let answers = Answers::read(&api, day).await;
    let content = Content { status: answers.status(), markup: content(&answers, day, &look) };
    drawn(&deps, &session, &about, &content)
}

impl Answers {
    async fn read(api: &Api, day: NaiveDate) -> Answers {
        let of_day = format!("/v1/finance/today?day={day}");
        let (ages, lag, figures, balance) = tokio::join!(
            api.get("/v1/finance/break-ages"),
            api.get("/v1/recon/lag"),
            api.get(&of_day),
            api.get("/v1/trial-balance"),
        );
        Answers { ages, lag, figures, balance }
    }

    fn status(&self) -> http::StatusCode {
        let Answers { ages, lag, figures, balance } = self;
        status_of(&[ages.as_ref().err(), lag.as_ref().err(), figures.as_ref().err(), balance.as_ref().err()])
    }
}

fn content(answers: &Answers, day: NaiveDate, look: &Look) -> Markup {
    let files = format!("Files of {day}");
    html! {
        div #today {
            p .muted #as-of data-live { "As of " (look.time(look.now)) }
            (of_breaks_and_books(answers))
            (of_matching(&answers.figures))
            div .two { (by_severity(&answers.ages)) (by_age(&answers.ages)) }
            div .two {
                (Part { id: "files", heading: &files, stamp: None }.draw(&answers.figures, |day| file_rows(&day.files)))
                (Part { id: "lags", heading: "How far the logs are compared", stamp: None }
                    .draw(&answers.lag, |lag| lags(lag, look)))
            }
        }
    }
}

/// What a figure says, and how it looks.
type Said = (String, &'static str);

fn said_of<T>(answer: &Result<T, Refused>, say: impl FnOnce(&T) -> Said) -> Said {
    answer.as_ref().map_or((NO_FIGURE.0.to_owned(), NO_FIGURE.1), say)
}

fn figure(label: &str, id: &str, leads_to: Option<&str>, (text, class): &Said) -> Markup {
    let content = html! {
        span .muted { (label) } strong #(id) class=[Some(*class).filter(|class| !class.is_empty())] data-live { (text) }
    };
    match leads_to {
        Some(path) => html! { a .figure href=(path) { (content) } },
        None => html! { div .figure { (content) } },
    }
}

/// Good where there is nothing, as it is otherwise.
fn good_at_zero(amount: i64, otherwise: &'static str) -> &'static str {
    if amount == 0 { "good-figure" } else { otherwise }
}

fn of_breaks_and_books(answers: &Answers) -> Markup {
    let open = said_of(&answers.ages, |ages| {
        let count = sum(&ages.groups, |_| true, |group| group.count);
        (grouped(count), good_at_zero(count, ""))
    });
    let overdue = said_of(&answers.ages, |ages| {
        let count = sum(&ages.groups, |_| true, |group| group.overdue_count);
        (grouped(count), good_at_zero(count, "bad-figure"))
    });
    let difference = said_of(&answers.balance, |balance| match balance.difference_micro {
        0 => ("nothing".to_owned(), "good-figure"),
        micros => (yuan_of_micros(micros), "bad-figure"),
    });
    html! {
        div .figures.four {
            (figure("Open breaks", "open-breaks", Some("/finance/breaks"), &open))
            (figure("Overdue", "overdue-breaks", Some("/finance/breaks?overdue=true"), &overdue))
            (figure("Compared, behind by", "lag", None, &said_of(&answers.lag, behind)))
            (figure("Books differ by", "difference", Some("/finance/trial-balance"), &difference))
        }
    }
}

/// How far the pair behind most is behind.
fn behind(lag: &Lag) -> Said {
    let worst = lag.pairs.iter().map(|pair| pair.lag_s).max().unwrap_or_default();
    let is_known = lag.pairs.iter().all(|pair| pair.compared_until.is_some());
    let class = if worst > LAG_GOOD_MAX_S { "bad-figure" } else { "" };
    (if is_known { span(TimeDelta::seconds(worst)) } else { "not yet".to_owned() }, class)
}

fn of_matching(figures: &Result<DayFigures, Refused>) -> Markup {
    let rate = |ppm: Option<i64>| (ppm.map_or_else(|| "nothing yet".to_owned(), percent), "");
    let by_count = said_of(figures, |day| rate(day.match_rate_count_ppm));
    let by_amount = said_of(figures, |day| rate(day.match_rate_amount_ppm));
    let at_risk = said_of(figures, |day| {
        let minor = day.cash_at_risk_minor;
        (yuan_of_minor(minor), good_at_zero(minor, "bad-figure"))
    });
    html! {
        div .figures.three {
            (figure("Matched, by count", "match-count", Some("/finance/runs"), &by_count))
            (figure("Matched, by amount", "match-amount", Some("/finance/runs"), &by_amount))
            (figure("Cash at risk", "cash-at-risk", Some("/finance/suspense"), &at_risk))
        }
    }
}

/// A part with a chart of breaks.
fn chart(part: (&str, &str), words: (&str, [&str; 2]), ages: &Result<Vec<Bar>, Refused>) -> Markup {
    let ((id, heading), (caption, heads)) = (part, words);
    let stamp = ages.as_ref().map_or_else(|refused| refused.slug.clone(), |bars| stamp_of(bars));
    Part { id, heading, stamp: Some(stamp) }.draw(ages, |list| {
        html! { div #(id) { (bars(caption, heads, list)) } (note(id, "")) }
    })
}

/// Bars of what was answered, or why there are none.
fn bars_of(ages: &Result<Ages, Refused>, make: fn(&[AgeGroup]) -> Vec<Bar>) -> Result<Vec<Bar>, Refused> {
    ages.as_ref().map(|ages| make(&ages.groups)).map_err(Clone::clone)
}

fn by_severity(ages: &Result<Ages, Refused>) -> Markup {
    let list = bars_of(ages, |groups| {
        let bars = SEVERITIES.iter().map(|(severity, class)| {
            let value = sum(groups, |group| group.severity == *severity, |group| group.count);
            let href = inbox(&[("severity", Some(severity))]);
            Bar { label: words(severity), value, text: grouped(value), class, href }
        });
        bars.collect()
    });
    let words = ("Open breaks by severity", ["Severity", "Breaks"]);
    chart(("by-severity", "Open breaks by severity"), words, &list)
}

fn by_age(ages: &Result<Ages, Refused>) -> Markup {
    let list = bars_of(ages, |groups| bars_by_age(groups, |group| group.count));
    chart(("by-age", "Open breaks by age"), ("Open breaks by age in days", ["Age", "Breaks"]), &list)
}

fn file_rows(files: &[FileOfDay]) -> Markup {
    let rows = files.iter().map(|file| {
        html! { tr {
            th scope="row" { (file.channel) }
            td { @if file.expected { "yes" } @else { "no" } }
            td .number { (grouped(file.arrived)) }
            td { (state_badge(&file.state)) }
        } }
    });
    let columns =
        [("Channel", Set::Text), ("Expected", Set::Text), ("Arrived", Set::Number), ("State", Set::Text)];
    let table = Table {
        id: "files",
        caption: "Files of the day",
        columns: &columns,
        rows: rows.collect(),
        empty: "No file is expected.",
    };
    table.draw()
}

fn lags(lag: &Lag, look: &Look) -> Markup {
    let pairs = lag.pairs.iter().map(|pair| {
        html! { tr {
            th scope="row" { (words(&pair.pair)) }
            td .number { @match pair.compared_until { Some(at) => (look.time(at)), None => "not yet" } }
            td .number { (span(TimeDelta::seconds(pair.lag_s))) }
        } }
    });
    let readers = lag.readers.iter().map(|reader| {
        let is_stopped = !reader.stopped.is_empty();
        html! { tr title=[is_stopped.then(|| reader.stopped.join("\n"))] {
            th scope="row" { (reader.reader) }
            td .number { (grouped(reader.lag_rows)) }
            td { (state_badge(if is_stopped { "stopped" } else { "running" })) }
        } }
    });
    let (pairs, readers): (Vec<_>, Vec<_>) = (pairs.collect(), readers.collect());
    let of_pairs = [("Logs", Set::Text), ("Up to", Set::Number), ("Behind", Set::Number)];
    let of_readers = [("Reader", Set::Text), ("Rows to read", Set::Number), ("State", Set::Text)];
    html! {
        div #lags {
            (inner_table("How far each pair of logs is compared", &of_pairs, &pairs))
            (inner_table("What readers have left to read", &of_readers, &readers))
        }
        (note("lags", ""))
    }
}
