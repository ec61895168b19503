//! Final statements of some days, by day and payee; each opens its lines.

use super::amounts::{micros, micros_cell, minor};
use super::asked::{given, id_of, parsed};
use super::days::{Days, form};
use super::draw::{Table, address, short_id, ways};
use super::payees::{kind_of, payee_choice};
use super::{About, Content, Page, Set, drawn, field, may_read, refusal};
use crate::Deps;
use crate::api::{Api, Refused};
use crate::pages::frame::{Session, grouped};
use axum::extract::State;
use chrono::{NaiveDate, Utc};
use edge::{Problem, Query};
use ids::Uuid;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};

const PATH: &str = "/finance/statements";

/// Statements of one page.
const PAGE_LEN: usize = 100;

/// What statements are in.
const CURRENCY: &str = "CNY";

/// Files that are made of the same days, and how they are called.
const FILES: [(&str, &str); 3] =
    [("statements.csv", "CSV"), ("statements.xlsx", "XLSX"), ("statement-lines.csv", "Lines as CSV")];

/// What the address asks for. A field that is empty asks for nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Asked {
    from: String,
    to: String,
    payee: String,
    payee_id: String,
    /// Only statements after this day and payee, for the next page.
    after_day: String,
    after_payee_id: String,
}

/// The same as the API knows it.
#[derive(Debug, Serialize)]
struct Filter {
    payee: &'static str,
    payee_id: Option<Uuid>,
    from: NaiveDate,
    to: NaiveDate,
    after_day: Option<NaiveDate>,
    after_payee_id: Option<Uuid>,
    limit: usize,
}

#[derive(Debug, Deserialize)]
struct List {
    statements: Vec<Statement>,
}

#[derive(Debug, Deserialize)]
struct Statement {
    payee: String,
    payee_id: String,
    day: NaiveDate,
    gross_micro: i64,
    share_micro: i64,
    clawback_micro: i64,
    settled_count: i64,
    reversed_count: i64,
    payable_minor: i64,
    is_released: bool,
}

impl Asked {
    fn filter(&self, days: Days) -> Result<Filter, Refused> {
        Ok(Filter {
            payee: kind_of(&self.payee)?,
            payee_id: id_of("The payee's id", &self.payee_id)?,
            from: days.from,
            to: days.to,
            after_day: parsed(&self.after_day, "After is a date, such as 2026-11-20.")?,
            after_payee_id: id_of("After", &self.after_payee_id)?,
            limit: PAGE_LEN,
        })
    }

    /// The address of another page of the same list.
    fn page_after(&self, after: Option<(&str, &str)>) -> String {
        let filters = [
            ("from", given(&self.from)),
            ("to", given(&self.to)),
            ("payee", given(&self.payee)),
            ("payee_id", given(&self.payee_id)),
            ("after_day", after.map(|(day, _)| day)),
            ("after_payee_id", after.map(|(_, id)| id)),
        ];
        address(PATH, &filters)
    }
}

/// `/finance/statements`.
pub(super) async fn page(
    State(deps): State<Deps>,
    session: Session,
    api: Api,
    asked: Result<Query<Asked>, Problem>,
) -> Page {
    let about = About {
        title: "Statements",
        lede: "What each payee earned on a day; each opens its lines with their contracts, and their orders.",
        script: "session",
        under: PATH,
    };
    if !may_read(&session) {
        return super::page(&deps, &session, &about, &html! {});
    }
    let today = deps.zone.day_of(Utc::now());
    let asked = asked.map(|Query(asked)| asked).map_err(Refused::from);
    let days = asked.as_ref().map_err(Clone::clone).and_then(|of| Days::asked(&of.from, &of.to, today));
    let shown = days.as_ref().map_or_else(|_| Days::first_look(today), |days| *days);
    let filter = days.and_then(|days| asked.as_ref().map_err(Clone::clone)?.filter(days));
    let list = match &filter {
        Ok(filter) => api.read::<List>("/v1/finance/statements", filter).await,
        Err(refused) => Err(refused.clone()),
    };
    let asked = asked.unwrap_or_default();
    let status = list.as_ref().map_or_else(|refused| refused.status, |_| http::StatusCode::OK);
    let id = html! { input type="text" name="payee_id" value=(asked.payee_id) size="14"; };
    let fields = html! { (payee_choice(&asked.payee)) (field("Payee's id", &id)) };
    let files = filter.as_ref().ok().filter(|_| list.is_ok()).map(files).unwrap_or_default();
    let markup = html! {
        (form(PATH, shown, [&fields, &files]))
        section .card aria-label="Statements" {
            @match &list {
                Ok(list) => (rows(&list.statements, &asked)),
                Err(refused) => (refusal(refused)),
            }
        }
    };
    drawn(&deps, &session, &about, &Content { status, markup })
}

/// The ways to files of these days.
fn files(filter: &Filter) -> Markup {
    let (from, to) = (filter.from.to_string(), filter.to.to_string());
    let id = filter.payee_id.map(|id| id.to_string());
    let asked = [
        ("payee", Some(filter.payee)),
        ("payee_id", id.as_deref()),
        ("from", Some(&*from)),
        ("to", Some(&*to)),
    ];
    html! {
        div .filter-actions.exports #exports {
            @for (file, label) in FILES {
                a .quiet.button.small download=(file) href=(address(&format!("/v1/finance/{file}"), &asked)) { (label) }
            }
        }
    }
}

fn rows(statements: &[Statement], asked: &Asked) -> Markup {
    let columns = [
        ("Day", Set::Text),
        ("Payee", Set::Text),
        ("Gifts, ¥", Set::Number),
        ("Share, ¥", Set::Number),
        ("Taken back, ¥", Set::Number),
        ("Orders", Set::Number),
        ("Payable, ¥", Set::Number),
        ("Hold", Set::Text),
    ];
    let rows = statements.iter().map(|of| {
        let lines = address(&format!("{PATH}/{}/{}", of.payee_id, of.day), &[("payee", Some(&of.payee))]);
        html! { tr {
            th scope="row" { a href=(lines) { (of.day) } }
            td { (short_id(&of.payee_id)) }
            (micros_cell(of.gross_micro))
            (micros_cell(of.share_micro))
            (micros_cell(of.clawback_micro))
            td .number {
                (grouped(of.settled_count)) @if of.reversed_count != 0 { " − " (grouped(of.reversed_count)) }
            }
            td .number { (minor(of.payable_minor, CURRENCY)) }
            td { @if of.is_released { "released" } @else { "on hold" } }
        } }
    });
    let table = Table {
        id: "statements",
        caption: "Statements",
        columns: &columns,
        rows: rows.collect(),
        empty: "No statement of these days is final yet.",
    };
    let last = statements.last().filter(|_| statements.len() >= PAGE_LEN);
    let next = last.map(|last| asked.page_after(Some((&last.day.to_string(), &last.payee_id))));
    let first = given(&asked.after_day).map(|_| asked.page_after(None));
    html! {
        (if statements.is_empty() { table.draw() } else { table.draw_with(&sums(statements)) })
        (ways(first.as_deref(), next.as_deref()))
    }
}

fn sums(statements: &[Statement]) -> Markup {
    // A page of statements sums to less than what one day's books hold.
    let sum =
        |of: fn(&Statement) -> i64| statements.iter().fold(0_i64, |sum, one| sum.saturating_add(of(one)));
    html! { tr {
        th scope="row" { "This page" }
        td {}
        td .number { (micros(sum(|of| of.gross_micro))) }
        td .number { (micros(sum(|of| of.share_micro))) }
        td .number { (micros(sum(|of| of.clawback_micro))) }
        td .number { (grouped(sum(|of| of.settled_count))) }
        td .number { (minor(sum(|of| of.payable_minor), CURRENCY)) }
        td {}
    } }
}
