//! One payee's day: its amounts, its lines by streamer and version of a contract, and the orders of one line.

use super::amounts::{micros, micros_cell, minor};
use super::asked::{parsed, wrong};
use super::draw::{Table, address, facts, note, short_id, state_badge, words};
use super::part::{Part, status_of, unavailable};
use super::payees::kind_of;
use super::{About, Content, Page, Set, drawn, may_read};
use crate::Deps;
use crate::api::{Api, Refused};
use crate::pages::frame::{Session, grouped};
use axum::extract::State;
use chrono::NaiveDate;
use edge::{Path, Problem, Query};
use http::StatusCode;
use ids::Uuid;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};

/// The most lines, and the most orders, that the API gives at once.
const PAGE_LEN: usize = 500;

/// What statements are in.
const CURRENCY: &str = "CNY";

/// What the address asks for. A field that is empty asks for nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Asked {
    payee: String,
    /// Only lines after this streamer and version, for the next page of them.
    lines_after: String,
    lines_after_version: String,
    /// Whose orders are shown: the line of this streamer and version.
    streamer_id: String,
    contract_version: String,
    /// Only orders after this partition and seq, for the next page of them.
    after_partition: String,
    after_seq: String,
}

/// Which statement, and what of it.
struct Filter {
    payee_id: Uuid,
    day: NaiveDate,
    lines: LinesQuery,
    orders: Option<OrdersQuery>,
}

#[derive(Debug, Serialize)]
struct OfKind {
    payee: &'static str,
}

#[derive(Debug, Serialize)]
struct LinesQuery {
    payee: &'static str,
    after: Option<Uuid>,
    after_version: Option<i32>,
}

#[derive(Debug, Serialize)]
struct OrdersQuery {
    payee: &'static str,
    streamer_id: Uuid,
    contract_version: i32,
    after_partition: Option<i16>,
    after_seq: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct Statement {
    payee: String,
    payee_id: String,
    day: NaiveDate,
    status: String,
    gross_micro: i64,
    share_micro: i64,
    clawback_micro: i64,
    carry_in_micro: i64,
    payable_minor: i64,
    carry_out_micro: i64,
}

#[derive(Debug, Deserialize)]
struct Lines {
    lines: Vec<Line>,
}

/// What one version of one streamer's contract earned.
#[derive(Debug, Deserialize)]
struct Line {
    streamer_id: String,
    contract_version: i64,
    gross_micro: i64,
    share_micro: i64,
    clawback_micro: i64,
    settled_count: i64,
    reversed_count: i64,
}

#[derive(Debug, Deserialize)]
struct Orders {
    orders: Vec<Order>,
}

#[derive(Debug, Deserialize)]
struct Order {
    order_id: String,
    kind: String,
    day: NaiveDate,
    paid_coins: i64,
    promo_coins: i64,
    earned_micro: i64,
    partition: i64,
    seq: i64,
}

impl Asked {
    fn filter(&self, payee_id: &str, day: &str) -> Result<Filter, Refused> {
        let nothing = || {
            let detail = "There is no such statement: its address names a payee by id, and a day.";
            Refused::new(StatusCode::NOT_FOUND, "no-such-statement", detail)
        };
        let payee = kind_of(&self.payee)?;
        let lines = LinesQuery {
            payee,
            after: parsed(&self.lines_after, "After is a streamer's id.")?,
            after_version: parsed(&self.lines_after_version, "A contract's version is a number.")?,
        };
        let streamer_id = parsed(&self.streamer_id, "A line is of a streamer's id.")?;
        let contract_version = parsed(&self.contract_version, "A contract's version is a number.")?;
        let after_partition = parsed(&self.after_partition, "A partition is a number.")?;
        let after_seq = parsed(&self.after_seq, "A place in a log is a number.")?;
        let orders = match (streamer_id, contract_version) {
            (Some(streamer_id), Some(contract_version)) => {
                Some(OrdersQuery { payee, streamer_id, contract_version, after_partition, after_seq })
            }
            (None, None) => None,
            _ => return Err(wrong("A line is of a streamer and a contract's version.")),
        };
        Ok(Filter {
            payee_id: payee_id.parse().map_err(|_| nothing())?,
            day: day.parse().map_err(|_| nothing())?,
            lines,
            orders,
        })
    }
}

impl Filter {
    /// The page of this statement with more in its address.
    fn address(&self, filters: &[(&str, Option<&str>)]) -> String {
        let path = format!("/finance/statements/{}/{}", self.payee_id, self.day);
        address(&path, &[&[("payee", Some(self.lines.payee))], filters].concat())
    }

    /// The page with a line's orders, after one of them.
    fn orders_of(&self, (streamer_id, version): (&str, i64), after: Option<&Order>) -> String {
        let text = |number: i64| number.to_string();
        let version = text(version);
        let (partition, seq) = (after.map(|order| text(order.partition)), after.map(|order| text(order.seq)));
        let filters = [
            ("streamer_id", Some(streamer_id)),
            ("contract_version", Some(&*version)),
            ("after_partition", partition.as_deref()),
            ("after_seq", seq.as_deref()),
        ];
        format!("{}#orders-card", self.address(&filters))
    }
}

/// `/finance/statements/{payee_id}/{day}`.
pub(super) async fn page(
    State(deps): State<Deps>,
    session: Session,
    api: Api,
    Path((payee_id, day)): Path<(String, String)>,
    asked: Result<Query<Asked>, Problem>,
) -> Page {
    let about = About {
        title: "Statement",
        lede: "One payee's day. A line is what one version of a contract earned; it opens its orders.",
        script: "session",
        under: "/finance/statements",
    };
    if !may_read(&session) {
        return super::page(&deps, &session, &about, &html! {});
    }
    let filter = asked.map_err(Refused::from).and_then(|Query(asked)| asked.filter(&payee_id, &day));
    let content = match filter {
        Ok(filter) => content(&api, &filter).await,
        Err(refused) => Content::refused(&refused),
    };
    drawn(&deps, &session, &about, &content)
}

async fn content(api: &Api, filter: &Filter) -> Content {
    let (payee_id, day) = (filter.payee_id, filter.day);
    let path = format!("/v1/finance/statements/{payee_id}/{day}");
    let orders = async {
        let query = filter.orders.as_ref()?;
        Some(api.read::<Orders>(&format!("{path}/orders"), query).await)
    };
    let (statement_path, lines_path) = (format!("/v1/statements/{payee_id}/{day}"), format!("{path}/lines"));
    let kind = OfKind { payee: filter.lines.payee };
    let (statement, lines, orders) = tokio::join!(
        api.read::<Statement>(&statement_path, &kind),
        api.read::<Lines>(&lines_path, &filter.lines),
        orders,
    );
    let status = status_of(&[statement.as_ref().err(), lines.as_ref().err()]);
    let part = |id, heading| Part { id, heading, stamp: None };
    let markup = html! {
        (part("statement", "The day").draw(&statement, the_day))
        (part("lines", "Lines").draw(&lines, |list| the_lines(&list.lines, filter)))
        @if let (Some(query), Some(orders)) = (&filter.orders, &orders) {
            (orders_card(query, orders, filter))
        }
    };
    Content { status, markup }
}

fn the_day(of: &Statement) -> Markup {
    let pairs = [
        ("Payee", Some(html! { (words(&of.payee)) " " span .id { (of.payee_id) } })),
        ("Day", Some(html! { (of.day) })),
        ("State", Some(state_badge(&of.status))),
        ("Gifts", Some(micros(of.gross_micro))),
        ("Share", Some(micros(of.share_micro))),
        ("Taken back by refunds", Some(micros(of.clawback_micro))),
        ("Carried in", Some(micros(of.carry_in_micro))),
        ("Payable", Some(html! { strong { (minor(of.payable_minor, CURRENCY)) } })),
        ("Carried on", Some(micros(of.carry_out_micro))),
    ];
    html! { div #statement { (facts(&pairs)) } (note("statement", "")) }
}

/// Versions below zero are of the contract of those who have none of their own.
fn contract(version: i64) -> String {
    if version < 0 {
        format!("default, version {}", version.unsigned_abs())
    } else {
        format!("version {version}")
    }
}

fn the_lines(lines: &[Line], filter: &Filter) -> Markup {
    let columns = [
        ("Streamer", Set::Text),
        ("Contract", Set::Text),
        ("Gifts, ¥", Set::Number),
        ("Share, ¥", Set::Number),
        ("Taken back, ¥", Set::Number),
        ("Orders", Set::Number),
        ("Refunds", Set::Number),
    ];
    let rows = lines.iter().map(|line| {
        let version = contract(line.contract_version);
        let orders = filter.orders_of((&line.streamer_id, line.contract_version), None);
        html! { tr {
            th scope="row" { (short_id(&line.streamer_id)) }
            td { a href=(orders) aria-label={ "Orders by contract " (version) } { (version) } }
            (micros_cell(line.gross_micro))
            (micros_cell(line.share_micro))
            (micros_cell(line.clawback_micro))
            td .number { (grouped(line.settled_count)) }
            td .number { (grouped(line.reversed_count)) }
        } }
    });
    let table = Table {
        id: "lines",
        caption: "Lines",
        columns: &columns,
        rows: rows.collect(),
        empty: "Nothing was earned on this day.",
    };
    let next = lines.last().filter(|_| lines.len() >= PAGE_LEN).map(|last| {
        let version = last.contract_version.to_string();
        filter.address(&[("lines_after", Some(&last.streamer_id)), ("lines_after_version", Some(&version))])
    });
    html! {
        (table.draw())
        @if let Some(next) = next {
            nav .pager aria-label="More lines" { a .quiet.button #next-lines href=(next) { "Next lines" } }
        }
    }
}

fn orders_card(query: &OrdersQuery, orders: &Result<Orders, Refused>, filter: &Filter) -> Markup {
    let (streamer, version) = (query.streamer_id.to_string(), i64::from(query.contract_version));
    html! {
        section .card #orders-card aria-labelledby="orders-title" {
            h2 #orders-title {
                "Orders of streamer " (short_id(&streamer)) ", contract " (contract(version))
            }
            @match orders {
                Ok(list) => {
                    (the_orders(&list.orders))
                    @let is_later = query.after_seq.is_some();
                    @let last = list.orders.last().filter(|_| list.orders.len() >= PAGE_LEN);
                    @if is_later || last.is_some() {
                        nav .pager aria-label="More orders" {
                            @if is_later {
                                a .quiet.button href=(filter.orders_of((&streamer, version), None)) { "First orders" }
                            }
                            @if let Some(last) = last {
                                a .quiet.button #more-orders href=(filter.orders_of((&streamer, version), Some(last))) {
                                    "Next orders"
                                }
                            }
                        }
                    }
                },
                Err(refused) => (unavailable("orders", refused)),
            }
        }
    }
}

fn the_orders(orders: &[Order]) -> Markup {
    let columns = [
        ("Order", Set::Text),
        ("Kind", Set::Text),
        ("Its day", Set::Text),
        ("Paid coins", Set::Number),
        ("Promotional coins", Set::Number),
        ("Earned, ¥", Set::Number),
    ];
    let rows = orders.iter().map(|order| {
        html! { tr {
            th scope="row" { a .id href={ "/finance/orders/" (order.order_id) } { (order.order_id) } }
            td { (words(&order.kind)) }
            td { (order.day) }
            td .number { (grouped(order.paid_coins)) }
            td .number { (grouped(order.promo_coins)) }
            (micros_cell(order.earned_micro))
        } }
    });
    let table = Table {
        id: "orders",
        caption: "Orders of the line",
        columns: &columns,
        rows: rows.collect(),
        empty: "The line has no order.",
    };
    table.draw()
}
