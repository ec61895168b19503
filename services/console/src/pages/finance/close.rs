//! Closing periods: what must hold, the steps that two people take, and the days as they stand.
//!
//! What changes by acts is `data-live`; the form stands beside it, so that a fresh copy takes nothing that is typed.

use super::asked::{given, parsed, wrong};
use super::draw::{Look, Table, address, state_badge, ways, words};
use super::part::{Part, status_of, unavailable};
use super::{About, Content, Page, Set, drawn, field, may_read, refusal};
use crate::Deps;
use crate::api::{Api, Refused};
use crate::pages::frame::{Session, grouped};
use axum::extract::State;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use edge::{Problem, Query};
use maud::{Markup, html};
use serde::{Deserialize, Serialize};

const PATH: &str = "/finance/close";

/// What the address asks for. A field that is empty asks for nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Asked {
    /// A day, or a month.
    period: String,
    /// Only days before this one, for the next page.
    before: String,
}

/// The same, of the forms that they must have.
#[derive(Debug)]
struct Filter {
    period: String,
    before: Option<NaiveDate>,
}

/// A page of days as the API knows it.
#[derive(Debug, Serialize)]
struct Before {
    before: Option<NaiveDate>,
}

#[derive(Debug, Deserialize)]
struct Checklist {
    can_close: bool,
    lines: Vec<Condition>,
}

/// One condition of closing.
#[derive(Debug, Deserialize)]
struct Condition {
    name: String,
    state: String,
    figure: String,
    /// The first few of what blocks.
    detail: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct PeriodList {
    periods: Vec<Period>,
    next: Option<NaiveDate>,
    requests: Vec<Step>,
}

/// One accounting day.
#[derive(Debug, Deserialize)]
struct Period {
    day: NaiveDate,
    state: String,
    changed_at: DateTime<Utc>,
    version: Option<i64>,
    voucher_count: Option<i64>,
    closed_at: Option<DateTime<Utc>>,
}

/// A step as it was asked for.
#[derive(Debug, Deserialize)]
struct Step {
    period: String,
    step: String,
    state: String,
    reason: Option<String>,
    proposed_by: String,
    proposed_at: DateTime<Utc>,
    decided_by: Option<String>,
    decided_at: Option<DateTime<Utc>>,
}

/// Whether a text is the name of a day or of a month.
fn is_period(name: &str) -> bool {
    let day = |text: &str| text.parse::<NaiveDate>().is_ok_and(|day| day.to_string() == text);
    day(name) || day(&format!("{name}-01"))
}

impl Asked {
    fn filter(&self, yesterday: NaiveDate) -> Result<Filter, Refused> {
        let period = given(&self.period).map_or_else(|| yesterday.to_string(), str::to_owned);
        if !is_period(&period) {
            return Err(wrong("A period is a day, such as 2026-11-20, or a month, such as 2026-11."));
        }
        Ok(Filter { period, before: parsed(&self.before, "Before is a date, such as 2026-11-20.")? })
    }

    /// The address of another page of the days.
    fn page_before(&self, before: Option<&str>) -> String {
        address(PATH, &[("period", given(&self.period)), ("before", before)])
    }
}

/// `/finance/close`.
pub(super) async fn page(
    State(deps): State<Deps>,
    session: Session,
    api: Api,
    asked: Result<Query<Asked>, Problem>,
) -> Page {
    let about = About {
        title: "Close",
        lede: "What must hold before a period closes. Closing and reopening take two people.",
        script: "close",
        under: PATH,
    };
    if !may_read(&session) {
        return super::page(&deps, &session, &about, &html! {});
    }
    let look = Look::of(&session, deps.zone);
    let today = deps.zone.day_of(look.now);
    let yesterday = today.checked_sub_signed(TimeDelta::days(1)).unwrap_or(today);
    let asked = asked.map(|Query(asked)| asked).map_err(Refused::from);
    let filter = asked.as_ref().map_err(Clone::clone).and_then(|asked| asked.filter(yesterday));
    let asked = asked.unwrap_or_default();
    let content = match filter {
        Ok(filter) => content(&api, (&asked, &filter), &look).await,
        Err(refused) => Content {
            status: refused.status,
            markup: html! { section .card #checklist-card { (refusal(&refused)) } },
        },
    };
    let markup = html! { (form(&asked, yesterday)) (content.markup) };
    drawn(&deps, &session, &about, &Content { status: content.status, markup })
}

fn form(asked: &Asked, yesterday: NaiveDate) -> Markup {
    let period = html! {
        input type="text" name="period" value=(asked.period) placeholder=(yesterday) size="12";
    };
    html! {
        form .filters method="get" action=(PATH) aria-label="Which period" #period-form {
            (field("Day, or month", &period))
            div .filter-actions { button .primary type="submit" { "Show" } }
        }
    }
}

async fn content(api: &Api, (asked, filter): (&Asked, &Filter), look: &Look) -> Content {
    let address = format!("/v1/finance/periods/{}/checklist", filter.period);
    let before = Before { before: filter.before };
    let (checklist, list) =
        tokio::join!(api.get::<Checklist>(&address), api.read::<PeriodList>("/v1/finance/periods", &before),);
    let status = status_of(&[checklist.as_ref().err(), list.as_ref().err()]);
    let part = |id, heading| Part { id, heading, stamp: None };
    let markup = html! {
        section .card aria-labelledby="checklist-title" #checklist-card {
            h2 #checklist-title { "Checklist of " (filter.period) }
            div #checklist-part data-live {
                @match &checklist {
                    Ok(checklist) => (conditions(checklist)),
                    Err(refused) => (unavailable("checklist", refused)),
                }
            }
            @if checklist.is_ok() && look.is_worker() { (step_form(&filter.period)) }
        }
        (part("steps", "Steps that were asked for").draw(&list, |list| steps(&list.requests, look)))
        (part("periods", "Periods").draw(&list, |list| periods(list, asked, look)))
    };
    Content { status, markup }
}

fn conditions(checklist: &Checklist) -> Markup {
    let columns = [
        ("Condition", Set::Text),
        ("State", Set::Text),
        ("Judged by", Set::Text),
        ("What blocks", Set::Text),
    ];
    let rows = checklist.lines.iter().map(|line| {
        html! { tr {
            th scope="row" { (words(&line.name)) }
            td { (state_badge(&line.state)) }
            td { (line.figure) }
            td {
                @if line.detail.is_empty() { "—" } @else {
                    ul .plain { @for what in &line.detail { li { (what) } } }
                }
            }
        } }
    });
    let table = Table {
        id: "checklist",
        caption: "Checklist",
        columns: &columns,
        rows: rows.collect(),
        empty: "There is no condition.",
    };
    html! {
        @if checklist.can_close {
            p .verdict.good #can-close role="status" { "It can be closed" }
        } @else {
            p .verdict.bad #can-close role="status" { "It cannot be closed yet" }
        }
        (table.draw())
    }
}

fn step_form(period: &str) -> Markup {
    html! {
        form #step-form data-period=(period) {
            (field("Reason; reopening needs one", &html! { textarea name="reason" rows="2" maxlength="4000" {} }))
            div .row {
                button .quiet type="submit" value="soft-lock" { "Lock softly" }
                button .primary type="submit" value="close" { "Close" }
                button .quiet type="submit" value="reopen" { "Reopen" }
            }
            p .error role="alert" {}
        }
    }
}

fn way(period: &str) -> Markup {
    html! { a href=(address(PATH, &[("period", Some(period))])) { (period) } }
}

fn steps(steps: &[Step], look: &Look) -> Markup {
    let columns = [
        ("Period", Set::Text),
        ("Step", Set::Text),
        ("State", Set::Text),
        ("Reason", Set::Text),
        ("Asked for", Set::Text),
        ("Decided", Set::Text),
    ];
    let rows = steps.iter().map(|step| {
        html! { tr {
            th scope="row" { (way(&step.period)) }
            td { (words(&step.step)) }
            td { (state_badge(&step.state)) }
            td { (step.reason.as_deref().unwrap_or("—")) }
            td { (look.time(step.proposed_at)) " by " (look.person(Some(&step.proposed_by))) }
            td {
                @if let Some(at) = step.decided_at {
                    (look.time(at)) " by " (look.person(step.decided_by.as_deref()))
                } @else { "—" }
            }
        } }
    });
    let table = Table {
        id: "steps",
        caption: "Steps that were asked for",
        columns: &columns,
        rows: rows.collect(),
        empty: "No step was asked for.",
    };
    table.draw()
}

fn periods(list: &PeriodList, asked: &Asked, look: &Look) -> Markup {
    let columns = [
        ("Day", Set::Text),
        ("State", Set::Text),
        ("Since", Set::Text),
        ("Version", Set::Number),
        ("Vouchers", Set::Number),
        ("Closed", Set::Text),
    ];
    let number = |number: Option<i64>| number.map_or_else(|| "—".to_owned(), grouped);
    let rows = list.periods.iter().map(|period| {
        html! { tr {
            th scope="row" { (way(&period.day.to_string())) }
            td { (state_badge(&period.state)) }
            td { (look.time(period.changed_at)) }
            td .number { (number(period.version)) }
            td .number { (number(period.voucher_count)) }
            td { @if let Some(at) = period.closed_at { (look.time(at)) } @else { "—" } }
        } }
    });
    let table = Table {
        id: "periods",
        caption: "Periods, newest first",
        columns: &columns,
        rows: rows.collect(),
        empty: "Nothing was posted yet.",
    };
    let first = given(&asked.before).map(|_| asked.page_before(None));
    let next = list.next.map(|next| asked.page_before(Some(&next.to_string())));
    html! { (table.draw()) (ways(first.as_deref(), next.as_deref())) }
}
