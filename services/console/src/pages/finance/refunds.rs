//! Refunds that people ask for: of one order, of a file, of a minor's gifts.

use super::{About, Page, Set, card, field, page, pager, table};
use crate::Deps;
use crate::pages::frame::Session;
use axum::extract::State;
use maud::{Markup, html};

/// `/finance/refunds`.
pub(super) async fn refunds(State(deps): State<Deps>, session: Session) -> Page {
    let about = About {
        title: "Refunds",
        lede: "Asked for by one person, approved by another, each order once and never more than is left of it.",
        script: "refunds",
        under: "/finance/refunds",
    };
    let columns = [
        ("Why", Set::Text),
        ("State", Set::Text),
        ("Lines done", Set::Number),
        ("Coins asked for", Set::Number),
        ("Coins back", Set::Number),
        ("Made by", Set::Text),
        ("Since", Set::Number),
    ];
    let content = html! {
        form .filters method="get" action="/finance/refunds" aria-label="Which refunds" #kind-form {
            (field("Of", &html! {
                select name="kind" {
                    option value="order" { "One order" }
                    option value="file" { "A file" }
                    option value="minor" { "A minor's gifts" }
                }
            }))
            div .filter-actions { button .primary type="submit" { "Show" } }
        }
        div #case-card hidden { (card("case", "The case")) }
        section .card aria-label="Cases" { (table("cases", "Cases, newest first", &columns)) (pager()) }
        (ask())
    };
    page(&deps, &session, &about, &content)
}

fn reason() -> Markup {
    field("Reason", &html! { textarea name="reason" rows="2" maxlength="2000" required {} })
}

fn ask() -> Markup {
    html! {
        section .card aria-labelledby="ask-title" #ask-card hidden {
            h2 #ask-title { "Ask for a refund" }
            div .two {
                form #order-form {
                    h3 { "Of one order" }
                    (field("The gift order's id", &html! { input type="text" name="order" required; }))
                    (field("Coins; all that is left where it is empty", &html! {
                        input type="text" name="coins" inputmode="numeric";
                    }))
                    (reason())
                    button .primary type="submit" { "Ask" }
                    p .error role="alert" {}
                }
                form #minor-form {
                    h3 { "Of a minor's gifts" }
                    (field("The viewer's id", &html! { input type="text" name="viewer" required; }))
                    div .pair {
                        (field("From", &html! { input type="datetime-local" name="from" required step="1"; }))
                        (field("To, not counted", &html! { input type="datetime-local" name="to" required step="1"; }))
                    }
                    (reason())
                    button .primary type="submit" { "Ask" }
                    p .error role="alert" {}
                }
                form #file-form {
                    h3 { "Of a file" }
                    (field("CSV: order_id, amount_coins, reason", &html! {
                        input type="file" name="file" accept=".csv,text/csv" required;
                    }))
                    (reason())
                    button .primary type="submit" { "Ask" }
                    p .error role="alert" {}
                }
            }
        }
    }
}
