//! What people decided, row by row of one trail, and whether that trail is whole.

use super::asked::{given, parsed, wrong};
use super::draw::{Look, Table, address, short_id, ways, words};
use super::{About, Content, Page, Set, drawn, field, may_read, refusal};
use crate::Deps;
use crate::api::{Api, Refused};
use crate::pages::frame::{Session, grouped};
use axum::extract::State;
use chrono::{DateTime, Utc};
use edge::{Problem, Query};
use http::StatusCode;
use ids::Uuid;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use serde_json::Value;

const PATH: &str = "/finance/audit";

/// Rows of one page.
const PAGE_LEN: usize = 100;

/// The trails, and what they tell.
const TRAILS: [(&str, &str); 4] = [
    ("breaks", "Breaks and matching rules"),
    ("refunds", "Refunds"),
    ("periods", "Periods"),
    ("payouts", "Payouts and contracts"),
];

/// Hexadecimal digits of a hash that are shown; the whole on hovering.
const HASH_SHOWN: usize = 12;

/// What the address asks for. A field that is empty asks for nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Asked {
    trail: String,
    subject: String,
    /// Only rows before this one, for the next page.
    before: String,
    /// `whole`: every row is read and verified.
    verify: String,
    /// A row known from elsewhere, as `seq:hash`.
    anchor: String,
}

/// A page of a trail as the API knows it.
#[derive(Debug, Serialize)]
struct Filter<'a> {
    subject: Option<&'a str>,
    before: Option<i64>,
    limit: usize,
}

#[derive(Debug, Serialize)]
struct Against<'a> {
    anchor: Option<&'a str>,
}

#[derive(Debug, Deserialize)]
struct Steps {
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
struct Step {
    seq: i64,
    at: DateTime<Utc>,
    actor: String,
    act: String,
    subject: String,
    body: Value,
    hash: String,
}

#[derive(Debug, Deserialize)]
struct Verified {
    rows: i64,
    head: Option<String>,
    fault: Option<Fault>,
    unexplained: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Fault {
    seq: i64,
    kind: String,
}

impl Asked {
    fn trail(&self) -> Result<&'static str, Refused> {
        let asked = given(&self.trail).unwrap_or(TRAILS[0].0);
        let known = TRAILS.iter().find(|(trail, _)| *trail == asked);
        known.map(|(trail, _)| *trail).ok_or_else(|| wrong("There is no such trail."))
    }

    fn filter(&self) -> Result<(&'static str, Filter<'_>), Refused> {
        if !matches!(given(&self.verify), None | Some("whole")) {
            return Err(wrong("A trail is verified whole, or not."));
        }
        let before = parsed(&self.before, "Before is the number of a row.")?;
        Ok((self.trail()?, Filter { subject: given(&self.subject), before, limit: PAGE_LEN }))
    }

    /// The address of another page of the same rows.
    fn page_before(&self, before: Option<&str>) -> String {
        let (trail, subject) = (given(&self.trail), given(&self.subject));
        address(PATH, &[("trail", trail), ("subject", subject), ("before", before)])
    }
}

/// `/finance/audit`.
pub(super) async fn page(
    State(deps): State<Deps>,
    session: Session,
    api: Api,
    asked: Result<Query<Asked>, Problem>,
) -> Page {
    let about = About {
        title: "Audit",
        lede: "Every step of what people decide, in chains: a row that was changed later shows.",
        script: "session",
        under: PATH,
    };
    if !may_read(&session) {
        return super::page(&deps, &session, &about, &html! {});
    }
    let look = Look::of(&session, deps.zone);
    let asked = asked.map(|Query(asked)| asked).map_err(Refused::from);
    let (status, shown, asked) = match asked {
        Ok(asked) => {
            let (status, shown) = match asked.filter() {
                Ok((trail, filter)) => content(&api, (&asked, trail, &filter), &look).await,
                Err(refused) => (refused.status, told(&refused)),
            };
            (status, shown, asked)
        }
        Err(refused) => (refused.status, told(&refused), Asked::default()),
    };
    let markup = html! { (verify_card(&asked, &shown.verified)) (filters(&asked)) (shown.rows) };
    drawn(&deps, &session, &about, &Content { status, markup })
}

/// The two parts that depend on answers.
struct Shown {
    verified: Markup,
    rows: Markup,
}

fn told(refused: &Refused) -> Shown {
    Shown { verified: html! {}, rows: html! { section .card aria-label="Rows" { (refusal(refused)) } } }
}

async fn content(
    api: &Api,
    (asked, trail, filter): (&Asked, &str, &Filter<'_>),
    look: &Look,
) -> (StatusCode, Shown) {
    let path = format!("/v1/finance/audit/{trail}");
    let verified = async {
        given(&asked.verify)?;
        let against = Against { anchor: given(&asked.anchor) };
        Some(api.read_long::<Verified>(&format!("{path}/verification"), &against).await)
    };
    let (steps, verified) = tokio::join!(api.read::<Steps>(&path, filter), verified);
    let failed = verified.as_ref().and_then(|verified| verified.as_ref().err()).or(steps.as_ref().err());
    let status = failed.map_or(StatusCode::OK, |refused| refused.status);
    let rows = match &steps {
        Ok(list) => html! {
            section .card aria-label="Rows" { (rows(&list.steps, (asked, trail), look)) }
        },
        Err(refused) => told(refused).rows,
    };
    let verified = match &verified {
        Some(Ok(verified)) => verdict(verified, trail),
        Some(Err(refused)) => html! { p .error role="alert" { (refused.detail) } },
        None => html! {},
    };
    (status, Shown { verified, rows })
}

fn verify_card(asked: &Asked, verified: &Markup) -> Markup {
    html! {
        section .card aria-labelledby="verify-title" {
            h2 #verify-title { "Is the trail whole?" }
            form .filters #verify-form method="get" action=(PATH) {
                input type="hidden" name="trail" value=(given(&asked.trail).unwrap_or(TRAILS[0].0));
                input type="hidden" name="verify" value="whole";
                (field("A row you know from elsewhere, as seq:hash; may be empty", &html! {
                    input type="text" name="anchor" value=(asked.anchor) autocomplete="off" spellcheck="false" size="40";
                }))
                div .filter-actions { button .primary type="submit" { "Verify" } }
            }
            div #verified role="status" { (verified) }
        }
    }
}

fn verdict(of: &Verified, trail: &str) -> Markup {
    let is_whole = of.fault.is_none() && of.unexplained.is_empty();
    html! {
        @if is_whole {
            p .verdict.good { "The trail is whole: " (grouped(of.rows)) " rows" }
        } @else {
            p .verdict.bad { "The trail is NOT whole" }
        }
        @if let Some(fault) = &of.fault {
            p .error { "Row " (grouped(fault.seq)) ": " (words(&fault.kind).to_lowercase()) "." }
        }
        @if !of.unexplained.is_empty() {
            p .error { "These stand otherwise than their steps say:" }
            ul .plain { @for id in &of.unexplained { li { (subject(id, trail, id)) } } }
        }
        @if let Some(head) = &of.head {
            p .muted { "Keep its end elsewhere; it is an anchor later:" }
            code .json { (head) }
        }
    }
}

fn filters(asked: &Asked) -> Markup {
    let chosen = given(&asked.trail).unwrap_or(TRAILS[0].0);
    html! {
        form .filters method="get" action=(PATH) aria-label="Which rows" #filters {
            (field("Trail of", &html! {
                select name="trail" {
                    @for (trail, label) in TRAILS { option value=(trail) selected[trail == chosen] { (label) } }
                }
            }))
            (field("About", &html! {
                input type="text" name="subject" value=(asked.subject) placeholder="an id" size="36";
            }))
            div .filter-actions {
                button .primary type="submit" { "Show" }
                a .quiet.button href=(PATH) { "Everything" }
            }
        }
    }
}

/// What a row is about: a break has its page.
fn subject(id: &str, trail: &str, text: &str) -> Markup {
    let is_id = id.parse::<Uuid>().is_ok();
    html! {
        @if is_id && trail == TRAILS[0].0 { a .id href={ "/finance/breaks/" (id) } title=(id) { (text) } }
        @else if is_id { (short_id(id)) }
        @else { (id) }
    }
}

fn rows(steps: &[Step], (asked, trail): (&Asked, &str), look: &Look) -> Markup {
    let columns = [
        ("Row", Set::Number),
        ("When", Set::Text),
        ("Who", Set::Text),
        ("What", Set::Text),
        ("About", Set::Text),
        ("Hash", Set::Text),
    ];
    let rows = steps.iter().map(|step| {
        let about =
            step.subject.parse::<Uuid>().map_or_else(|_| step.subject.clone(), crate::pages::frame::short);
        let hash = step.hash.get(..HASH_SHOWN).unwrap_or(&step.hash);
        html! { tr {
            td .number { (grouped(step.seq)) }
            td { (look.time(step.at)) }
            td { (look.person(Some(&step.actor))) }
            td { details { summary { (words(&step.act)) } code .json { (format!("{:#}", step.body)) } } }
            td { (subject(&step.subject, trail, &about)) }
            td { code .id title=(step.hash) { (hash) } }
        } }
    });
    let table = Table {
        id: "steps",
        caption: "Rows of the trail, newest first",
        columns: &columns,
        rows: rows.collect(),
        empty: "The trail says nothing of this.",
    };
    let last = steps.last().filter(|_| steps.len() >= PAGE_LEN);
    let next = last.map(|last| asked.page_before(Some(&last.seq.to_string())));
    let first = given(&asked.before).map(|_| asked.page_before(None));
    html! { (table.draw()) (ways(first.as_deref(), next.as_deref())) }
}
