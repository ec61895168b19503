//! What payees earned: statements down to their orders.

use super::{About, Page, Set, card, field, page, pager, table, table_card};
use crate::Deps;
use crate::pages::frame::Session;
use axum::extract::State;
use chrono::{Days, Utc};
use edge::Path;
use maud::{Markup, html};

/// Days that a first look goes back.
const FIRST_LOOK_DAYS: u64 = 6;

fn payee_choice() -> Markup {
    field(
        "Payee",
        &html! {
            select name="payee" {
                option value="streamer" { "Streamers" }
                option value="agency" { "Agencies" }
            }
        },
    )
}

/// `/finance/statements`.
pub(super) async fn statements(State(deps): State<Deps>, session: Session) -> Page {
    let about = About {
        title: "Statements",
        lede: "What each payee earned on a day; each opens its lines with their contracts, and their orders.",
        script: "statements",
        under: "/finance/statements",
    };
    let to = deps.zone.day_of(Utc::now());
    let from = to.checked_sub_days(Days::new(FIRST_LOOK_DAYS)).unwrap_or(to);
    let columns = [
        ("Day", Set::Text),
        ("Payee", Set::Text),
        ("Gifts, ¥", Set::Number),
        ("Share, ¥", Set::Number),
        ("Taken back, ¥", Set::Number),
        ("Orders", Set::Number),
        ("Payable, ¥", Set::Number),
        ("Hold", Set::Text),
    ];
    let content = html! {
        form .filters method="get" action="/finance/statements" aria-label="Which statements" #span data-from=(from) data-to=(to) {
            (payee_choice())
            (field("From", &html! { input type="date" name="from" value=(from); }))
            (field("To", &html! { input type="date" name="to" value=(to); }))
            (field("Payee's id", &html! { input type="text" name="payee_id" size="14"; }))
            div .filter-actions {
                button .primary type="submit" { "Show" }
                a .quiet.button #csv download="statements.csv" { "CSV" }
                a .quiet.button #xlsx download="statements.xlsx" { "XLSX" }
                a .quiet.button #lines-csv download="statement-lines.csv" { "Lines as CSV" }
            }
        }
        section .card aria-label="Statements" { (table("statements", "Statements", &columns)) (pager()) }
    };
    page(&deps, &session, &about, &content)
}

/// `/finance/statements/{payee_id}/{day}`.
pub(super) async fn statement(
    State(deps): State<Deps>,
    session: Session,
    Path((payee_id, day)): Path<(String, String)>,
) -> Page {
    let about = About {
        title: "Statement",
        lede: "One payee's day. A line is what one version of a contract earned; it opens its orders.",
        script: "statement",
        under: "/finance/statements",
    };
    let lines = [
        ("Streamer", Set::Text),
        ("Contract", Set::Text),
        ("Gifts, ¥", Set::Number),
        ("Share, ¥", Set::Number),
        ("Taken back, ¥", Set::Number),
        ("Orders", Set::Number),
        ("Refunds", Set::Number),
    ];
    let orders = [
        ("Order", Set::Text),
        ("Kind", Set::Text),
        ("Its day", Set::Text),
        ("Paid coins", Set::Number),
        ("Promotional coins", Set::Number),
        ("Earned, ¥", Set::Number),
    ];
    let content = html! {
        div #statement-page data-payee-id=(payee_id) data-day=(day) {
            (card("statement", "The day"))
            (table_card("lines", "Lines", &lines))
            section .card #orders-card aria-labelledby="orders-title" hidden {
                h2 #orders-title tabindex="-1" { "Orders of the line" }
                (table("orders", "Orders of the line", &orders))
                div .actions.center { button .quiet type="button" #more-orders hidden { "Show more" } }
            }
        }
    };
    page(&deps, &session, &about, &content)
}
