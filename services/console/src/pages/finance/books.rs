//! One order.

use super::{About, Page, card, page};
use crate::Deps;
use crate::pages::frame::Session;
use axum::extract::State;
use edge::Path;
use maud::html;

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
