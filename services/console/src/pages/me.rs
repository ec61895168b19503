//! `/me`: the viewer's own coins, and every line that moved them.

use super::dialogs;
use super::frame::{Frame, Session, catalogue, coin};
use crate::Deps;
use axum::extract::State;
use edge::{AnyRole, Role};
use maud::{Markup, html};

/// Own history, or an invitation to sign in.
pub(crate) async fn page(State(deps): State<Deps>, session: Session) -> Markup {
    let is_viewer = matches!(&session, Ok(AnyRole(claims)) if claims.role == Role::Viewer);
    let frame = Frame { title: "My gifts", script: "me", styles: &[], session: &session, deps: &deps };
    frame.around(html! {
        div .page-head { div { h1 { "My gifts" } p .muted { "Every line opens the entries behind it." } } }
        @if is_viewer {
            div .figures {
                (figure("Paid coins", "paid-coins"))
                (figure("Promotional coins", "promo-coins"))
                (figure("On hold", "held-coins"))
            }
            section .card aria-label="History" {
                ul .history #history data-limit="30" {}
                p .empty #no-history hidden { "Nothing yet. Recharge, find a room, send something small." }
                div .actions.center { button .quiet type="button" #more hidden { "Show older" } }
            }
            (catalogue(&deps.directory.gifts()))
            (dialogs::recharge())
        } @else {
            p .empty { "Sign in as a viewer to see your gifts." }
        }
    })
}

fn figure(label: &str, id: &str) -> Markup {
    html! { div .figure { span .muted { (label) } strong { (coin()) span id=(id) { "…" } } } }
}
