//! One voucher: its lines, which sum to zero, and the rows it was made of, down to the gift.

use super::amounts::{micros, micros_cell};
use super::draw::{Look, Table, address, facts, short_id, ways, words};
use super::{About, Content, Page, Set, drawn, may_read};
use crate::Deps;
use crate::api::{Api, Refused};
use crate::pages::frame::{Session, grouped};
use axum::extract::State;
use chrono::{DateTime, NaiveDate, Utc};
use edge::{Path, Problem, Query};
use http::StatusCode;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};

/// A voucher, as the journal lists it too.
#[derive(Debug, Deserialize)]
pub(super) struct Voucher {
    pub voucher_id: String,
    pub posted_day: NaiveDate,
    day: NaiveDate,
    pub rule: String,
    pub source: String,
    from_seq: i64,
    to_seq: i64,
    pub row_count: i64,
    pub coins: i64,
    decided_at: DateTime<Utc>,
    amount_micro: i64,
    pub postings: Vec<Line>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Line {
    pub account: String,
    name: String,
    pub debit_micro: i64,
    pub credit_micro: i64,
}

#[derive(Debug, Deserialize)]
struct Detail {
    voucher: Voucher,
    asked: Option<AskedFor>,
    rows: Vec<SourceRow>,
    next: Option<i64>,
}

/// By whose word it was posted, where no row of a log stands behind it.
#[derive(Debug, Deserialize)]
struct AskedFor {
    reason: String,
    break_id: Option<String>,
    maker_id: Option<String>,
    checker_id: Option<String>,
    match_id: Option<String>,
    asked_at: DateTime<Utc>,
}

/// A row that the voucher was made from.
#[derive(Debug, Deserialize)]
struct SourceRow {
    seq: i64,
    kind: String,
    coins: i64,
    order_id: Option<String>,
    owner_id: String,
    reference: String,
    parts: Vec<AmountPart>,
}

#[derive(Debug, Deserialize)]
struct AmountPart {
    component: String,
    amount_micro: i64,
}

/// What the address asks for. A field that is empty asks for nothing.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Asked {
    /// Only rows after this seq, for the next page.
    #[serde(skip_serializing_if = "String::is_empty")]
    after: String,
}

/// `/finance/journal/{voucher_id}`.
pub(super) async fn page(
    State(deps): State<Deps>,
    session: Session,
    api: Api,
    Path(voucher_id): Path<String>,
    asked: Result<Query<Asked>, Problem>,
) -> Page {
    let about = About {
        title: "Voucher",
        lede: "Its lines, which sum to zero, and the rows it was made of.",
        script: "session",
        under: "/finance/journal",
    };
    if !may_read(&session) {
        return super::page(&deps, &session, &about, &html! {});
    }
    let look = Look::of(&session, deps.zone);
    match read(&api, &voucher_id, asked).await {
        Ok((detail, asked)) => {
            let title = format!("Voucher {}", detail.voucher.voucher_id);
            let content = Content::whole(content(&detail, &asked, &look));
            drawn(&deps, &session, &About { title: &title, ..about }, &content)
        }
        Err(refused) => drawn(&deps, &session, &about, &Content::refused(&refused)),
    }
}

async fn read(
    api: &Api,
    voucher_id: &str,
    asked: Result<Query<Asked>, Problem>,
) -> Result<(Detail, Asked), Refused> {
    // Nothing else may become a part of the address that is asked.
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_name =
        voucher_id.split_once('-').is_some_and(|(partition, seq)| is_number(partition) && is_number(seq));
    if !is_name {
        return Err(Refused::new(StatusCode::NOT_FOUND, "no-such-voucher", "There is no such voucher."));
    }
    let Query(asked) = asked?;
    let detail = api.read(&format!("/v1/finance/journal/{voucher_id}"), &asked).await?;
    Ok((detail, asked))
}

fn content(detail: &Detail, asked: &Asked, look: &Look) -> Markup {
    html! {
        section .card aria-labelledby="voucher-title" {
            h2 #voucher-title { "The voucher" }
            div #voucher { (voucher_facts(&detail.voucher, look)) }
        }
        section .card aria-labelledby="lines-title" {
            h2 #lines-title { "Lines" }
            (lines(&detail.voucher.postings))
        }
        section .card aria-labelledby="sources-title" {
            h2 #sources-title { "What it was made of" }
            @match &detail.asked {
                Some(of) => (asked_for(of, look)),
                None => (sources(detail, asked)),
            }
        }
    }
}

fn voucher_facts(voucher: &Voucher, look: &Look) -> Markup {
    let (from, to) = (grouped(voucher.from_seq), grouped(voucher.to_seq));
    let pairs = [
        ("Voucher", Some(html! { (voucher.voucher_id) })),
        ("In the books of", Some(html! { (voucher.posted_day) })),
        ("Accounting day", Some(html! { (voucher.day) })),
        ("Rule", Some(html! { (voucher.rule) })),
        ("Made from", Some(html! { (voucher.source) ", rows " (from) " to " (to) })),
        ("Rows of its rule", Some(html! { (grouped(voucher.row_count)) })),
        ("Coins", Some(html! { (grouped(voucher.coins)) })),
        ("Each side", Some(micros(voucher.amount_micro))),
        ("Decided", Some(look.time(voucher.decided_at))),
    ];
    facts(&pairs)
}

/// An account with the way to its vouchers.
fn account(line: &Line) -> Markup {
    let way = address("/finance/journal", &[("account", Some(&line.account))]);
    html! { a href=(way) { (line.account) " " (line.name) } }
}

fn lines(lines: &[Line]) -> Markup {
    let rows = lines.iter().map(|line| {
        html! { tr {
            th scope="row" { (account(line)) }
            (micros_cell(line.debit_micro))
            (micros_cell(line.credit_micro))
        } }
    });
    let sum = |side: fn(&Line) -> i64| lines.iter().try_fold(0, |sum: i64, line| sum.checked_add(side(line)));
    let total = |sum: Option<i64>| sum.map_or_else(|| html! { td .number { "—" } }, micros_cell);
    let table = Table {
        id: "lines",
        caption: "Lines",
        columns: &[("Account", Set::Text), ("Debit, ¥", Set::Number), ("Credit, ¥", Set::Number)],
        rows: rows.collect(),
        empty: "It has no line.",
    };
    table.draw_with(&html! { tr {
        th scope="row" { "Total" }
        (total(sum(|line| line.debit_micro)))
        (total(sum(|line| line.credit_micro)))
    } })
}

/// The reason, and the people or the match behind it.
fn asked_for(of: &AskedFor, look: &Look) -> Markup {
    let person = |id: &Option<String>| id.as_deref().map(|id| look.person(Some(id)));
    let found = of.break_id.as_deref().map(|id| {
        html! { a href={ "/finance/breaks/" (id) } { (short_id(id)) } }
    });
    let pairs = [
        ("Reason", Some(html! { (of.reason) })),
        ("Break", found),
        ("Made by", person(&of.maker_id)),
        ("Approved by", person(&of.checker_id)),
        ("Match with the bank", of.match_id.as_deref().map(short_id)),
        ("Asked for", Some(look.time(of.asked_at))),
    ];
    html! { div #asked { (facts(&pairs)) } }
}

fn sources(detail: &Detail, asked: &Asked) -> Markup {
    let columns = [
        ("Row", Set::Number),
        ("Kind", Set::Text),
        ("Order", Set::Text),
        ("Whose", Set::Text),
        ("Refers to", Set::Text),
        ("Coins", Set::Number),
        ("At face value, ¥", Set::Number),
    ];
    let table = Table {
        id: "sources",
        caption: "Rows it was made of",
        columns: &columns,
        rows: detail.rows.iter().map(source_row).collect(),
        empty: "The answer names no rows; their range is above.",
    };
    let path = format!("/finance/journal/{}", detail.voucher.voucher_id);
    let first = (!asked.after.is_empty()).then_some(path.as_str());
    let next = detail.next.map(|after| format!("{path}?after={after}"));
    html! { (table.draw()) (ways(first, next.as_deref())) }
}

fn source_row(row: &SourceRow) -> Markup {
    html! { tr {
        td .number { (grouped(row.seq)) }
        td { (words(&row.kind)) }
        td { @match &row.order_id {
            Some(id) => a href={ "/finance/orders/" (id) } { (id) },
            None => "—",
        } }
        td { (short_id(&row.owner_id)) }
        td { @if row.reference.is_empty() { "—" } @else { (row.reference) } }
        td .number { (grouped(row.coins)) }
        td .number {
            @for part in &row.parts { div { span .muted { (words(&part.component)) " " } (micros(part.amount_micro)) } }
            @if row.parts.is_empty() { "—" }
        }
    } }
}
