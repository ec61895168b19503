//! The trial balance: every account with the way to its vouchers, and whether the books close to zero.

use super::amounts::micros_cell;
use super::draw::{Table, address, yuan_of_micros};
use super::{About, Content, Page, Set, drawn, field, may_read, refusal};
use crate::Deps;
use crate::api::{Api, Refused};
use crate::pages::frame::Session;
use axum::extract::State;
use chrono::{NaiveDate, Utc};
use edge::{Problem, Query};
use http::StatusCode;
use maud::{Markup, html};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

/// Before the first day of any books: an account's vouchers from here on sum to what stands on it.
const FIRST_DAY: &str = "2020-01-01";

/// Files that are made of it.
const FORMATS: [&str; 4] = ["csv", "xlsx", "beancount", "hledger"];

/// What the address asks for. A field that is empty asks for nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Asked {
    day: String,
}

/// The same as the API knows it.
#[derive(Debug, Default, Serialize)]
struct AsOf {
    day: Option<NaiveDate>,
}

#[derive(Debug, Deserialize)]
struct Balance {
    accounts: Vec<Account>,
    total_debit_micro: i64,
    total_credit_micro: i64,
    difference_micro: i64,
}

#[derive(Debug, Deserialize)]
struct Account {
    account: String,
    name: String,
    debit_micro: i64,
    credit_micro: i64,
    balance_micro: i64,
}

/// `/finance/trial-balance`.
pub(super) async fn page(
    State(deps): State<Deps>,
    session: Session,
    api: Api,
    asked: Result<Query<Asked>, Problem>,
) -> Page {
    let about = About {
        title: "Trial balance",
        lede: "Every account; each opens its vouchers.",
        script: "session",
        under: "/finance/trial-balance",
    };
    if !may_read(&session) {
        return super::page(&deps, &session, &about, &html! {});
    }
    let as_of = as_of(asked);
    let day = as_of.as_ref().ok().and_then(|as_of| as_of.day);
    let balance =
        async { api.read::<Balance>("/v1/trial-balance", as_of.as_ref().map_err(Clone::clone)?).await };
    // Files are made where days are closed; where they are not, nothing leads to them.
    let (balance, exports) = tokio::join!(balance, api.get::<IgnoredAny>("/v1/finance/periods?limit=1"));
    let status = balance.as_ref().map_or_else(|refused| refused.status, |_| StatusCode::OK);
    let exported_to = exports.ok().map(|_| day.unwrap_or_else(|| deps.zone.day_of(Utc::now())));
    let markup = html! {
        (form(day, exported_to))
        @match &balance {
            Ok(balance) => {
                (verdict(balance.difference_micro))
                section .card aria-label="Trial balance" { (accounts(balance, day)) }
            },
            Err(refused) => section .card aria-label="Trial balance" { (refusal(refused)) },
        }
    };
    drawn(&deps, &session, &about, &Content { status, markup })
}

fn as_of(asked: Result<Query<Asked>, Problem>) -> Result<AsOf, Refused> {
    let Query(Asked { day }) = asked?;
    if day.is_empty() {
        return Ok(AsOf::default());
    }
    let day = day.parse().map_err(|_| {
        Refused::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "query-invalid",
            "The day is no date, such as 2026-11-20.",
        )
    })?;
    Ok(AsOf { day: Some(day) })
}

fn form(day: Option<NaiveDate>, exported_to: Option<NaiveDate>) -> Markup {
    html! {
        form .filters method="get" action="/finance/trial-balance" aria-label="As of" #filters {
            (field("Up to the end of", &html! { input type="date" name="day" value=[day]; }))
            div .filter-actions {
                button .primary type="submit" { "Show" }
                a .quiet.button href="/finance/trial-balance" { "Everything posted" }
            }
            @if let Some(to) = exported_to {
                div .filter-actions.exports #exports {
                    @for format in FORMATS {
                        a .quiet.button.small download
                            href={ "/v1/finance/exports/trial-balance?to=" (to) "&format=" (format) } { (format) }
                    }
                }
            }
        }
    }
}

fn verdict(difference_micro: i64) -> Markup {
    html! {
        @if difference_micro == 0 {
            p .verdict.good #verdict role="status" { "The books close to zero" }
        } @else {
            p .verdict.bad #verdict role="status" { "The books are off by " (yuan_of_micros(difference_micro)) }
        }
    }
}

fn accounts(balance: &Balance, day: Option<NaiveDate>) -> Markup {
    let columns = [
        ("Account", Set::Text),
        ("Debit, ¥", Set::Number),
        ("Credit, ¥", Set::Number),
        ("Balance, ¥", Set::Number),
    ];
    let to = day.map(|day| day.to_string());
    let rows = balance.accounts.iter().map(|account| {
        let filters =
            [("account", Some(&*account.account)), ("from", Some(FIRST_DAY)), ("to", to.as_deref())];
        html! { tr {
            th scope="row" {
                span .code { (account.account) } " "
                a href=(address("/finance/journal", &filters)) { (account.name) }
            }
            (micros_cell(account.debit_micro))
            (micros_cell(account.credit_micro))
            (micros_cell(account.balance_micro))
        } }
    });
    let table = Table {
        id: "accounts",
        caption: "Trial balance",
        columns: &columns,
        rows: rows.collect(),
        empty: "The chart has no account.",
    };
    table.draw_with(&html! { tr {
        th scope="row" { "Total; the last is the difference" }
        (micros_cell(balance.total_debit_micro))
        (micros_cell(balance.total_credit_micro))
        (micros_cell(balance.difference_micro))
    } })
}

#[cfg(test)]
mod tests {
    use super::verdict;

    #[test]
    fn books_that_are_off_by_anything_are_not_called_closed() {
        let texts = [0, 1, -1].map(|difference| verdict(difference).into_string());
        assert!(texts[0].contains("verdict good") && texts[0].contains("close to zero"), "{}", texts[0]);
        assert!(texts[1].contains("verdict bad") && texts[1].contains("off by ¥0.00000001"), "{}", texts[1]);
        assert!(texts[2].contains("verdict bad") && texts[2].contains("off by −¥0.00000001"), "{}", texts[2]);
    }
}
