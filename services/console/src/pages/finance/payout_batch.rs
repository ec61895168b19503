//! One payout batch: what goes to the bank line by line, the two people's steps, and the bank's word.

use super::amounts::minor;
use super::draw::{Look, Table, address, facts, short_id, state_badge, ways, words};
use super::{About, Content, Page, Set, drawn, may_read};
use crate::Deps;
use crate::api::{Api, Refused};
use crate::pages::frame::{Session, grouped};
use axum::extract::State;
use chrono::{DateTime, NaiveDate, Utc};
use edge::{Path, Problem, Query};
use http::StatusCode;
use ids::Uuid;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};

/// Lines of one page.
const PAGE_LEN: usize = 100;

/// Files that a bank takes.
const FILES: [(&str, &str); 2] = [("xml", "pain.001 for the bank"), ("csv", "CSV for the bank")];

/// What the address asks for. A field that is empty asks for nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Asked {
    /// Only lines after this number, for the next page.
    after: String,
}

/// The same as the API knows it.
#[derive(Debug, Serialize)]
struct Filter {
    after: u32,
    limit: usize,
}

#[derive(Debug, Deserialize)]
struct File {
    batch: Batch,
    lines: Vec<Line>,
}

#[derive(Debug, Deserialize)]
struct Batch {
    batch_id: String,
    state: String,
    day: NaiveDate,
    currency: String,
    line_count: i64,
    gross_minor: i64,
    tax_minor: i64,
    net_minor: i64,
    lines_hash: String,
    built_by: String,
    built_at: DateTime<Utc>,
    approved_by: Option<String>,
    submitted_by: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Line {
    line: i64,
    line_id: String,
    state: String,
    payee: String,
    payee_id: String,
    gross_minor: i64,
    tax_minor: i64,
    net_minor: i64,
    holder: String,
    account_no: String,
    bank_code: String,
    reason: Option<String>,
}

/// `/finance/payouts/{batch_id}`.
pub(super) async fn page(
    State(deps): State<Deps>,
    session: Session,
    api: Api,
    Path(batch_id): Path<String>,
    asked: Result<Query<Asked>, Problem>,
) -> Page {
    let about = About {
        title: "Payout batch",
        lede: "What goes to the bank, line by line, and what the bank said of each.",
        script: "batch",
        under: "/finance/payouts",
    };
    if !may_read(&session) {
        return super::page(&deps, &session, &about, &html! {});
    }
    let look = Look::of(&session, deps.zone);
    let content = match read(&api, &batch_id, asked).await {
        Ok((file, after)) => Content::whole(content(&file, after, &look)),
        Err(refused) => Content::refused(&refused),
    };
    drawn(&deps, &session, &about, &content)
}

/// The batch, and the line that its lines come after.
async fn read(
    api: &Api,
    batch_id: &str,
    asked: Result<Query<Asked>, Problem>,
) -> Result<(File, u32), Refused> {
    let Ok(batch_id) = batch_id.parse::<Uuid>() else {
        return Err(Refused::new(StatusCode::NOT_FOUND, "no-such-batch", "There is no such batch."));
    };
    let Query(Asked { after }) = asked?;
    let wrong = |_| {
        let detail = "After is the number of a line.";
        Refused::new(StatusCode::UNPROCESSABLE_ENTITY, "query-invalid", detail)
    };
    let after = if after.is_empty() { 0 } else { after.parse().map_err(wrong)? };
    let filter = Filter { after, limit: PAGE_LEN };
    let file = api.read::<File>(&format!("/v1/finance/payout-batches/{batch_id}"), &filter).await?;
    Ok((file, after))
}

fn content(file: &File, after: u32, look: &Look) -> Markup {
    let batch = &file.batch;
    html! {
        div #batch-page data-id=(batch.batch_id) {
            section .card aria-labelledby="batch-title" #batch-card data-live {
                h2 #batch-title { "The batch" }
                div #batch { (summary(batch, look)) }
                p #batch-say role="status" { (says(batch, look)) }
                (steps(batch, look))
                (files(batch))
            }
            section .card aria-label="Lines" #lines-card {
                div #lines-part data-live { (lines(file, after, look)) }
                // Its buttons stand in the lines, and name it.
                @if look.is_maker() { form #line-form { p .error role="alert" {} } }
            }
        }
    }
}

fn summary(batch: &Batch, look: &Look) -> Markup {
    let amount = |amount| html! { (minor(amount, &batch.currency)) };
    let pairs = [
        ("State", Some(state_badge(&batch.state))),
        ("Day", Some(html! { (batch.day) })),
        ("To pay", Some(html! { strong { (amount(batch.net_minor)) } })),
        ("Gross", Some(amount(batch.gross_minor))),
        ("Withheld as tax", Some(amount(batch.tax_minor))),
        (
            "Built",
            Some(html! { span { (look.time(batch.built_at)) " by " (look.person(Some(&batch.built_by))) } }),
        ),
        ("Approved by", batch.approved_by.as_ref().map(|id| look.person(Some(id)))),
        ("Submitted by", batch.submitted_by.as_ref().map(|id| look.person(Some(id)))),
        ("Hash of its lines", Some(html! { code { (batch.lines_hash) } })),
    ];
    facts(&pairs)
}

/// What there is to know of the next step.
fn says(batch: &Batch, look: &Look) -> &'static str {
    match batch.state.as_str() {
        "built" if look.is_me(&batch.built_by) => "You built it: another person must approve it.",
        "built" if !look.decides_money() => "It waits for a checker.",
        "approved" if look.is_maker() => "It is approved. Submitting hands its file out.",
        "approved" => "It is approved; a maker submits it.",
        _ => "",
    }
}

/// The steps that fit where it stands and who looks.
fn steps(batch: &Batch, look: &Look) -> Markup {
    let is_built = batch.state == "built";
    let is_approved = batch.state == "approved";
    let may_decide = look.decides_money() && (is_built || is_approved);
    let may_submit = look.is_maker() && is_approved;
    html! {
        @if may_decide || may_submit {
            form #batch-form {
                div .row {
                    @if may_decide && is_built {
                        button .primary type="submit" value="approve" #approve
                            disabled[look.is_me(&batch.built_by)] { "Approve" }
                    }
                    @if may_submit {
                        button .primary type="submit" value="submit" #submit-batch { "Submit to the bank" }
                    }
                    @if may_decide { button .quiet type="submit" value="discard" #discard { "Discard" } }
                }
                p .error role="alert" {}
            }
        }
    }
}

/// Its files, once it is with the bank.
fn files(batch: &Batch) -> Markup {
    let (id, day) = (&batch.batch_id, batch.day);
    html! {
        @if matches!(batch.state.as_str(), "submitted" | "confirmed") {
            div .row #files {
                @for (ending, name) in FILES {
                    a .quiet.button href={ "/v1/finance/payout-batches/" (id) "/file." (ending) }
                        download={ "payout-" (day) "-" (id) "." (ending) } { (name) }
                }
            }
        }
    }
}

fn lines(file: &File, after: u32, look: &Look) -> Markup {
    let (batch, list) = (&file.batch, &file.lines);
    let columns = [
        ("Line", Set::Number),
        ("Payee", Set::Text),
        ("Holder", Set::Text),
        ("Account", Set::Text),
        ("Gross", Set::Number),
        ("Tax", Set::Number),
        ("To pay", Set::Number),
        ("State", Set::Text),
        ("Bank's word", Set::Decision),
    ];
    let table = Table {
        id: "lines",
        caption: "Lines of the batch",
        columns: &columns,
        rows: list.iter().map(|line| row(line, &batch.currency, look)).collect(),
        empty: "There is no line.",
    };
    let path = format!("/finance/payouts/{}", batch.batch_id);
    let first = (after > 0).then_some(path.as_str());
    // Lines are numbered from 1 without a gap.
    let last = list.last().filter(|last| list.len() >= PAGE_LEN && last.line < batch.line_count);
    let next = last.map(|last| address(&path, &[("after", Some(&last.line.to_string()))]));
    html! {
        @if first.is_some() || next.is_some() {
            p .muted { (grouped(i64::try_from(list.len()).unwrap_or(i64::MAX))) " of "
                (grouped(batch.line_count)) " lines are on this page" }
        }
        (table.draw())
        (ways(first, next.as_deref()))
    }
}

fn row(line: &Line, currency: &str, look: &Look) -> Markup {
    html! { tr {
        td .number data-label="Line" { (grouped(line.line)) }
        th scope="row" data-label="Payee" { (words(&line.payee)) " " (short_id(&line.payee_id)) }
        td data-label="Holder" { (line.holder) }
        td data-label="Account" { (line.account_no) ", " (line.bank_code) }
        td .number data-label="Gross" { (minor(line.gross_minor, currency)) }
        td .number data-label="Tax" { (minor(line.tax_minor, currency)) }
        td .number data-label="To pay" { (minor(line.net_minor, currency)) }
        td data-label="State" { (state_badge(&line.state)) }
        td data-label="Bank's word" { (bank_word(line, look)) }
    } }
}

/// What the bank said of a line, or the buttons that record it.
fn bank_word(line: &Line, look: &Look) -> Markup {
    html! {
        @match &line.reason {
            Some(reason) => (reason),
            None if line.state == "submitted" && look.is_maker() => div .row {
                button .quiet.small type="submit" form="line-form" name="paid" value=(line.line_id) { "Paid" }
                button .quiet.small type="submit" form="line-form" name="rejected" value=(line.line_id) { "Rejected…" }
            },
            None => "—",
        }
    }
}
