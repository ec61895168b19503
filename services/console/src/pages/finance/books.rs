//! One order, and the liability of coins from day to day.

use super::{About, Page, card, field, page, state};
use crate::Deps;
use crate::pages::frame::Session;
use axum::extract::State;
use chrono::{Days, Utc};
use edge::Path;
use maud::{Markup, html};

/// Days that a first look goes back.
const FIRST_LOOK_DAYS: u64 = 13;

fn from_to(deps: &Deps, path: &str) -> Markup {
    let to = deps.zone.day_of(Utc::now());
    let from = to.checked_sub_days(Days::new(FIRST_LOOK_DAYS)).unwrap_or(to);
    html! {
        form .filters method="get" action=(path) aria-label="Which days" #span data-from=(from) data-to=(to) {
            (field("From", &html! { input type="date" name="from" value=(from); }))
            (field("To", &html! { input type="date" name="to" value=(to); }))
            div .filter-actions { button .primary type="submit" { "Show" } }
            div .filter-actions.exports #exports {}
        }
    }
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
        (from_to(&deps, "/finance/roll-forward"))
        section .card aria-labelledby="roll-title" {
            h2 #roll-title { "At the end of each day" }
            div #roll-chart {}
            div #roll {}
            (state("roll"))
        }
    };
    page(&deps, &session, &about, &content)
}
