//! The journal: vouchers of some days, of one account where it is named, each with its lines.

use super::amounts::micros_cell;
use super::asked::given;
use super::days::{Days, exports, form};
use super::draw::{Table, address, ways};
use super::part::inner_table;
use super::voucher::Voucher;
use super::{About, Content, Page, Set, drawn, field, may_read, refusal};
use crate::Deps;
use crate::api::{Api, Refused};
use crate::pages::frame::{Session, grouped};
use axum::extract::State;
use chrono::{NaiveDate, Utc};
use edge::{Problem, Query};
use http::StatusCode;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};

/// Vouchers of one page.
const PAGE_LEN: u32 = 100;

const PATH: &str = "/finance/journal";

/// Files that are made of it.
const FORMATS: [&str; 5] = ["csv", "xlsx", "parquet", "beancount", "hledger"];

/// What the address asks for. A field that is empty asks for nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Asked {
    from: String,
    to: String,
    account: String,
    /// Only vouchers after this place, for the next page.
    after: String,
}

/// The same as the API knows it.
#[derive(Debug, Serialize)]
struct Filter<'a> {
    day_from: NaiveDate,
    day_to: NaiveDate,
    account: Option<&'a str>,
    after: Option<&'a str>,
    limit: u32,
}

#[derive(Debug, Deserialize)]
struct VoucherPage {
    vouchers: Vec<Voucher>,
    next: Option<String>,
}

impl Asked {
    fn filter(&self, days: Days) -> Filter<'_> {
        Filter {
            day_from: days.from,
            day_to: days.to,
            account: given(self.account.trim()),
            after: given(&self.after),
            limit: PAGE_LEN,
        }
    }

    /// The address of another page of the same list.
    fn page_after(&self, after: Option<&str>) -> String {
        let (from, to, account) = (given(&self.from), given(&self.to), given(&self.account));
        address(PATH, &[("from", from), ("to", to), ("account", account), ("after", after)])
    }
}

/// `/finance/journal`.
pub(super) async fn page(
    State(deps): State<Deps>,
    session: Session,
    api: Api,
    asked: Result<Query<Asked>, Problem>,
) -> Page {
    let about = About {
        title: "Journal",
        lede: "Vouchers by the day they were posted to; each opens its lines and the rows it was made of.",
        script: "session",
        under: PATH,
    };
    if !may_read(&session) {
        return super::page(&deps, &session, &about, &html! {});
    }
    let today = deps.zone.day_of(Utc::now());
    let (asked, unread) = match asked {
        Ok(Query(asked)) => (asked, None),
        Err(problem) => (Asked::default(), Some(Refused::from(problem))),
    };
    let days = Days::asked(&asked.from, &asked.to, today);
    let shown = days.as_ref().map_or_else(|_| Days::first_look(today), |days| *days);
    let list = match (unread, days) {
        (Some(refused), _) | (None, Err(refused)) => Err(refused),
        (None, Ok(days)) => api.read::<VoucherPage>("/v1/finance/journal", &asked.filter(days)).await,
    };
    let status = list.as_ref().map_or_else(|refused| refused.status, |_| StatusCode::OK);
    let account = field(
        "Account",
        &html! {
            input type="text" name="account" value=(asked.account) placeholder="2205.01" size="12";
        },
    );
    let files = list.as_ref().map_or_else(|_| html! {}, |_| exports("journal", shown, &FORMATS));
    let markup = html! {
        (form(PATH, shown, [&account, &files]))
        section .card aria-label="Vouchers" {
            @match &list {
                Ok(list) => (rows(list, &asked)),
                Err(refused) => (refusal(refused)),
            }
        }
    };
    drawn(&deps, &session, &about, &Content { status, markup })
}

fn rows(list: &VoucherPage, asked: &Asked) -> Markup {
    let columns = [
        ("Voucher", Set::Text),
        ("Day", Set::Text),
        ("Rule", Set::Text),
        ("Source", Set::Text),
        ("Rows", Set::Number),
        ("Coins", Set::Number),
        ("Lines", Set::Text),
    ];
    let table = Table {
        id: "vouchers",
        caption: "Vouchers",
        columns: &columns,
        rows: list.vouchers.iter().map(row).collect(),
        empty: "No voucher was posted to these days.",
    };
    let first = given(&asked.after).map(|_| asked.page_after(None));
    let next = list.next.as_deref().map(|after| asked.page_after(Some(after)));
    html! { (table.draw()) (ways(first.as_deref(), next.as_deref())) }
}

fn row(voucher: &Voucher) -> Markup {
    html! { tr {
        th scope="row" { a href={ (PATH) "/" (voucher.voucher_id) } { (voucher.voucher_id) } }
        td { (voucher.posted_day) }
        td { (voucher.rule) }
        td { (voucher.source) }
        td .number { (grouped(voucher.row_count)) }
        td .number { (grouped(voucher.coins)) }
        td { (lines(voucher)) }
    } }
}

fn lines(voucher: &Voucher) -> Markup {
    let rows = voucher.postings.iter().map(|line| {
        html! { tr {
            th scope="row" { (line.account) }
            (micros_cell(line.debit_micro))
            (micros_cell(line.credit_micro))
        } }
    });
    let rows: Vec<_> = rows.collect();
    let columns = [("Account", Set::Text), ("Debit, ¥", Set::Number), ("Credit, ¥", Set::Number)];
    html! {
        details { summary { (rows.len()) " lines" } (inner_table("Lines", &columns, &rows)) }
    }
}
