//! How old what is open is, and what stands on accounts that should come back to zero.

use super::ages::{AGES, AgeGroup, Ages, bars_by_age, inbox, sum};
use super::amounts::micros_cell;
use super::charts::bars;
use super::draw::{Table, address, note, words};
use super::part::{Part, status_of};
use super::{About, Content, Page, Set, drawn, may_read};
use crate::Deps;
use crate::api::Api;
use crate::pages::frame::{Session, grouped};
use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;

/// Accounts that hold what is on its way from one place to another; their sub-accounts too.
const IN_BETWEEN: [&str; 9] = ["1012", "1122", "1123", "1221", "1901", "2206", "2207", "2242", "2243"];

/// What is read of the trial balance.
#[derive(Debug, Deserialize)]
struct Balance {
    accounts: Vec<Account>,
}

#[derive(Debug, Deserialize)]
struct Account {
    account: String,
    name: String,
    debit_micro: i64,
    credit_micro: i64,
    balance_micro: i64,
}

impl Account {
    fn is_in_between(&self) -> bool {
        let top = self.account.split('.').next().unwrap_or_default();
        IN_BETWEEN.contains(&top)
    }

    fn has_moved(&self) -> bool {
        self.debit_micro != 0 || self.credit_micro != 0
    }
}

/// `/finance/suspense`.
pub(super) async fn page(State(deps): State<Deps>, session: Session, api: Api) -> Page {
    let about = About {
        title: "Suspense",
        lede: "What is open, by kind and age in days, and the accounts that should come back to zero.",
        script: "session",
        under: "/finance/suspense",
    };
    if !may_read(&session) {
        return super::page(&deps, &session, &about, &html! {});
    }
    let (ages, balance) =
        tokio::join!(api.get::<Ages>("/v1/finance/break-ages"), api.get::<Balance>("/v1/trial-balance"),);
    let status = status_of(&[ages.as_ref().err(), balance.as_ref().err()]);
    let part = |id, heading| Part { id, heading, stamp: None };
    let markup = html! {
        (part("age-chart", "Coins in question by age").draw(&ages, |ages| chart(&ages.groups)))
        (part("ages", "Open breaks by kind and age in days").draw(&ages, |ages| kinds(&ages.groups)))
        (part("accounts", "Accounts in between").draw(&balance, |balance| accounts(&balance.accounts)))
    };
    drawn(&deps, &session, &about, &Content { status, markup })
}

fn chart(groups: &[AgeGroup]) -> Markup {
    let list = bars_by_age(groups, |group| group.coins);
    html! {
        div #age-chart { (bars("Coins in question by age in days", ["Age", "Coins"], &list)) }
        (note("age-chart", ""))
    }
}

fn kinds(groups: &[AgeGroup]) -> Markup {
    let mut kinds: Vec<&str> = Vec::new();
    for group in groups {
        if !kinds.contains(&group.kind.as_str()) {
            kinds.push(&group.kind);
        }
    }
    let columns = [
        ("Kind", Set::Text),
        ("0–1", Set::Number),
        ("2–3", Set::Number),
        ("4–7", Set::Number),
        ("8–30", Set::Number),
        ("Over 30", Set::Number),
        ("Breaks", Set::Number),
        ("Overdue", Set::Number),
        ("Coins", Set::Number),
    ];
    let table = Table {
        id: "ages",
        caption: "Open breaks by kind and age in days",
        columns: &columns,
        rows: kinds.into_iter().map(|kind| kind_row(groups, kind)).collect(),
        empty: "Nothing is open.",
    };
    let total = html! { tr {
        th scope="row" { "Total" }
        @for age in &AGES {
            td .number { (grouped(sum(groups, |group| group.age == age.name, |group| group.count))) }
        }
        (figures(groups, |_| true))
    } };
    table.draw_with(&total)
}

fn kind_row(groups: &[AgeGroup], kind: &str) -> Markup {
    let is_kind = |group: &AgeGroup| group.kind == kind;
    let cells = AGES.iter().map(|age| {
        let count = sum(groups, |group| is_kind(group) && group.age == age.name, |group| group.count);
        html! { td .number {
            @if count == 0 { "–" } @else { a href=(age.inbox(Some(kind))) { (grouped(count)) } }
        } }
    });
    html! { tr {
        th scope="row" { a href=(inbox(&[("kind", Some(kind))])) { (words(kind)) } }
        @for cell in cells { (cell) }
        (figures(groups, is_kind))
    } }
}

/// Breaks, those overdue, and coins, of the groups that fit.
fn figures(groups: &[AgeGroup], fits: impl Fn(&AgeGroup) -> bool) -> Markup {
    let of = |figure: fn(&AgeGroup) -> i64| grouped(sum(groups, &fits, figure));
    html! {
        td .number { (of(|group| group.count)) }
        td .number { (of(|group| group.overdue_count)) }
        td .number { (of(|group| group.coins)) }
    }
}

fn accounts(accounts: &[Account]) -> Markup {
    let between = accounts.iter().filter(|account| account.is_in_between() && account.has_moved());
    let rows = between.map(|account| {
        html! { tr {
            th scope="row" {
                a href=(address("/finance/journal", &[("account", Some(&account.account))])) {
                    (account.account) " " (account.name)
                }
            }
            (micros_cell(account.debit_micro))
            (micros_cell(account.credit_micro))
            (micros_cell(account.balance_micro))
        } }
    });
    let columns = [
        ("Account", Set::Text),
        ("Debit, ¥", Set::Number),
        ("Credit, ¥", Set::Number),
        ("Balance, ¥", Set::Number),
    ];
    let table = Table {
        id: "accounts",
        caption: "Accounts in between",
        columns: &columns,
        rows: rows.collect(),
        empty: "Nothing ever moved on them.",
    };
    table.draw()
}
