//! One run of a day's comparison: how far it is, what each channel's files came to, and its report.
//!
//! While it runs its parts carry `data-live`, and the script takes fresh copies until they no longer do.

use super::amounts::minor;
use super::draw::{Look, Table, facts, note, state_badge, words};
use super::part::unavailable;
use super::runs::{Run, short_hash};
use super::{About, Content, Page, Set, drawn, may_read};
use crate::Deps;
use crate::api::{Api, Refused};
use crate::pages::frame::{Session, grouped};
use axum::extract::State;
use edge::Path;
use http::StatusCode;
use ids::Uuid;
use maud::{Markup, html};
use serde::Deserialize;

/// Lines of a report that the page shows; the whole is a file.
const REPORT_LINES_MAX: usize = 500;

/// What amounts of channels are in.
const CURRENCY: &str = "CNY";

#[derive(Debug, Deserialize)]
struct Detail {
    #[serde(flatten)]
    run: Run,
    matched_count: i64,
    matched_minor: i64,
    unmatched_ours: i64,
    unmatched_theirs: i64,
    differences: i64,
    #[serde(default)]
    channels: Vec<Channel>,
}

/// What one channel's files of the day came to.
#[derive(Debug, Deserialize)]
struct Channel {
    scope: String,
    channel: String,
    has_file: bool,
    rules_version: i64,
    ours_count: i64,
    theirs_count: i64,
    matched_count: i64,
    matched_minor: i64,
    ambiguous_groups: i64,
    unmatched_ours: i64,
    unmatched_theirs: i64,
    variance_minor: i64,
}

/// `/finance/runs/{run_id}`.
pub(super) async fn page(
    State(deps): State<Deps>,
    session: Session,
    api: Api,
    Path(run_id): Path<String>,
) -> Page {
    let about = About {
        title: "Run",
        lede: "How far it is, what it matched, and its report.",
        script: "run",
        under: "/finance/runs",
    };
    if !may_read(&session) {
        return super::page(&deps, &session, &about, &html! {});
    }
    let look = Look::of(&session, deps.zone);
    let content = match read(&api, &run_id).await {
        Ok((detail, report)) => Content::whole(content(&detail, report.as_ref(), &look)),
        Err(refused) => Content::refused(&refused),
    };
    drawn(&deps, &session, &about, &content)
}

/// A run, and its report where there is one.
type Found = (Detail, Option<Result<String, Refused>>);

async fn read(api: &Api, run_id: &str) -> Result<Found, Refused> {
    let Ok(run_id) = run_id.parse::<Uuid>() else {
        return Err(Refused::new(StatusCode::NOT_FOUND, "no-such-run", "There is no such run."));
    };
    let path = format!("/v1/finance/recon-runs/{run_id}");
    let detail: Detail = api.get(&path).await?;
    let report = match detail.run.report_sha256 {
        Some(_) => Some(api.get_text(&format!("{path}/report")).await),
        None => None,
    };
    Ok((detail, report))
}

fn content(detail: &Detail, report: Option<&Result<String, Refused>>, look: &Look) -> Markup {
    let run = &detail.run;
    let is_running = run.ended_at.is_none();
    html! {
        section .card aria-labelledby="run-title" #run-card data-live[is_running] {
            h2 #run-title { "The run of " (run.day) }
            @if is_running && run.steps_total > 0 {
                progress #progress max=(run.steps_total) value=(run.steps_done) aria-label="Steps done" {}
            }
            div #run { (about_run(detail, look)) }
            (note("run", ""))
        }
        section .card aria-labelledby="channels-title" #channels-card data-live[is_running] {
            h2 #channels-title { "Files" }
            (channels(&detail.channels))
        }
        section .card aria-labelledby="report-title" #report-card data-live[is_running] {
            h2 #report-title { "Report" }
            @match report {
                Some(Ok(text)) => (the_report(&run.run_id, text)),
                Some(Err(refused)) => (unavailable("report", refused)),
                None => (note("report", "The report is there once the run has ended.")),
            }
        }
    }
}

fn about_run(detail: &Detail, look: &Look) -> Markup {
    let run = &detail.run;
    let steps = html! { (grouped(run.steps_done)) " of " (grouped(run.steps_total)) };
    let number = |number: i64| Some(html! { (grouped(number)) });
    let pairs = [
        ("State", Some(state_badge(&run.state))),
        ("Step", Some(html! { (words(&run.step)) })),
        ("Steps done", Some(steps)),
        ("Rows read", number(run.rows_done)),
        (
            "Asked for",
            Some(html! { (look.time(run.requested_at)) " by " (look.person(Some(&run.requested_by))) }),
        ),
        ("Started", run.started_at.map(|at| look.time(at))),
        ("Ended", run.ended_at.map(|at| look.time(at))),
        (
            "Matched",
            Some(html! { (grouped(detail.matched_count)) ", " (minor(detail.matched_minor, CURRENCY)) }),
        ),
        ("Ours without a row", number(detail.unmatched_ours)),
        ("Rows without ours", number(detail.unmatched_theirs)),
        ("Differences", number(detail.differences)),
        ("Tried again", (run.attempts > 0).then(|| html! { (grouped(run.attempts)) " times" })),
        ("Why", run.last_error.as_ref().map(|error| html! { (error) })),
        ("Report's SHA-256", run.report_sha256.as_deref().map(short_hash)),
    ];
    facts(&pairs)
}

fn channels(channels: &[Channel]) -> Markup {
    let columns = [
        ("Of", Set::Text),
        ("File", Set::Text),
        ("Ours", Set::Number),
        ("Theirs", Set::Number),
        ("Matched", Set::Number),
        ("Matched, ¥", Set::Number),
        ("Ours alone", Set::Number),
        ("Theirs alone", Set::Number),
        ("Ambiguous", Set::Number),
        ("Variance, ¥", Set::Number),
        ("Rules", Set::Number),
    ];
    let rows = channels.iter().map(|of| {
        html! { tr {
            th scope="row" { (words(&of.scope)) " " (of.channel) }
            td { @if of.has_file { "here" } @else { "none" } }
            td .number { (grouped(of.ours_count)) }
            td .number { (grouped(of.theirs_count)) }
            td .number { (grouped(of.matched_count)) }
            td .number { (minor(of.matched_minor, CURRENCY)) }
            td .number { (grouped(of.unmatched_ours)) }
            td .number { (grouped(of.unmatched_theirs)) }
            td .number { (grouped(of.ambiguous_groups)) }
            td .number { (minor(of.variance_minor, CURRENCY)) }
            td .number { (of.rules_version) }
        } }
    });
    let table = Table {
        id: "channels",
        caption: "What each file came to",
        columns: &columns,
        rows: rows.collect(),
        empty: "No file was matched yet.",
    };
    table.draw()
}

fn the_report(run_id: &str, text: &str) -> Markup {
    let lines = text.lines().count();
    html! {
        div .scroll tabindex="0" role="region" aria-labelledby="report-title" {
            pre .report #report { @for line in text.lines().take(REPORT_LINES_MAX) { (line) "\n" } }
        }
        @if lines > REPORT_LINES_MAX {
            p .muted {
                "The first " (REPORT_LINES_MAX) " of " (grouped(i64::try_from(lines).unwrap_or(i64::MAX))) " lines."
            }
        }
        p { a href={ "/v1/finance/recon-runs/" (run_id) "/report" } download={ "run-" (run_id) ".txt" } { "The whole report" } }
        (note("report", if text.is_empty() { "It says nothing." } else { "" }))
    }
}
