//! One break: evidence, history, and the forms by which two people close it.
//!
//! Parts that change while others work carry `data-live`: the script takes a fresh copy of the page and puts in what
//! is new. `data-stamp` names what a part was drawn from; the same stamp keeps what somebody is typing.

use super::break_acts::acts;
use super::breaks::BreakView;
use super::draw::{Look, Table, facts, note, severity_badge, state_badge, words};
use super::evidence::{Side, away, sides};
use super::{About, Content, Page, Set, drawn, field, may_read};
use crate::Deps;
use crate::api::{Api, Refused};
use crate::pages::frame::{Session, grouped};
use axum::extract::State;
use chrono::{DateTime, Utc};
use edge::Path;
use http::StatusCode;
use ids::Uuid;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Steps of a life that goes well.
const LIFE: [&str; 7] = ["detected", "open", "assigned", "proposed", "approved", "posted", "closed"];

#[derive(Debug, Deserialize)]
pub(super) struct Detail {
    #[serde(rename = "break")]
    pub found: BreakView,
    pub before: Side,
    pub after: Side,
    pub comments: Vec<Comment>,
    pub proposals: Vec<Proposal>,
    pub history: Vec<Step>,
    pub may_propose: MayPropose,
}

#[derive(Debug, Deserialize)]
pub(super) struct Comment {
    author_id: String,
    text: String,
    said_at: DateTime<Utc>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Proposal {
    pub proposal_id: String,
    pub maker_id: String,
    pub action: Map<String, Value>,
    pub reason: String,
    pub digest: String,
    pub proposed_at: DateTime<Utc>,
    pub decision: Option<String>,
    pub checker_id: Option<String>,
    pub rule: Option<String>,
    pub decision_reason: Option<String>,
    pub decided_at: Option<DateTime<Utc>>,
    pub effect: Option<Effect>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Effect {
    request_id: String,
    outcome: String,
    attempts: i32,
    last_error: Option<String>,
    proof: Option<Value>,
}

/// A row of the audit trail.
#[derive(Debug, Deserialize)]
pub(super) struct Step {
    seq: i64,
    at: DateTime<Utc>,
    actor: String,
    act: String,
    body: Value,
    hash: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct MayPropose {
    pub actions: Vec<String>,
    pub write_off_coins_max: i64,
    pub grant_coins_max: i64,
    pub wait_days_max: u16,
}

/// `/finance/breaks/{break_id}`.
pub(super) async fn page(
    State(deps): State<Deps>,
    session: Session,
    api: Api,
    Path(break_id): Path<String>,
) -> Page {
    let about = About {
        title: "Break",
        lede: "What each side says, what was said about it, and what is to be done.",
        script: "break",
        under: "/finance/breaks",
    };
    if !may_read(&session) {
        return super::page(&deps, &session, &about, &html! {});
    }
    let look = Look::of(&session, deps.zone);
    match read(&api, &break_id).await {
        Ok(detail) => {
            let title = format!("{} #{}", words(&detail.found.kind), detail.found.break_no);
            let content = Content::whole(content(&detail, &look));
            drawn(&deps, &session, &About { title: &title, ..about }, &content)
        }
        Err(refused) => drawn(&deps, &session, &about, &Content::refused(&refused)),
    }
}

async fn read(api: &Api, break_id: &str) -> Result<Detail, Refused> {
    let Ok(break_id) = break_id.parse::<Uuid>() else {
        return Err(Refused::new(StatusCode::NOT_FOUND, "no-such-break", "There is no such break."));
    };
    api.get(&format!("/v1/finance/breaks/{break_id}")).await
}

fn content(detail: &Detail, look: &Look) -> Markup {
    let version = detail.found.version;
    html! {
        div #break data-id=(detail.found.break_id) {
            section .card aria-label="The break" #break-card data-live { (summary(detail, look)) (life(&detail.found)) }
            div .two.evidence-and-acts {
                div .stack #evidence data-live data-stamp=(version) {
                    (sides(("recorded", "As found"), (&detail.before, &detail.after), |side| side.recorded.as_ref()))
                    (sides(("rows", "The rows now"), (&detail.before, &detail.after), |side| side.row.as_ref()))
                    (away([&detail.before, &detail.after]))
                }
                (acts(detail, look))
            }
            section .card aria-labelledby="proposals-title" #proposals-card data-live data-stamp=(version) {
                h2 #proposals-title { "Proposals" }
                div #proposals { @for proposal in &detail.proposals { (proposed(proposal, look)) } }
                (note("proposals", if detail.proposals.is_empty() { "Nothing was proposed." } else { "" }))
            }
            (comments(&detail.comments, look))
            (history(&detail.history, look))
        }
    }
}

fn break_link(id: &str, text: &str) -> Markup {
    html! { a href={ "/finance/breaks/" (id) } { (text) } }
}

fn summary(detail: &Detail, look: &Look) -> Markup {
    let found = &detail.found;
    // Only a break that was opened again has these: its own fact stands in the first.
    let again = detail.history.iter().filter(|step| step.act == "reopened");
    let again: Vec<&str> = again.filter_map(|step| step.body.get("reopened_as")?.as_str()).collect();
    let minute = found.minute.and_then(|minute| DateTime::from_timestamp(minute.checked_mul(60)?, 0));
    let why = found.closed_why.as_deref().map(|why| words(why).to_lowercase()).unwrap_or_default();
    let pairs = [
        ("Coins in question", Some(html! { (grouped(found.coins)) })),
        ("Compared", Some(html! { (words(&found.logs)) })),
        ("Found", Some(look.time(found.detected_at))),
        ("Due", Some(look.due(found.due_at, found.state == "closed"))),
        ("With", Some(look.person(found.assignee_id.as_deref()))),
        ("Waits until", found.waits_until.map(|at| look.time(at))),
        ("Closed", found.closed_at.map(|at| html! { span { (look.time(at)) ": " (why) } })),
        ("Order", found.order_id.as_ref().map(|id| html! { a href={ "/finance/orders/" (id) } { (id) } })),
        ("Partition", Some(html! { (found.partition) })),
        ("Rows of minute", minute.map(|at| look.time(at))),
        ("First break about this", found.reopens_id.as_ref().map(|id| break_link(id, id))),
        (
            "Later",
            (!again.is_empty())
                .then(|| html! { @for id in again { (break_link(id, "opened again as another")) " " } }),
        ),
    ];
    html! {
        div #summary {
            div .break-title {
                strong { (words(&found.kind)) } span .muted { "#" (found.break_no) }
                (severity_badge(&found.severity)) (state_badge(&found.state))
            }
            (facts(&pairs))
        }
    }
}

fn life(found: &BreakView) -> Markup {
    let waits = found.state == "waiting";
    let now = if waits { "approved" } else { &found.state };
    let reached = LIFE.iter().position(|state| *state == now);
    html! {
        ol .life #life aria-label="Its life" {
            @for (place, state) in LIFE.iter().enumerate() {
                li .past[reached.is_some_and(|reached| place < reached)]
                    aria-current=[(reached == Some(place)).then_some("step")]
                { @if waits && *state == "approved" { "Waiting" } @else { (words(state)) } }
            }
        }
    }
}

/// A number with thousands apart, a text as it is.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        _ => value.as_i64().map_or_else(|| value.to_string(), grouped),
    }
}

/// An action in words: what, and with what.
pub(super) fn action_words(action: &Map<String, Value>) -> String {
    let funds = action.get("funds").and_then(Value::as_object);
    let mut said = vec![words(action.get("action").and_then(Value::as_str).unwrap_or_default())];
    for (name, value) in funds.unwrap_or(action) {
        let name = match name.as_str() {
            "action" | "lines" => continue,
            "promo_coins" => "promotional coins",
            "viewer_id" => "viewer",
            "order_id" => "order",
            other => &other.replace('_', " "),
        };
        said.push(format!("{name} {}", plain(value)));
    }
    if let Some(viewer) = action.get("viewer_id").and_then(Value::as_str).filter(|_| funds.is_some()) {
        said.push(format!("to viewer {viewer}"));
    }
    said.join(" · ")
}

fn json(value: &Value) -> Markup {
    html! { code .json { (format!("{value:#}")) } }
}

fn proposed(proposal: &Proposal, look: &Look) -> Markup {
    let by = match &proposal.rule {
        Some(rule) => html! { "the rule " (rule) },
        None => look.person(Some(&proposal.maker_id)),
    };
    let decided = match (&proposal.decision, proposal.decided_at) {
        (Some(decision), Some(at)) => html! {
            span { (words(decision)) " " (look.time(at)) " by "
                @if let Some(checker) = &proposal.checker_id { (look.person(Some(checker))) } @else { "recon" } }
        },
        _ => html! { "Waits for another person" },
    };
    let effect = proposal.effect.as_ref();
    let pairs = [
        ("Reason", Some(html! { (proposal.reason) })),
        ("Proposed", Some(html! { span { (look.time(proposal.proposed_at)) " by " (by) } })),
        ("Decided", Some(decided)),
        ("Because", proposal.decision_reason.as_ref().map(|reason| html! { (reason) })),
        ("Command", effect.map(|it| html! { (words(&it.outcome)) ", asked " (it.attempts) " times" })),
        ("Under the id", effect.map(|it| html! { (it.request_id) })),
        ("Its error", effect.and_then(|it| it.last_error.as_ref()).map(|error| html! { (error) })),
        ("Its proof", effect.and_then(|it| it.proof.as_ref()).map(json)),
        ("Digest", Some(html! { code { (proposal.digest) } })),
    ];
    html! {
        article .proposal { h3 { (action_words(&proposal.action)) } (facts(&pairs)) (lines(&proposal.action)) }
    }
}

/// The lines of a proposed voucher.
pub(super) fn lines(action: &Map<String, Value>) -> Markup {
    let lines = action.get("lines").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let amount = |line: &Value, side: &str| {
        let micros = line.get(side).and_then(Value::as_i64);
        micros.map_or_else(|| "—".to_owned(), super::draw::yuan_of_micros)
    };
    let rows = lines.iter().map(|line| {
        html! { tr {
            th scope="row" { (line.get("account").map(plain).unwrap_or_default()) }
            td .number { (amount(line, "debit_micro")) }
            td .number { (amount(line, "credit_micro")) }
        } }
    });
    let columns = [("Account", Set::Text), ("Debit, ¥", Set::Number), ("Credit, ¥", Set::Number)];
    html! {
        @if !lines.is_empty() {
            div .scroll tabindex="0" role="region" aria-label="Lines of the voucher" {
                table {
                    caption .visually-hidden { "Lines of the voucher" }
                    thead { tr { @for (label, set) in columns { (super::heading(label, set)) } } }
                    tbody { @for row in rows { (row) } }
                }
            }
        }
    }
}

fn comments(comments: &[Comment], look: &Look) -> Markup {
    html! {
        section .card aria-labelledby="comments-title" {
            h2 #comments-title { "Comments" }
            div #comment-list data-live {
                ul .comments #comments {
                    @for comment in comments {
                        li {
                            p .muted { (look.person(Some(&comment.author_id))) ", " (look.time(comment.said_at)) }
                            p .said { (comment.text) }
                        }
                    }
                }
                (note("comments", if comments.is_empty() { "Nobody has said anything." } else { "" }))
            }
            @if look.is_worker() {
                form .comment #comment-form {
                    (field("Say something", &html! { textarea name="text" rows="2" maxlength="4000" required {} }))
                    button .quiet type="submit" { "Comment" }
                    p .error role="alert" {}
                }
            }
        }
    }
}

/// What a row of the trail adds to its act, in short; the whole of it on opening.
fn step_says(body: &Value) -> Markup {
    let names = ["reason", "text", "assignee_id", "rule", "kind", "why", "error"];
    let said = names.iter().filter_map(|name| {
        let value = body.get(name).filter(|value| !value.is_null())?;
        Some(format!("{} {}", words(name).to_lowercase(), plain(value)))
    });
    let said = said.collect::<Vec<_>>().join(" · ");
    html! {
        details { summary { @if said.is_empty() { "all of it" } @else { (said) } } (json(body)) }
    }
}

fn history(steps: &[Step], look: &Look) -> Markup {
    let columns = [
        ("When", Set::Text),
        ("Who", Set::Text),
        ("What", Set::Text),
        ("Says", Set::Text),
        ("Row", Set::Number),
    ];
    let rows = steps.iter().map(|step| {
        html! { tr {
            td { (look.time(step.at)) }
            td { (look.person(Some(&step.actor))) }
            td { strong { (words(&step.act)) } }
            td { (step_says(&step.body)) }
            td .number { span .id title=(step.hash) { (step.seq) } }
        } }
    });
    let table = Table {
        id: "history",
        caption: "History, from the audit trail",
        columns: &columns,
        rows: rows.collect(),
        empty: "The trail says nothing of it.",
    };
    html! {
        section .card aria-labelledby="history-title" #history-card data-live
            data-stamp=(steps.first().map_or(0, |step| step.seq))
        {
            h2 #history-title { "History, from the audit trail" }
            (table.draw())
        }
    }
}
