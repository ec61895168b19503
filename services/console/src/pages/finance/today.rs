//! What waits for a second person.

use super::{About, Page, Set, page, table_card};
use crate::Deps;
use crate::pages::frame::Session;
use axum::extract::State;
use maud::{Markup, html};

/// `/finance/approvals`.
pub(super) async fn approvals(State(deps): State<Deps>, session: Session) -> Page {
    let about = About {
        title: "Approvals",
        lede: "Everything that waits for a second person. Who made it cannot approve it.",
        script: "approvals",
        under: "/finance/approvals",
    };
    let waiting = [
        ("What", Set::Text),
        ("Says", Set::Text),
        ("Made by", Set::Text),
        ("Since", Set::Number),
        ("Decide", Set::Decision),
    ];
    let content = html! {
        p .muted #approvals-say role="status" {}
        (table_card("proposals", "Proposals about breaks", &waiting))
        p { a #proposals-rest href="/finance/breaks?state=proposed" hidden {} }
        (table_card("batches", "Payout batches", &waiting))
        (table_card("accounts", "Accounts of payees", &waiting))
        (table_card("imports", "Contracts", &waiting))
        (table_card("refunds", "Refunds", &waiting))
        (table_card("refund-files", "Files of refunds", &waiting))
        (table_card("minors", "Refunds of minors", &waiting))
        (table_card("periods", "Periods", &waiting))
        (table_card("matching", "Matching rules", &waiting))
        (reject())
    };
    page(&deps, &session, &about, &content)
}

fn reject() -> Markup {
    html! {
        dialog #reject-dialog aria-labelledby="reject-title" {
            form method="dialog" #reject-form {
                h2 #reject-title { "Reject" }
                label .field { span { "Reason" } textarea name="reason" rows="3" maxlength="4000" required {} }
                div .actions {
                    button .quiet type="button" data-close { "Cancel" }
                    button .primary type="submit" { "Reject" }
                }
                p .error role="alert" {}
            }
        }
    }
}
