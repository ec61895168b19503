//! One gift from the books' side: what was sent, what it cost, what became of it; breaks about it, and why money is
//! matched or not.
//!
//! Three services answer, and each says by itself what it does not know: an order that is missing somewhere may well
//! have breaks, and an id may be a payment's.

use super::amounts::minor;
use super::breaks::BreakView;
use super::draw::{Look, Table, facts, note, severity_badge, short_id, state_badge, words};
use super::part::{Part, inner_table, status_of};
use super::{About, Content, Page, Set, drawn, may_read};
use crate::Deps;
use crate::api::{Api, Refused};
use crate::pages::frame::{Session, grouped};
use axum::extract::State;
use chrono::{DateTime, NaiveDate, Utc};
use contracts::catalogue::Gift;
use edge::Path;
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;

/// Breaks about one order that are shown.
const BREAKS_MAX: u32 = 50;

#[derive(Debug, Deserialize)]
struct Order {
    order_id: String,
    state: String,
    outcome: String,
    viewer_id: String,
    room_id: Option<String>,
    gift_id: Option<u32>,
    quantity: Option<u32>,
    charge_coins: i64,
    paid_coins: i64,
    promo_coins: i64,
    refunded_coins: i64,
    decided_at: DateTime<Utc>,
}

#[derive(Debug, Deserialize)]
struct BreakPage {
    breaks: Vec<BreakView>,
}

/// What is known of a payment, a payout, a bill's row or a break.
#[derive(Debug, Deserialize)]
struct Explanation {
    about: String,
    why: String,
    ours: Vec<OurLine>,
    theirs: Vec<TheirLine>,
    matches: Vec<Matched>,
    breaks: Vec<BreakView>,
}

#[derive(Debug, Deserialize)]
struct OurLine {
    payment_id: String,
    channel: String,
    channel_payment_id: String,
    paid_day: NaiveDate,
    amount_minor: i64,
    currency: String,
}

#[derive(Debug, Deserialize)]
struct TheirLine {
    row_id: String,
    channel: String,
    kind: String,
    status: String,
    day: NaiveDate,
    amount_minor: i64,
    currency: String,
}

#[derive(Debug, Deserialize)]
struct Matched {
    channel: String,
    day: NaiveDate,
    pass: String,
    rules_version: i32,
    variance_minor: i64,
    amount_minor: i64,
    currency: String,
}

/// `/finance/orders/{order_id}`.
pub(super) async fn page(
    State(deps): State<Deps>,
    session: Session,
    api: Api,
    Path(order_id): Path<String>,
) -> Page {
    let about = About {
        title: "Order",
        lede: "One gift: what was sent, what it cost, and what became of it.",
        script: "session",
        under: "/finance/journal",
    };
    if !may_read(&session) {
        return super::page(&deps, &session, &about, &html! {});
    }
    if !is_id(&order_id) {
        let refused = Refused::new(StatusCode::NOT_FOUND, "no-such-order", "There is no such order.");
        return drawn(&deps, &session, &about, &Content::refused(&refused));
    }
    let look = Look::of(&session, deps.zone);
    let (of_order, of_explanation) =
        (format!("/v1/gift-orders/{order_id}"), format!("/v1/finance/explanations/{order_id}"));
    let of_breaks = format!("/v1/finance/breaks?order_id={order_id}&limit={BREAKS_MAX}");
    let (order, breaks, explanation) =
        tokio::join!(api.get::<Order>(&of_order), api.get::<BreakPage>(&of_breaks), api.get(&of_explanation));
    let status = status_of(&[order.as_ref().err(), explanation.as_ref().err()]);
    let gifts = deps.directory.gifts();
    let part = |id, heading| Part { id, heading, stamp: None };
    let markup = html! {
        (part("order", "The gift").draw(&order, |order| {
            html! { div #order { (order_facts(order, &gifts, &look)) } (note("order", "")) }
        }))
        (part("order-breaks", "Breaks about it").draw(&breaks, |page| breaks_table(&page.breaks)))
        (part("explanation", "Why it is matched, or not").draw(&known(explanation), explained))
    };
    drawn(&deps, &session, &about, &Content { status, markup })
}

/// Whether a text may stand in an address that is asked: ids, a bill's row, a payout's name.
fn is_id(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_:".contains(&byte))
}

fn order_facts(order: &Order, gifts: &[Gift], look: &Look) -> Markup {
    let gift = order.gift_id.map(|id| {
        let known = gifts.iter().find(|gift| gift.gift_id == id);
        let name = known.map_or_else(|| format!("gift {id}"), |gift| format!("{} {}", gift.glyph, gift.name));
        html! { (name) @if let Some(quantity) = order.quantity { " × " (grouped(quantity.into())) } }
    });
    let coins = |coins| Some(html! { (grouped(coins)) });
    let room = order.room_id.as_ref().map(|id| html! { a href={ "/rooms/" (id) } { (id) } });
    let pairs = [
        ("Order", Some(html! { (order.order_id) })),
        ("State", Some(state_badge(&order.state))),
        ("Outcome", Some(html! { (words(&order.outcome)) })),
        ("Gift", gift),
        ("Charge, coins", coins(order.charge_coins)),
        ("Of it paid, coins", coins(order.paid_coins)),
        ("Of it promotional, coins", coins(order.promo_coins)),
        ("Came back, coins", coins(order.refunded_coins)),
        ("Viewer", Some(html! { (order.viewer_id) })),
        ("Room", room),
        ("Decided", Some(look.time(order.decided_at))),
    ];
    facts(&pairs)
}

fn break_rows(breaks: &[BreakView]) -> Vec<Markup> {
    let rows = breaks.iter().map(|found| {
        html! { tr {
            th scope="row" { a href={ "/finance/breaks/" (found.break_id) } { (words(&found.kind)) }
                span .muted { " #" (found.break_no) } }
            td { (severity_badge(&found.severity)) }
            td { (state_badge(&found.state)) }
            td .number { (grouped(found.coins)) }
        } }
    });
    rows.collect()
}

const OF_BREAKS: [(&str, Set); 4] =
    [("Break", Set::Text), ("Severity", Set::Text), ("State", Set::Text), ("Coins", Set::Number)];

fn breaks_table(breaks: &[BreakView]) -> Markup {
    let table = Table {
        id: "order-breaks",
        caption: "Breaks about the order",
        columns: &OF_BREAKS,
        rows: break_rows(breaks),
        empty: "None: the logs agree on it.",
    };
    table.draw()
}

/// That nothing is known is an answer too.
fn known(explanation: Result<Explanation, Refused>) -> Result<Option<Explanation>, Refused> {
    match explanation {
        Ok(explanation) => Ok(Some(explanation)),
        Err(refused) if refused.slug == "nothing-known" => Ok(None),
        Err(refused) => Err(refused),
    }
}

fn explained(explanation: &Option<Explanation>) -> Markup {
    let Some(explanation) = explanation else {
        return note("explanation", "No payment, payout or row of a bill has this id.");
    };
    let pairs =
        [("About", Some(html! { (words(&explanation.about)) })), ("Why", Some(html! { (explanation.why) }))];
    html! {
        div #explanation {
            (facts(&pairs))
            (ours(&explanation.ours))
            (theirs(&explanation.theirs))
            (matches(&explanation.matches))
            (some_table("Breaks about the money", &OF_BREAKS, &break_rows(&explanation.breaks)))
        }
        (note("explanation", ""))
    }
}

/// A table under its caption, where it has rows.
fn some_table(caption: &str, columns: &[(&str, Set)], rows: &[Markup]) -> Markup {
    html! { @if !rows.is_empty() { h3 { (caption) } (inner_table(caption, columns, rows)) } }
}

fn ours(lines: &[OurLine]) -> Markup {
    let rows = lines.iter().map(|line| {
        html! { tr {
            th scope="row" { (short_id(&line.payment_id)) }
            td { (line.channel) }
            td { (line.channel_payment_id) }
            td { (line.paid_day) }
            td .number { (minor(line.amount_minor, &line.currency)) }
        } }
    });
    let columns = [
        ("Payment", Set::Text),
        ("Channel", Set::Text),
        ("Its id there", Set::Text),
        ("Paid", Set::Text),
        ("Amount", Set::Number),
    ];
    some_table("Our side", &columns, &rows.collect::<Vec<_>>())
}

fn theirs(lines: &[TheirLine]) -> Markup {
    let rows = lines.iter().map(|line| {
        html! { tr {
            th scope="row" { span .id { (line.row_id) } }
            td { (line.channel) }
            td { (words(&line.kind)) }
            td { (words(&line.status)) }
            td { (line.day) }
            td .number { (minor(line.amount_minor, &line.currency)) }
        } }
    });
    let columns = [
        ("Row of a bill", Set::Text),
        ("Channel", Set::Text),
        ("Kind", Set::Text),
        ("Status", Set::Text),
        ("Day", Set::Text),
        ("Amount", Set::Number),
    ];
    some_table("Their side", &columns, &rows.collect::<Vec<_>>())
}

fn matches(matches: &[Matched]) -> Markup {
    let rows = matches.iter().map(|of| {
        html! { tr {
            th scope="row" { (words(&of.pass)) }
            td { (of.channel) }
            td { (of.day) }
            td .number { (of.rules_version) }
            td .number { (minor(of.amount_minor, &of.currency)) }
            td .number { (minor(of.variance_minor, &of.currency)) }
        } }
    });
    let columns = [
        ("Matched by", Set::Text),
        ("Channel", Set::Text),
        ("Run of", Set::Text),
        ("Rules", Set::Number),
        ("Amount", Set::Number),
        ("Apart by", Set::Number),
    ];
    some_table("Matches", &columns, &rows.collect::<Vec<_>>())
}
