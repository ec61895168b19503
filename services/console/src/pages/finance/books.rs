//! The books of some days: vouchers, and the liability of coins from day to day; and one order.

use super::{About, Page, Set, card, field, page, pager, state, table};
use crate::Deps;
use crate::pages::frame::Session;
use axum::extract::State;
use chrono::{Days, Utc};
use edge::Path;
use maud::{Markup, html};

/// Days that a first look goes back.
const FIRST_LOOK_DAYS: u64 = 13;

fn from_to(deps: &Deps, path: &str, more: &Markup) -> Markup {
    let to = deps.zone.day_of(Utc::now());
    let from = to.checked_sub_days(Days::new(FIRST_LOOK_DAYS)).unwrap_or(to);
    html! {
        form .filters method="get" action=(path) aria-label="Which days" #span data-from=(from) data-to=(to) {
            (field("From", &html! { input type="date" name="from" value=(from); }))
            (field("To", &html! { input type="date" name="to" value=(to); }))
            (more)
            div .filter-actions { button .primary type="submit" { "Show" } }
            div .filter-actions.exports #exports {}
        }
    }
}

/// `/finance/journal`.
pub(super) async fn journal(State(deps): State<Deps>, session: Session) -> Page {
    let about = About {
        title: "Journal",
        lede: "Vouchers by the day they were posted to; each opens its lines and the rows it was made of.",
        script: "journal",
        under: "/finance/journal",
    };
    let columns = [
        ("Voucher", Set::Text),
        ("Day", Set::Text),
        ("Rule", Set::Text),
        ("Source", Set::Text),
        ("Rows", Set::Number),
        ("Coins", Set::Number),
        ("Lines", Set::Text),
    ];
    let account = html! { (field("Account", &html! { input type="text" name="account" placeholder="2205.01" size="12"; })) };
    let content = html! {
        (from_to(&deps, "/finance/journal", &account))
        section .card aria-label="Vouchers" { (table("vouchers", "Vouchers", &columns)) (pager()) }
    };
    page(&deps, &session, &about, &content)
}

/// `/finance/orders/{order_id}`.
pub(super) async fn order(State(deps): State<Deps>, session: Session, Path(order_id): Path<String>) -> Page {
    let about = About {
        title: "Order",
        lede: "One gift: what was sent, what it cost, and what became of it.",
        script: "order",
        under: "/finance/journal",
    };
    let content = html! {
        div #order-page data-id=(order_id) {
            (card("order", "The gift"))
            (card("order-breaks", "Breaks about it"))
            (card("explanation", "Why it is matched, or not"))
        }
        (crate::pages::frame::catalogue(&deps.directory.gifts()))
    };
    page(&deps, &session, &about, &content)
}

/// `/finance/roll-forward`.
pub(super) async fn roll_forward(State(deps): State<Deps>, session: Session) -> Page {
    let about = About {
        title: "Coin liability",
        lede: "What viewers are owed in coins: how each day opened, what moved it, how it closed.",
        script: "roll-forward",
        under: "/finance/roll-forward",
    };
    let content = html! {
        (from_to(&deps, "/finance/roll-forward", &html! {}))
        section .card aria-labelledby="roll-title" {
            h2 #roll-title { "At the end of each day" }
            div #roll-chart {}
            div #roll {}
            (state("roll"))
        }
    };
    page(&deps, &session, &about, &content)
}
