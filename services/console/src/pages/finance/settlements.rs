//! What channels have paid: payments and withdrawals that a bank's statement shows, fees, and the voucher of each.

use super::amounts::minor;
use super::asked::{given, parsed, wrong};
use super::draw::{Table, address, ways, words};
use super::{About, Content, Page, Set, drawn, field, may_read, refusal};
use crate::Deps;
use crate::api::{Api, Refused};
use crate::pages::frame::{Session, grouped};
use axum::extract::State;
use chrono::NaiveDate;
use edge::{Problem, Query};
use maud::{Markup, html};
use serde::{Deserialize, Serialize};

const PATH: &str = "/finance/settlements";

/// What the address asks for. A field that is empty asks for nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Asked {
    day: String,
    channel: String,
    /// `yes`: only those without a voucher.
    waiting: String,
    /// Only those before this number, for the next page.
    before: String,
}

/// The same as the API knows it.
#[derive(Debug, Serialize)]
struct Filter<'a> {
    day: Option<NaiveDate>,
    channel: Option<&'a str>,
    waiting: bool,
    before: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct Listed {
    settlements: Vec<Settlement>,
    next_before: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct Settlement {
    settlement_no: i64,
    turn: i32,
    channel: String,
    about: String,
    run_day: NaiveDate,
    day: NaiveDate,
    payments: i64,
    gross_minor: i64,
    fee_minor: i64,
    net_minor: i64,
    currency: String,
    voucher_id: Option<String>,
    last_error: Option<String>,
}

impl Asked {
    fn filter(&self) -> Result<Filter<'_>, Refused> {
        let waiting = match given(&self.waiting) {
            None => false,
            Some("yes") => true,
            Some(_) => return Err(wrong("Only those without a voucher: yes, or nothing.")),
        };
        Ok(Filter {
            day: parsed(&self.day, "The day is a date, such as 2026-11-20.")?,
            channel: given(&self.channel),
            waiting,
            before: parsed(&self.before, "Before is the number of a row.")?,
        })
    }

    /// The address of another page of the same rows.
    fn page_before(&self, before: Option<&str>) -> String {
        let filters = [("day", &self.day), ("channel", &self.channel), ("waiting", &self.waiting)];
        let mut filters = filters.map(|(name, value)| (name, given(value))).to_vec();
        filters.push(("before", before));
        address(PATH, &filters)
    }
}

/// `/finance/settlements`.
pub(super) async fn page(
    State(deps): State<Deps>,
    session: Session,
    api: Api,
    asked: Result<Query<Asked>, Problem>,
) -> Page {
    let about = About {
        title: "Paid by channels",
        lede: "What comes off the debt of each channel: what a bank's statement shows, and what the channel kept.",
        script: "session",
        under: PATH,
    };
    if !may_read(&session) {
        return super::page(&deps, &session, &about, &html! {});
    }
    let asked = asked.map(|Query(asked)| asked).map_err(Refused::from);
    let (asked, refused) = match asked {
        Ok(asked) => (asked, None),
        Err(refused) => (Asked::default(), Some(refused)),
    };
    let listed = match refused.map_or_else(|| asked.filter(), Err) {
        Ok(filter) => api.read::<Listed>("/v1/finance/channel-settlements", &filter).await,
        Err(refused) => Err(refused),
    };
    let content = match &listed {
        Ok(listed) => Content::whole(html! {
            section .card aria-label="What channels have paid" { (rows(listed, &asked)) }
        }),
        Err(refused) => {
            Content { status: refused.status, markup: html! { section .card { (refusal(refused)) } } }
        }
    };
    let markup = html! { (filters(&asked)) (content.markup) };
    drawn(&deps, &session, &about, &Content { status: content.status, markup })
}

fn filters(asked: &Asked) -> Markup {
    let is_waiting = given(&asked.waiting).is_some();
    html! {
        form .filters method="get" action=(PATH) aria-label="Which rows" #filters {
            (field("Day of the run", &html! { input type="date" name="day" value=(asked.day); }))
            (field("Channel", &html! {
                input type="text" name="channel" value=(asked.channel) autocomplete="off" spellcheck="false";
            }))
            (field("Voucher", &html! {
                select name="waiting" {
                    option value="" selected[!is_waiting] { "Posted or not" }
                    option value="yes" selected[is_waiting] { "Not posted yet" }
                }
            }))
            div .filter-actions {
                button .primary type="submit" { "Show" }
                a .quiet.button href=(PATH) { "Everything" }
            }
        }
    }
}

fn rows(listed: &Listed, asked: &Asked) -> Markup {
    let columns = [
        ("No.", Set::Number),
        ("Channel", Set::Text),
        ("What", Set::Text),
        ("Told on", Set::Text),
        ("Run of", Set::Text),
        ("Rows", Set::Number),
        ("Off its debt", Set::Number),
        ("At the bank", Set::Number),
        ("Fee", Set::Number),
        ("Voucher", Set::Text),
    ];
    let rows = listed.settlements.iter().map(|row| {
        let amount = |of| html! { td .number { (minor(of, &row.currency)) } };
        html! { tr {
            td .number { (grouped(row.settlement_no)) }
            td { (row.channel) }
            td { (words(&row.about)) @if row.turn % 2 == 0 { " " span .muted { "taken back" } } }
            td { (row.day) }
            td { a href=(address("/finance/runs", &[("day", Some(&row.run_day.to_string()))])) { (row.run_day) } }
            td .number { (grouped(row.payments)) }
            (amount(row.gross_minor))
            (amount(row.net_minor))
            (amount(row.fee_minor))
            td { (voucher(row)) }
        } }
    });
    let table = Table {
        id: "settlements",
        caption: "What channels have paid, newest first",
        columns: &columns,
        rows: rows.collect(),
        empty: "No statement has shown anything of this. A run of a day matches the statements that are imported.",
    };
    let next = listed.next_before.map(|before| asked.page_before(Some(&before.to_string())));
    let first = given(&asked.before).map(|_| asked.page_before(None));
    html! {
        (table.draw())
        (ways(first.as_deref(), next.as_deref()))
    }
}

fn voucher(row: &Settlement) -> Markup {
    html! {
        @match (&row.voucher_id, &row.last_error) {
            (Some(id), _) => a .id href={ "/finance/journal/" (id) } { (id) },
            (None, Some(why)) => span .error { "not posted: " (why) },
            (None, None) => "waits",
        }
    }
}
