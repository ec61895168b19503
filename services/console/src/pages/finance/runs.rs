//! Runs of a day's comparison, what the two newest say differently, and the files that channels and banks sent about it.

use super::asked::{given, id_of, parsed};
use super::draw::{Look, Table, address, facts, note, short_id, state_badge, ways, words};
use super::part::{Part, status_of, unavailable};
use super::{About, Content, Page, Set, drawn, field, may_read, refusal};
use crate::Deps;
use crate::api::{Api, Refused};
use crate::pages::frame::{Session, grouped};
use axum::extract::State;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use edge::{Problem, Query};
use ids::Uuid;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};

const PATH: &str = "/finance/runs";

/// Lines of either report that only it has, as many as are shown.
const DIFFERENT_MAX: usize = 100;

/// What the address asks for. A field that is empty asks for nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Asked {
    day: String,
    /// Only runs before this one, for the next page.
    before: String,
    /// Only files before this one.
    files_before: String,
}

/// The same, of the forms that they must have.
#[derive(Clone, Copy, Debug)]
struct Filter {
    day: NaiveDate,
    before: Option<Uuid>,
    files_before: Option<Uuid>,
}

/// A page of a list of the day as the API knows it.
#[derive(Debug, Serialize)]
struct OfDay {
    day: NaiveDate,
    before: Option<Uuid>,
}

#[derive(Debug, Deserialize)]
struct Runs {
    runs: Vec<Run>,
    next: Option<String>,
}

/// One run without what it found.
#[derive(Debug, Deserialize)]
pub(super) struct Run {
    pub run_id: String,
    pub day: NaiveDate,
    pub state: String,
    pub requested_by: String,
    pub requested_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub step: String,
    pub steps_done: i64,
    pub steps_total: i64,
    pub rows_done: i64,
    pub report_sha256: Option<String>,
    pub attempts: i64,
    pub last_error: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Files {
    bills: Vec<Bill>,
    next: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Bill {
    bill_id: String,
    scope: String,
    channel: String,
    format: String,
    state: String,
    period_from: Option<NaiveDate>,
    period_to: Option<NaiveDate>,
    rows: i64,
    imported_by: String,
    imported_at: Option<DateTime<Utc>>,
    sha256: String,
}

#[derive(Debug, Deserialize)]
struct Diff {
    is_equal: bool,
    only_in_a: Vec<String>,
    only_in_b: Vec<String>,
}

impl Asked {
    fn filter(&self, yesterday: NaiveDate) -> Result<Filter, Refused> {
        Ok(Filter {
            day: parsed(&self.day, "The day is a date, such as 2026-11-20.")?.unwrap_or(yesterday),
            before: id_of("Before", &self.before)?,
            files_before: id_of("Files before", &self.files_before)?,
        })
    }

    /// The address of another page of one of the lists; the other stays as it is.
    fn page(&self, before: Option<&str>, files_before: Option<&str>) -> String {
        address(PATH, &[("day", given(&self.day)), ("before", before), ("files_before", files_before)])
    }
}

/// `/finance/runs`.
pub(super) async fn page(
    State(deps): State<Deps>,
    session: Session,
    api: Api,
    asked: Result<Query<Asked>, Problem>,
) -> Page {
    let about = About {
        title: "Runs",
        lede: "The daily comparison, row by row, with the channels' files.",
        script: "runs",
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
    let day = filter.as_ref().map_or(yesterday, |filter| filter.day);
    let content = match filter {
        Ok(filter) => content(&api, (&asked, filter), &look).await,
        Err(refused) => {
            Content { status: refused.status, markup: html! { section .card { (refusal(&refused)) } } }
        }
    };
    let markup = html! { (day_form(day)) (content.markup) };
    drawn(&deps, &session, &about, &Content { status: content.status, markup })
}

fn day_form(day: NaiveDate) -> Markup {
    html! {
        form .filters method="get" action=(PATH) aria-label="Which day" #day-form {
            (field("Day", &html! { input type="date" name="day" value=(day); }))
            div .filter-actions { button .primary type="submit" { "Show" } }
        }
    }
}

async fn content(api: &Api, (asked, filter): (&Asked, Filter), look: &Look) -> Content {
    let of = |before| OfDay { day: filter.day, before };
    let (of_runs, of_files) = (of(filter.before), of(filter.files_before));
    let (runs, files) = tokio::join!(
        api.read::<Runs>("/v1/finance/recon-runs", &of_runs),
        api.read::<Files>("/v1/finance/bills", &of_files),
    );
    // A repeated run says the same, byte for byte, unless something changed in between: then this names it.
    let done = runs.as_ref().map_or(&[][..], |list| &list.runs);
    let mut done = done.iter().filter(|run| run.report_sha256.is_some());
    let diff = match (done.next(), done.next()) {
        (Some(new), Some(old)) => {
            let path = format!("/v1/finance/recon-runs/{}/diff/{}", old.run_id, new.run_id);
            Some(api.get::<Diff>(&path).await)
        }
        _ => None,
    };
    let status = status_of(&[runs.as_ref().err(), files.as_ref().err()]);
    let markup = html! {
        section .card aria-labelledby="runs-title" {
            div .card-head {
                h2 #runs-title { "Runs of " (filter.day) }
                @if look.is_maker() && runs.is_ok() { (run_form(filter.day)) }
            }
            @match &runs {
                Ok(list) => (run_rows(list, asked, look)),
                Err(refused) => (unavailable("runs", refused)),
            }
        }
        (Part { id: "bills", heading: "Files", stamp: None }.draw(&files, |list| file_rows(list, asked, look)))
        @if let Some(diff) = &diff {
            (Part { id: "diff", heading: "What the two newest runs say differently", stamp: None }
                .draw(diff, difference))
        }
    };
    Content { status, markup }
}

fn run_form(day: NaiveDate) -> Markup {
    html! {
        form #run-form data-day=(day) {
            button .primary type="submit" { "Run the day" }
            p .error role="alert" {}
        }
    }
}

fn run_rows(list: &Runs, asked: &Asked, look: &Look) -> Markup {
    let columns = [
        ("Run", Set::Text),
        ("State", Set::Text),
        ("Step", Set::Text),
        ("Rows", Set::Number),
        ("Asked for", Set::Text),
        ("Ended", Set::Text),
        ("Report", Set::Text),
    ];
    let rows = list.runs.iter().map(|run| {
        html! { tr {
            th scope="row" { a href={ (PATH) "/" (run.run_id) } { (short_id(&run.run_id)) } }
            td { (state_badge(&run.state)) }
            td { (words(&run.step)) }
            td .number { (grouped(run.rows_done)) }
            td { (look.time(run.requested_at)) " by " (look.person(Some(&run.requested_by))) }
            td { @if let Some(at) = run.ended_at { (look.time(at)) } @else { "—" } }
            td { @if let Some(hash) = &run.report_sha256 { (short_hash(hash)) } @else { "—" } }
        } }
    });
    let table = Table {
        id: "runs",
        caption: "Runs of the day, newest first",
        columns: &columns,
        rows: rows.collect(),
        empty: "The day was not run.",
    };
    let files_before = given(&asked.files_before);
    let first = given(&asked.before).map(|_| asked.page(None, files_before));
    let next = list.next.as_deref().map(|next| asked.page(Some(next), files_before));
    html! { (table.draw()) (ways(first.as_deref(), next.as_deref())) }
}

/// The first digits of a hash; the whole on hovering.
pub(super) fn short_hash(hash: &str) -> Markup {
    html! { code .id title=(hash) { (hash.get(..16).unwrap_or(hash)) } }
}

fn file_rows(list: &Files, asked: &Asked, look: &Look) -> Markup {
    let columns = [
        ("Of", Set::Text),
        ("Format", Set::Text),
        ("Days", Set::Text),
        ("Rows", Set::Number),
        ("State", Set::Text),
        ("Came in", Set::Text),
        ("SHA-256", Set::Text),
    ];
    let rows = list.bills.iter().map(|bill| {
        html! { tr {
            th scope="row" title=(bill.bill_id) { (words(&bill.scope)) " " (bill.channel) }
            td { (bill.format) }
            td {
                @match (bill.period_from, bill.period_to) {
                    (Some(from), Some(to)) if from == to => (from),
                    (Some(from), Some(to)) => { (from) " to " (to) },
                    _ => "—",
                }
            }
            td .number { (grouped(bill.rows)) }
            td { (state_badge(&bill.state)) }
            td {
                @if let Some(at) = bill.imported_at { (look.time(at)) " by " }
                (look.person(Some(&bill.imported_by)))
            }
            td { (short_hash(&bill.sha256)) }
        } }
    });
    let table = Table {
        id: "bills",
        caption: "Files",
        columns: &columns,
        rows: rows.collect(),
        empty: "No file about this day came in.",
    };
    let before = given(&asked.before);
    let next = list.next.as_deref().map(|next| asked.page(before, Some(next)));
    html! {
        (table.draw())
        @if let Some(next) = next {
            nav .pager aria-label="More files" { a .quiet.button #next-files href=(next) { "Next files" } }
        }
    }
}

fn difference(diff: &Diff) -> Markup {
    let count = |lines: &[String]| i64::try_from(lines.len()).unwrap_or(i64::MAX);
    let lines = |lines: &[String]| {
        html! {
            @if !lines.is_empty() { pre .report { @for line in lines.iter().take(DIFFERENT_MAX) { (line) "\n" } } }
            @if lines.len() > DIFFERENT_MAX { p .muted { "The first " (DIFFERENT_MAX) " lines." } }
        }
    };
    html! {
        @if diff.is_equal {
            p .verdict.good #diff { "They say the same, byte for byte" }
        } @else {
            div #diff {
                (facts(&[
                    ("Only in the one before", Some(html! { (grouped(count(&diff.only_in_a))) " lines" })),
                    ("Only in the newest", Some(html! { (grouped(count(&diff.only_in_b))) " lines" })),
                ]))
                @if !diff.only_in_a.is_empty() { h3 { "Only in the one before" } }
                (lines(&diff.only_in_a))
                @if !diff.only_in_b.is_empty() { h3 { "Only in the newest" } }
                (lines(&diff.only_in_b))
            }
        }
        (note("diff", ""))
    }
}
