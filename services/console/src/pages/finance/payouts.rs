//! Payouts: the batches that pay, what payees asked for, and where one payee's money stands.
//!
//! What changes by acts is `data-live`; the forms stand beside it, so that a fresh copy takes nothing that is typed.

use super::amounts::{micros, minor};
use super::asked::{given, id_of};
use super::draw::{Look, Table, address, facts, note, short_id, state_badge, ways, words};
use super::part::{Part, status_of, unavailable};
use super::payees::{kind_of, payee_choice};
use super::{About, Content, Page, Set, drawn, field, may_read, refusal};
use crate::Deps;
use crate::api::{Api, Refused};
use crate::pages::frame::{Session, grouped};
use axum::extract::State;
use chrono::NaiveDate;
use edge::{Problem, Query};
use ids::Uuid;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};

const PATH: &str = "/finance/payouts";

/// The most batches, or requests, that the API gives at once.
const PAGE_LEN: usize = 200;

/// What statements and requests are in.
const CURRENCY: &str = "CNY";

/// What the address asks for. A field that is empty asks for nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Asked {
    /// Only batches before this one, for the next page.
    before: String,
    /// Only requests before this one.
    requests_before: String,
    payee: String,
    payee_id: String,
}

/// The same, of the forms that they must have.
#[derive(Clone, Copy, Debug)]
struct Filter {
    payee: &'static str,
    before: Option<Uuid>,
    requests_before: Option<Uuid>,
    payee_id: Option<Uuid>,
}

/// A page of a list as the API knows it.
#[derive(Debug, Serialize)]
struct Before {
    before: Option<Uuid>,
}

/// What an id is of.
#[derive(Debug, Serialize)]
struct OfKind<'a> {
    payee: &'a str,
}

#[derive(Debug, Deserialize)]
struct BatchList {
    batches: Vec<Batch>,
}

/// A batch without its lines.
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
    built_by: String,
}

#[derive(Debug, Deserialize)]
struct RequestList {
    requests: Vec<Request>,
}

#[derive(Debug, Deserialize)]
struct Request {
    request_id: String,
    payee: String,
    payee_id: String,
    amount_minor: i64,
    state: String,
    batch_id: Option<String>,
}

/// Where a payee's money stands.
#[derive(Debug, Deserialize)]
struct Money {
    payee: String,
    payee_id: String,
    pending_micro: i64,
    available_minor: i64,
    requested_minor: i64,
    in_flight_minor: i64,
    paid_minor: i64,
    withheld_minor: i64,
    receivable_minor: i64,
}

impl Asked {
    fn filter(&self) -> Result<Filter, Refused> {
        Ok(Filter {
            payee: kind_of(&self.payee)?,
            before: id_of("Before", &self.before)?,
            requests_before: id_of("Requests before", &self.requests_before)?,
            payee_id: id_of("The payee's id", &self.payee_id)?,
        })
    }

    /// The address of another page of one of the lists; the rest stays as it is.
    fn page(&self, before: Option<&str>, requests_before: Option<&str>) -> String {
        let (payee, payee_id) = (given(&self.payee), given(&self.payee_id));
        let filters = [
            ("before", before),
            ("requests_before", requests_before),
            ("payee", payee),
            ("payee_id", payee_id),
        ];
        address(PATH, &filters)
    }
}

/// `/finance/payouts`.
pub(super) async fn page(
    State(deps): State<Deps>,
    session: Session,
    api: Api,
    asked: Result<Query<Asked>, Problem>,
) -> Page {
    let about = About {
        title: "Payouts",
        lede: "What payees asked for, the batches that pay it, and what the bank said.",
        script: "payouts",
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
        Err(refused) => {
            let wrong = html! { section .card { (refusal(&refused)) } (payee_money(&asked, None)) };
            Content { status: refused.status, markup: wrong }
        }
    };
    drawn(&deps, &session, &about, &content)
}

async fn content(api: &Api, (asked, filter): (&Asked, Filter), look: &Look) -> Content {
    let before = Before { before: filter.before };
    let requests_before = Before { before: filter.requests_before };
    let money = async {
        let path = format!("/v1/finance/payees/{}", filter.payee_id?);
        Some(api.read::<Money>(&path, &OfKind { payee: filter.payee }).await)
    };
    let (batches, requests, money) = tokio::join!(
        api.read::<BatchList>("/v1/finance/payout-batches", &before),
        api.read::<RequestList>("/v1/finance/payout-requests", &requests_before),
        money,
    );
    let status = status_of(&[batches.as_ref().err(), requests.as_ref().err()]);
    let requests_part = Part { id: "requests", heading: "Requests", stamp: None };
    let markup = html! {
        section .card aria-labelledby="batches-title" {
            div .card-head {
                h2 #batches-title { "Batches" }
                @if look.is_maker() && batches.is_ok() { (build()) }
            }
            @match &batches {
                Ok(list) => (batch_rows(&list.batches, asked, look)),
                Err(refused) => (unavailable("batches", refused)),
            }
        }
        (requests_part.draw(&requests, |list| request_rows(&list.requests, asked, look)))
        div .two {
            (payee_money(asked, money.as_ref()))
            @if look.is_maker() { (ask_payout(asked)) }
        }
    };
    Content { status, markup }
}

fn build() -> Markup {
    html! {
        form #build-form {
            button .primary type="submit" { "Build a batch" }
            p .error role="alert" {}
        }
    }
}

fn batch_rows(batches: &[Batch], asked: &Asked, look: &Look) -> Markup {
    let columns = [
        ("Batch", Set::Text),
        ("Day", Set::Text),
        ("State", Set::Text),
        ("Lines", Set::Number),
        ("Gross", Set::Number),
        ("Tax", Set::Number),
        ("To pay", Set::Number),
        ("Built by", Set::Text),
    ];
    let rows = batches.iter().map(|batch| {
        html! { tr {
            th scope="row" { a href={ (PATH) "/" (batch.batch_id) } { (short_id(&batch.batch_id)) } }
            td { (batch.day) }
            td { (state_badge(&batch.state)) }
            td .number { (grouped(batch.line_count)) }
            @for amount in [batch.gross_minor, batch.tax_minor, batch.net_minor] {
                td .number { (minor(amount, &batch.currency)) }
            }
            td { (look.person(Some(&batch.built_by))) }
        } }
    });
    let table = Table {
        id: "batches",
        caption: "Batches, newest first",
        columns: &columns,
        rows: rows.collect(),
        empty: "No batch was built yet.",
    };
    let requests_before = given(&asked.requests_before);
    let first = given(&asked.before).map(|_| asked.page(None, requests_before));
    let last = batches.last().filter(|_| batches.len() >= PAGE_LEN);
    let next = last.map(|last| asked.page(Some(&last.batch_id), requests_before));
    html! { (table.draw()) (ways(first.as_deref(), next.as_deref())) }
}

fn request_rows(requests: &[Request], asked: &Asked, look: &Look) -> Markup {
    let mut columns =
        vec![("Request", Set::Text), ("Payee", Set::Text), ("Amount", Set::Number), ("State", Set::Text)];
    if look.is_maker() {
        columns.push(("Act", Set::Decision));
    }
    let table = Table {
        id: "requests",
        caption: "Requests, newest first",
        columns: &columns,
        rows: requests.iter().map(|request| request_row(request, look)).collect(),
        empty: "Nobody asked for a payout.",
    };
    let before = given(&asked.before);
    let first = given(&asked.requests_before).map(|_| asked.page(before, None));
    let last = requests.last().filter(|_| requests.len() >= PAGE_LEN);
    let next = last.map(|last| asked.page(before, Some(&last.request_id)));
    html! {
        (table.draw())
        // Its buttons stand in the rows, and name it.
        @if look.is_maker() { form #cancel-form { p .error role="alert" {} } }
        @if first.is_some() || next.is_some() {
            nav .pager aria-label="More requests" {
                @if let Some(first) = first { a .quiet.button href=(first) { "First requests" } }
                @if let Some(next) = next { a .quiet.button href=(next) { "Next requests" } }
            }
        }
    }
}

fn request_row(request: &Request, look: &Look) -> Markup {
    html! { tr {
        th scope="row" data-label="Request" { (short_id(&request.request_id)) }
        td data-label="Payee" { (words(&request.payee)) " " (short_id(&request.payee_id)) }
        td .number data-label="Amount" { (minor(request.amount_minor, CURRENCY)) }
        td data-label="State" {
            (state_badge(&request.state))
            @if let Some(batch) = &request.batch_id { " " a href={ (PATH) "/" (batch) } { "batch" } }
        }
        @if look.is_maker() {
            td data-label="Act" {
                div { @if request.state == "open" {
                    button .quiet.small type="submit" form="cancel-form" value=(request.request_id) { "Cancel" }
                } }
            }
        }
    } }
}

fn payee_money(asked: &Asked, money: Option<&Result<Money, Refused>>) -> Markup {
    let id = html! { input type="text" name="payee_id" value=(asked.payee_id) required size="14"; };
    html! {
        section .card aria-labelledby="payee-title" {
            h2 #payee-title { "Where a payee's money stands" }
            form .filters method="get" action=(PATH) {
                (payee_choice(&asked.payee))
                (field("Payee's id", &id))
                div .filter-actions { button .primary type="submit" { "Show" } }
            }
            div #payee data-live {
                @match money {
                    Some(Ok(money)) => (stands(money)),
                    Some(Err(refused)) => (unavailable("payee", refused)),
                    None => (note("payee", "")),
                }
            }
        }
    }
}

fn stands(money: &Money) -> Markup {
    let amount = |amount| Some(html! { (minor(amount, CURRENCY)) });
    let pairs = [
        ("Payee", Some(html! { (words(&money.payee)) " " (money.payee_id) })),
        ("Pending", Some(micros(money.pending_micro))),
        ("Available", amount(money.available_minor)),
        ("Asked for", amount(money.requested_minor)),
        ("At the bank", amount(money.in_flight_minor)),
        ("Paid", amount(money.paid_minor)),
        ("Withheld as tax", amount(money.withheld_minor)),
        ("Owed by the payee", amount(money.receivable_minor)),
    ];
    html! { (facts(&pairs)) (note("payee", "")) }
}

fn ask_payout(asked: &Asked) -> Markup {
    let payee = || {
        let id = html! { input type="text" name="payee_id" value=(asked.payee_id) required; };
        html! { (payee_choice(&asked.payee)) (field("Payee's id", &id)) }
    };
    html! {
        section .card aria-labelledby="ask-title" #ask-card {
            h2 #ask-title { "Ask for a payout, or give an account" }
            form #ask-form {
                (payee())
                (field("Amount in ¥; all that is available where it is empty", &html! {
                    input type="text" name="amount" inputmode="decimal";
                }))
                button .primary type="submit" { "Ask for a payout" }
                p .error role="alert" {}
            }
            form #account-form {
                (payee())
                (field("Holder", &html! { input type="text" name="holder" required; }))
                (field("Account number", &html! { input type="text" name="account_no" required; }))
                (field("Bank code", &html! { input type="text" name="bank_code" required; }))
                button .quiet type="submit" { "Give the account" }
                p .error role="alert" {}
            }
        }
    }
}
