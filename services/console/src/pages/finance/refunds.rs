//! Refunds that people ask for: of one order, of a file, of a minor's gifts. One case shows whose coins and earnings it
//! moves, and how far it is.
//!
//! What changes by acts is `data-live`; the forms stand beside it, so that a fresh copy takes nothing that is typed.

use super::approvals::decision;
use super::asked::{given, parsed, wrong};
use super::draw::{Look, Table, address, state_badge, ways};
use super::part::unavailable;
use super::refund_case::{Case, CaseDetail, draw as draw_case};
use super::{About, Content, Page, Set, drawn, field, may_read};
use crate::Deps;
use crate::api::{Api, Refused};
use crate::pages::frame::{Session, grouped};
use axum::extract::State;
use edge::{Problem, Query};
use http::StatusCode;
use ids::Uuid;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};

const PATH: &str = "/finance/refunds";

/// Kinds of cases, how they are called, and where the API keeps them.
const KINDS: [(&str, &str, &str); 3] = [
    ("order", "One order", "/v1/finance/refunds"),
    ("file", "A file", "/v1/finance/refund-batches"),
    ("minor", "A minor's gifts", "/v1/finance/minor-cases"),
];

/// Cases, and lines of one, that the page asks for at once.
const PAGE_LEN: u16 = 100;

/// What the address asks for. A field that is empty asks for nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Asked {
    kind: String,
    /// One case, opened above the list.
    case: String,
    /// Only its lines after this number, for the next page of them.
    after: String,
    /// Only cases before this one, for the next page.
    before: String,
}

/// The same, of the forms that they must have.
#[derive(Clone, Copy, Debug)]
struct Filter {
    place: &'static str,
    case: Option<Uuid>,
    after: Option<u32>,
    before: Option<Uuid>,
}

/// A page of cases as the API knows it.
#[derive(Debug, Serialize)]
struct CasesQuery {
    before: Option<Uuid>,
    limit: u16,
}

/// A page of a case's lines.
#[derive(Debug, Serialize)]
struct LinesQuery {
    after: Option<u32>,
    limit: u16,
}

#[derive(Debug, Deserialize)]
struct Cases {
    cases: Vec<Case>,
    next: Option<String>,
}

impl Asked {
    fn kind(&self) -> &str {
        given(&self.kind).unwrap_or(KINDS[0].0)
    }

    fn filter(&self) -> Result<Filter, Refused> {
        let known = KINDS.iter().find(|(kind, _, _)| *kind == self.kind());
        let (_, _, place) = known.ok_or_else(|| wrong("A refund is of an order, a file or a minor."))?;
        Ok(Filter {
            place,
            case: parsed(&self.case, "A case is named by its id.")?,
            after: parsed(&self.after, "After is the number of a line.")?,
            before: parsed(&self.before, "Before is the id of a case.")?,
        })
    }

    /// The address of another page of the same kind.
    fn page(&self, filters: [(&str, Option<&str>); 3]) -> String {
        let kind = [("kind", Some(self.kind()))];
        address(PATH, &[&kind[..], &filters].concat())
    }

    fn of_case(&self, case: Option<&str>, after: Option<&str>) -> String {
        self.page([("case", case), ("after", after), ("before", given(&self.before))])
    }

    fn before(&self, before: Option<&str>) -> String {
        self.page([("case", given(&self.case)), ("after", given(&self.after)), ("before", before)])
    }
}

/// `/finance/refunds`.
pub(super) async fn page(
    State(deps): State<Deps>,
    session: Session,
    api: Api,
    asked: Result<Query<Asked>, Problem>,
) -> Page {
    let about = About {
        title: "Refunds",
        lede: "Asked for by one person, approved by another, each order once and never more than is left of it.",
        script: "refunds",
        under: PATH,
    };
    if !may_read(&session) {
        return super::page(&deps, &session, &about, &html! {});
    }
    let look = Look::of(&session, deps.zone);
    let asked = asked.map(|Query(asked)| asked).map_err(Refused::from);
    let filter = asked.as_ref().map_err(Clone::clone).and_then(Asked::filter);
    let asked = asked.unwrap_or_default();
    let content = match filter {
        Ok(filter) => content(&api, (&asked, filter), &look).await,
        Err(refused) => Content::refused(&refused),
    };
    let markup = html! {
        (kind_form(&asked))
        (content.markup)
        @if look.is_maker() { (ask(&look)) }
    };
    drawn(&deps, &session, &about, &Content { status: content.status, markup })
}

fn kind_form(asked: &Asked) -> Markup {
    html! {
        form .filters method="get" action=(PATH) aria-label="Which refunds" #kind-form {
            (field("Of", &html! {
                select name="kind" {
                    @for (kind, label, _) in KINDS { option value=(kind) selected[kind == asked.kind()] { (label) } }
                }
            }))
            div .filter-actions { button .primary type="submit" { "Show" } }
        }
    }
}

async fn content(api: &Api, (asked, filter): (&Asked, Filter), look: &Look) -> Content {
    let one = async {
        let path = format!("{}/{}", filter.place, filter.case?);
        let query = LinesQuery { after: filter.after, limit: PAGE_LEN };
        Some(api.read::<CaseDetail>(&path, &query).await)
    };
    let query = CasesQuery { before: filter.before, limit: PAGE_LEN };
    let (cases, one) = tokio::join!(api.read::<Cases>(filter.place, &query), one);
    // Whoever asks for one case asks for nothing else: where it is not there, the page is not.
    let failed = one.as_ref().and_then(|one| one.as_ref().err()).or(cases.as_ref().err());
    let status = failed.map_or(StatusCode::OK, |refused| refused.status);
    let markup = html! {
        @if let Some(one) = &one { (case_card(one, (asked, filter), look)) }
        section .card aria-label="Cases" #cases-card data-live {
            @match &cases {
                Ok(list) => (case_rows(list, asked, look)),
                Err(refused) => (unavailable("cases", refused)),
            }
        }
    };
    Content { status, markup }
}

fn case_card(one: &Result<CaseDetail, Refused>, (asked, filter): (&Asked, Filter), look: &Look) -> Markup {
    html! {
        section .card aria-labelledby="case-title" #case-card data-live {
            h2 #case-title { "The case" }
            @match one {
                Ok(detail) => {
                    div #case { (draw_case(detail, look)) }
                    @if let Some(next) = detail.next.filter(|_| !detail.lines.is_empty()) {
                        (more_lines(&asked.of_case(given(&asked.case), Some(&next.to_string()))))
                    }
                    @if detail.case.state == "waiting" {
                        (decision(&detail.case.ways(filter.place), &detail.case.made_by, (look.decides_money(), look)))
                    }
                },
                Err(refused) => (unavailable("case", refused)),
            }
        }
    }
}

fn more_lines(next: &str) -> Markup {
    html! {
        nav .pager aria-label="More lines" { a .quiet.button #next-lines href=(next) { "Next lines" } }
    }
}

fn case_rows(list: &Cases, asked: &Asked, look: &Look) -> Markup {
    let columns = [
        ("Why", Set::Text),
        ("State", Set::Text),
        ("Lines done", Set::Number),
        ("Coins asked for", Set::Number),
        ("Coins back", Set::Number),
        ("Made by", Set::Text),
        ("Since", Set::Number),
    ];
    let rows = list.cases.iter().map(|case| {
        html! { tr {
            th scope="row" { a href=(asked.of_case(Some(&case.case_id), None)) { (case.reason) } }
            td { (state_badge(&case.state)) }
            td .number { (case.lines_done()) }
            td .number { (grouped(case.asked_coins)) }
            td .number { (grouped(case.refunded_coins())) }
            td { (look.person(Some(&case.made_by))) }
            td .number { (look.age(case.made_at)) }
        } }
    });
    let table = Table {
        id: "cases",
        caption: "Cases, newest first",
        columns: &columns,
        rows: rows.collect(),
        empty: "Nobody asked for such a refund yet.",
    };
    let first = given(&asked.before).map(|_| asked.before(None));
    let next = list.next.as_deref().map(|next| asked.before(Some(next)));
    html! { (table.draw()) (ways(first.as_deref(), next.as_deref())) }
}

fn reason() -> Markup {
    field("Reason", &html! { textarea name="reason" rows="2" maxlength="2000" required {} })
}

fn ask(look: &Look) -> Markup {
    let offset = look.offset();
    let time = |label: &str, name: &str| {
        field(
            &format!("{label}, UTC{offset}"),
            &html! { input type="datetime-local" name=(name) required step="1"; },
        )
    };
    html! {
        section .card aria-labelledby="ask-title" #ask-card {
            h2 #ask-title { "Ask for a refund" }
            div .two {
                form #order-form {
                    h3 { "Of one order" }
                    (field("The gift order's id", &html! { input type="text" name="order" required; }))
                    (field("Coins; all that is left where it is empty", &html! {
                        input type="text" name="coins" inputmode="numeric";
                    }))
                    (reason())
                    button .primary type="submit" { "Ask" }
                    p .error role="alert" {}
                }
                form #minor-form data-offset=(offset) {
                    h3 { "Of a minor's gifts" }
                    (field("The viewer's id", &html! { input type="text" name="viewer" required; }))
                    div .pair { (time("From", "from")) (time("To, not counted", "to")) }
                    (reason())
                    button .primary type="submit" { "Ask" }
                    p .error role="alert" {}
                }
                form #file-form {
                    h3 { "Of a file" }
                    (field("CSV: order_id, amount_coins, reason", &html! {
                        input type="file" name="file" accept=".csv,text/csv" required;
                    }))
                    (reason())
                    button .primary type="submit" { "Ask" }
                    p .error role="alert" {}
                }
            }
        }
    }
}
