//! The inbox of breaks: a page of rows as the API pages them, filters as a plain form, and acts on many at once.

use super::asked::wrong;
use super::draw::{Look, Table, severity_badge, state_badge, ways, words};
use super::{About, Content, Page, Set, drawn, field, may_read, refusal};
use crate::Deps;
use crate::api::{Api, Refused};
use crate::pages::frame::{Session, grouped};
use axum::extract::State;
use chrono::{DateTime, TimeDelta, Utc};
use edge::{Problem, Query};
use http::StatusCode;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Rows of one page.
const PAGE_LEN: u32 = 50;

/// States that can be asked for; asking for none means what is not closed.
const STATES: [(&str, &str); 10] = [
    ("", "Not closed"),
    ("detected", "Detected"),
    ("open", "Open"),
    ("assigned", "Assigned"),
    ("proposed", "Proposed"),
    ("approved", "Approved"),
    ("posted", "Posted"),
    ("waiting", "Waiting"),
    ("closed", "Closed"),
    ("any", "All"),
];

const SEVERITIES: [(&str, &str); 4] =
    [("", "Any"), ("medium", "Medium or worse"), ("high", "High or worse"), ("critical", "Critical")];

const AGES: [(&str, &str); 5] = [
    ("", "Any"),
    ("2", "2 days or more"),
    ("4", "4 days or more"),
    ("8", "8 days or more"),
    ("31", "Over 30 days"),
];

/// What the address asks for. A field that is empty asks for nothing.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Asked {
    #[serde(skip_serializing_if = "String::is_empty")]
    state: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    severity: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    kind: String,
    /// In whole days, at least.
    #[serde(skip_serializing_if = "String::is_empty")]
    age: String,
    /// Whose they are: an id, or `me`.
    #[serde(skip_serializing_if = "String::is_empty")]
    who: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    overdue: String,
    /// Only breaks before this number, for the next page.
    #[serde(skip_serializing_if = "String::is_empty")]
    before: String,
}

/// The same as the API knows it.
#[derive(Debug, Serialize)]
struct Filter<'a> {
    state: Option<&'a str>,
    not_closed: Option<bool>,
    severity: Option<&'a str>,
    kind: Option<&'a str>,
    overdue: Option<bool>,
    assignee_id: Option<String>,
    detected_before: Option<DateTime<Utc>>,
    before: Option<&'a str>,
    limit: u32,
}

impl Asked {
    fn filter(&self, look: &Look) -> Result<Filter<'_>, Refused> {
        let given = |text: &str| !text.is_empty();
        let who = self.who.trim();
        let is_me = who.eq_ignore_ascii_case("me") || who.eq_ignore_ascii_case("mine");
        let me = look.sub.filter(|_| is_me).map(|sub| sub.to_string());
        let overdue = match self.overdue.as_str() {
            "" | "false" => None,
            "true" => Some(true),
            _ => return Err(wrong("Overdue is true or false.")),
        };
        Ok(Filter {
            state: Some(&*self.state).filter(|state| given(state) && *state != "any"),
            not_closed: self.state.is_empty().then_some(true),
            severity: Some(&*self.severity).filter(|severity| given(severity)),
            kind: Some(&*self.kind).filter(|kind| given(kind)),
            overdue,
            assignee_id: me.or_else(|| given(who).then(|| who.to_owned())),
            detected_before: self.detected_before(look)?,
            before: Some(&*self.before).filter(|before| given(before)),
            limit: PAGE_LEN,
        })
    }

    fn detected_before(&self, look: &Look) -> Result<Option<DateTime<Utc>>, Refused> {
        if self.age.is_empty() {
            return Ok(None);
        }
        let days = self.age.parse::<u16>().map_err(|_| wrong("An age is a whole number of days."))?;
        Ok(look.now.checked_sub_signed(TimeDelta::days(days.into())))
    }

    /// The address of another page of the same list.
    fn page_before(&self, before: String) -> String {
        let asked = Asked { before, ..self.clone() };
        // Plain texts always serialize.
        let query = serde_urlencoded::to_string(&asked).unwrap_or_default();
        if query.is_empty() { "/finance/breaks".to_owned() } else { format!("/finance/breaks?{query}") }
    }
}

/// A break as lists show it.
#[derive(Debug, Deserialize)]
pub(super) struct BreakView {
    pub break_id: String,
    pub break_no: i64,
    pub kind: String,
    pub state: String,
    pub logs: String,
    pub partition: u16,
    /// Unix minutes.
    pub minute: Option<i64>,
    pub order_id: Option<String>,
    pub coins: i64,
    pub detected_at: DateTime<Utc>,
    pub version: i32,
    pub severity: String,
    pub due_at: Option<DateTime<Utc>>,
    pub assignee_id: Option<String>,
    pub waits_until: Option<DateTime<Utc>>,
    pub closed_at: Option<DateTime<Utc>>,
    pub closed_why: Option<String>,
    pub reopens_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct BreakPage {
    breaks: Vec<BreakView>,
    next_before: Option<i64>,
    not_closed_count: i64,
}

#[derive(Debug, Deserialize)]
struct Ages {
    groups: Vec<AgeGroup>,
}

#[derive(Debug, Deserialize)]
struct AgeGroup {
    kind: String,
    count: i64,
}

/// How many are not closed, by kind.
type Kinds = BTreeMap<String, i64>;

/// `/finance/breaks`.
pub(super) async fn inbox(
    State(deps): State<Deps>,
    session: Session,
    api: Api,
    asked: Result<Query<Asked>, Problem>,
) -> Page {
    let about = About {
        title: "Breaks",
        lede: "What the logs do not agree on, newest first. Press ? for the keys.",
        script: "breaks",
        under: "/finance/breaks",
    };
    if !may_read(&session) {
        return super::page(&deps, &session, &about, &html! {});
    }
    let look = Look::of(&session, deps.zone);
    let (asked, unread) = match asked {
        Ok(Query(asked)) => (asked, None),
        Err(problem) => (Asked::default(), Some(Refused::from(problem))),
    };
    let list = async {
        match unread {
            Some(refused) => Err(refused),
            None => api.read::<BreakPage>("/v1/finance/breaks", &asked.filter(&look)?).await,
        }
    };
    // The choice of kinds works without their counts.
    let (list, kinds) = tokio::join!(list, read_kinds(&api));
    let status = list.as_ref().map_or_else(|refused| refused.status, |_| StatusCode::OK);
    let markup = html! {
        (filters(&asked, &kinds.unwrap_or_default()))
        (bulk(&look))
        section .card aria-label="Breaks" #list {
            @match list {
                Ok(list) => (rows(&list, &asked, &look)),
                Err(refused) => (refusal(&refused)),
            }
        }
        (bulk_propose())
        (keys())
    };
    drawn(&deps, &session, &about, &Content { status, markup })
}

async fn read_kinds(api: &Api) -> Result<Kinds, Refused> {
    let ages: Ages = api.get("/v1/finance/break-ages").await?;
    let mut kinds = Kinds::new();
    for group in ages.groups {
        let count = kinds.entry(group.kind).or_default();
        *count = count.saturating_add(group.count);
    }
    Ok(kinds)
}

fn rows(list: &BreakPage, asked: &Asked, look: &Look) -> Markup {
    let columns = [
        ("Chosen", Set::Tick),
        ("Break", Set::Text),
        ("Severity", Set::Text),
        ("State", Set::Text),
        ("Compared", Set::Text),
        ("Coins", Set::Number),
        ("Age", Set::Number),
        ("Due", Set::Text),
        ("With", Set::Text),
    ];
    let table = Table {
        id: "breaks",
        caption: "Breaks, newest first",
        columns: &columns,
        rows: list.breaks.iter().map(|found| row(found, look)).collect(),
        empty: "No break fits. That is good, or the filters are narrow.",
    };
    let first = (!asked.before.is_empty()).then(|| asked.page_before(String::new()));
    let next = list.next_before.map(|before| asked.page_before(before.to_string()));
    html! {
        p .muted.count #count role="status" {
            (grouped(list.not_closed_count)) " not closed in all; " (list.breaks.len()) " on this page"
        }
        (table.draw())
        (ways(first.as_deref(), next.as_deref()))
    }
}

fn row(found: &BreakView, look: &Look) -> Markup {
    let kind = words(&found.kind);
    html! {
        tr data-id=(found.break_id) data-no=(found.break_no) data-state=(found.state) data-coins=(found.coins)
            data-order=[found.order_id.as_deref()]
        {
            td data-label="Chosen" {
                label .tick { input type="checkbox" autocomplete="off";
                    span .visually-hidden { "Choose " (kind) " " (found.break_no) } }
            }
            th scope="row" data-label="Break" {
                span { a .open href={ "/finance/breaks/" (found.break_id) } { (kind) }
                    span .muted { " #" (found.break_no) } }
            }
            td data-label="Severity" { (severity_badge(&found.severity)) }
            td data-label="State" { (state_badge(&found.state)) }
            td data-label="Compared" { (words(&found.logs)) }
            td .number data-label="Coins" { (grouped(found.coins)) }
            td .number data-label="Age" { (look.age(found.detected_at)) }
            td data-label="Due" { (look.due(found.due_at, found.state == "closed")) }
            td data-label="With" { (look.person(found.assignee_id.as_deref())) }
        }
    }
}

fn choices(name: &str, chosen: &str, choices: &[(&str, &str)]) -> Markup {
    html! {
        select name=(name) {
            @for (value, label) in choices { option value=(value) selected[*value == chosen] { (label) } }
        }
    }
}

fn filters(asked: &Asked, kinds: &Kinds) -> Markup {
    let is_known = asked.kind.is_empty() || kinds.contains_key(&asked.kind);
    html! {
        form .filters method="get" action="/finance/breaks" #filters aria-label="Which breaks" {
            (field("State", &choices("state", &asked.state, &STATES)))
            (field("Severity", &choices("severity", &asked.severity, &SEVERITIES)))
            (field("Kind", &html! {
                select name="kind" #kinds {
                    option value="" { "Any" }
                    @if !is_known { option value=(asked.kind) selected { (words(&asked.kind)) } }
                    @for (kind, count) in kinds {
                        option value=(kind) selected[*kind == asked.kind] { (words(kind)) " (" (grouped(*count)) ")" }
                    }
                }
            }))
            (field("Age", &choices("age", &asked.age, &AGES)))
            (field("With", &html! {
                input type="text" name="who" value=(asked.who) placeholder="me, or an id" size="12";
            }))
            label .tick-field {
                input type="checkbox" name="overdue" value="true" checked[asked.overdue == "true"];
                span { "Overdue" }
            }
            div .filter-actions {
                button .primary type="submit" { "Show" }
                a .quiet.button href="/finance/breaks" { "Clear" }
                a .quiet.button href="/finance/breaks?who=me" { "Mine" }
            }
        }
    }
}

/// What a worker may do with the breaks that are chosen: nothing before a script runs, nor for who only reads.
fn bulk(look: &Look) -> Markup {
    html! {
        div .bulk #bulk role="group" aria-label="With the chosen breaks" hidden {
            strong #chosen-count role="status" {}
            button .quiet type="button" #choose-all { "Choose all on this page" }
            button .quiet type="button" #choose-none { "Choose none" }
            button .primary type="button" #bulk-assign hidden[!look.is_worker()] { "Assign to me" }
            form .row #bulk-assign-form hidden[!look.is_worker()] {
                (field("Assign to", &html! {
                    input type="text" name="assignee" placeholder="a person's id" required size="14";
                }))
                button .quiet type="submit" { "Assign" }
                p .error role="alert" {}
            }
            button .primary type="button" #bulk-propose hidden[!look.is_maker()] { "Propose…" }
            ul .outcomes #outcomes aria-label="What became of each" {}
        }
    }
}

fn bulk_propose() -> Markup {
    html! {
        dialog #propose-dialog aria-labelledby="propose-dialog-title" {
            form method="dialog" #bulk-form {
                h2 #propose-dialog-title { "Propose for the chosen breaks" }
                p .muted { "What is open is assigned to you first. Each break gets a proposal of its own; another "
                    "person decides each." }
                (field("Action", &html! {
                    select name="action" #bulk-action {
                        option value="write_off" { "Write off the difference" }
                        option value="wait" { "Wait" }
                        option value="refund_order" { "Refund the order" }
                        option value="resettle" { "Settle the order again" }
                    }
                }))
                label .field #bulk-days-field hidden {
                    span { "Days" }
                    input type="number" name="days" min="1" max="365" value="1" inputmode="numeric";
                }
                (field("Reason", &html! { textarea name="reason" rows="3" maxlength="4000" required {} }))
                div .actions {
                    button .quiet type="button" data-close { "Cancel" }
                    button .primary type="submit" #bulk-send { "Propose" }
                }
            }
        }
    }
}

fn keys() -> Markup {
    let keys = [
        ("j", "next break"),
        ("k", "break before"),
        ("Enter", "open it"),
        ("x", "choose it, or not"),
        ("a", "assign it, or the chosen ones, to me"),
        ("p", "propose for it, or for the chosen ones"),
        ("?", "this list"),
    ];
    html! {
        dialog #keys-dialog aria-labelledby="keys-title" {
            form method="dialog" {
                h2 #keys-title { "Keys" }
                dl .keys {
                    @for (key, what) in keys { dt { kbd { (key) } } dd { (what) } }
                }
                div .actions { button .primary type="submit" { "Close" } }
            }
        }
    }
}
