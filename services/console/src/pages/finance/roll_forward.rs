//! The liability of coins: how each day opened, what moved it, how it closed; in all and by account.

use super::amounts::{micros, micros_cell};
use super::charts::{Column, columns};
use super::days::{Days, form};
use super::draw::{Table, yuan_of_micros};
use super::part::inner_table;
use super::{About, Content, Page, Set, drawn, may_read, refusal};
use crate::Deps;
use crate::api::{Api, Refused};
use crate::pages::frame::Session;
use axum::extract::State;
use chrono::{NaiveDate, Utc};
use edge::{Problem, Query};
use http::StatusCode;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};

const PATH: &str = "/finance/roll-forward";

/// What the address asks for. A field that is empty asks for nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Asked {
    from: String,
    to: String,
}

/// The same as the API knows it.
#[derive(Debug, Serialize)]
struct Filter {
    from: NaiveDate,
    to: NaiveDate,
}

#[derive(Debug, Deserialize)]
struct RollForward {
    days: Vec<Day>,
}

#[derive(Debug, Deserialize)]
struct Day {
    day: NaiveDate,
    #[serde(flatten)]
    roll: Roll,
    accounts: Vec<AccountRoll>,
}

#[derive(Debug, Deserialize)]
struct AccountRoll {
    account: String,
    name: String,
    #[serde(flatten)]
    roll: Roll,
    /// What the rules moved less what the trial balance says.
    difference_micro: i64,
}

#[derive(Debug, Deserialize)]
struct Roll {
    opening_micro: i64,
    credited_micro: i64,
    spent_micro: i64,
    returned_micro: i64,
    withdrawn_micro: i64,
    expired_micro: i64,
    other_micro: i64,
    closing_micro: i64,
}

/// Figures of a [`Roll`], in order.
const FIGURES: [(&str, Set); 8] = [
    ("Opening, ¥", Set::Number),
    ("Credited, ¥", Set::Number),
    ("Spent, ¥", Set::Number),
    ("Returned, ¥", Set::Number),
    ("Withdrawn, ¥", Set::Number),
    ("Expired, ¥", Set::Number),
    ("Other, ¥", Set::Number),
    ("Closing, ¥", Set::Number),
];

impl Roll {
    fn cells(&self) -> Markup {
        let figures = [
            self.opening_micro,
            self.credited_micro,
            self.spent_micro,
            self.returned_micro,
            self.withdrawn_micro,
            self.expired_micro,
            self.other_micro,
            self.closing_micro,
        ];
        html! { @for figure in figures { (micros_cell(figure)) } }
    }
}

/// `/finance/roll-forward`.
pub(super) async fn page(
    State(deps): State<Deps>,
    session: Session,
    api: Api,
    asked: Result<Query<Asked>, Problem>,
) -> Page {
    let about = About {
        title: "Coin liability",
        lede: "What viewers are owed in coins: how each day opened, what moved it, how it closed.",
        script: "session",
        under: PATH,
    };
    if !may_read(&session) {
        return super::page(&deps, &session, &about, &html! {});
    }
    let today = deps.zone.day_of(Utc::now());
    let days =
        asked.map_err(Refused::from).and_then(|Query(asked)| Days::asked(&asked.from, &asked.to, today));
    let shown = days.as_ref().map_or_else(|_| Days::first_look(today), |days| *days);
    let rolled = match days {
        Ok(Days { from, to }) => api.read("/v1/finance/roll-forward", &Filter { from, to }).await,
        Err(refused) => Err(refused),
    };
    let status = rolled.as_ref().map_or_else(|refused| refused.status, |_: &RollForward| StatusCode::OK);
    let markup = html! {
        (form(PATH, shown, [&html! {}, &html! {}]))
        @match &rolled {
            Ok(rolled) => (content(&rolled.days)),
            Err(refused) => section .card aria-label="At the end of each day" { (refusal(refused)) },
        }
    };
    drawn(&deps, &session, &about, &Content { status, markup })
}

fn content(days: &[Day]) -> Markup {
    html! {
        @for fault in faults(days) { p .verdict.bad role="status" { (fault) } }
        section .card aria-labelledby="roll-title" {
            h2 #roll-title { "At the end of each day" }
            @if !days.is_empty() { div #roll-chart { (chart(days)) } }
            (table(days))
        }
        @if days.iter().any(|day| !day.accounts.is_empty()) {
            section .card aria-labelledby="accounts-title" {
                h2 #accounts-title { "By account" }
                @for day in days { details { summary { (day.day) } (accounts(&day.accounts)) } }
            }
        }
    }
}

/// What is not as it must be: a day that does not open as the one before closed, an account that moved otherwise than
/// the trial balance says.
fn faults(days: &[Day]) -> Vec<String> {
    let gaps = days
        .iter()
        .zip(days.iter().skip(1))
        .filter(|(before, day)| day.roll.opening_micro != before.roll.closing_micro);
    let gaps = gaps.map(|(_, day)| format!("The day {} does not open as the day before closed.", day.day));
    let off = days.iter().flat_map(|day| {
        let off = day.accounts.iter().filter(|account| account.difference_micro != 0);
        off.map(|account| {
            let difference = yuan_of_micros(account.difference_micro);
            format!("On {} account {} is off the trial balance by {difference}.", day.day, account.account)
        })
    });
    gaps.chain(off).collect()
}

fn chart(days: &[Day]) -> Markup {
    let list = days.iter().map(|day| {
        let value = day.roll.closing_micro;
        let name = day.day.format("%m-%d").to_string();
        Column { label: day.day.to_string(), name, value, text: yuan_of_micros(value) }
    });
    columns("Closing of each day", &list.collect::<Vec<_>>())
}

fn table(days: &[Day]) -> Markup {
    let columns: Vec<_> = [("Day", Set::Text)].into_iter().chain(FIGURES).collect();
    let rows = days.iter().map(|day| html! { tr { th scope="row" { (day.day) } (day.roll.cells()) } });
    let table = Table {
        id: "roll",
        caption: "The liability of coins by day",
        columns: &columns,
        rows: rows.collect(),
        empty: "There is no day in these.",
    };
    table.draw()
}

fn accounts(accounts: &[AccountRoll]) -> Markup {
    let (first, last) = ([("Account", Set::Text)], [("Off the trial balance, ¥", Set::Number)]);
    let columns: Vec<_> = first.into_iter().chain(FIGURES).chain(last).collect();
    let rows = accounts.iter().map(|one| {
        html! { tr {
            th scope="row" { (one.account) " " (one.name) }
            (one.roll.cells())
            td .number { (micros(one.difference_micro)) }
        } }
    });
    inner_table("The liability of coins by account", &columns, &rows.collect::<Vec<_>>())
}
