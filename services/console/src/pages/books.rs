//! `/books`: the books at a glance, for finance: today's flow, trial balance, open breaks, how far behind.

use super::frame::{Frame, Session};
use crate::Deps;
use axum::extract::State;
use chrono::{Days, Utc};
use edge::{AnyRole, Role};
use maud::{Markup, html};

/// The books, or who may read them.
pub(crate) async fn page(State(deps): State<Deps>, session: Session) -> Markup {
    let today = deps.zone.day_of(Utc::now());
    let day_before = today.checked_sub_days(Days::new(1)).unwrap_or(today);
    let may_read = matches!(&session, Ok(AnyRole(claims)) if claims.role != Role::Viewer);
    let frame = Frame { title: "Books", script: "books", styles: &[], session: &session, deps: &deps };
    frame.around(html! {
        div .page-head #books data-day=(today) data-day-before=(day_before) {
            div { h1 { "Books" } p .muted { "Accounting day " time datetime=(today) { (today) } } }
            @if may_read { span .verdict #verdict role="status" { "Reading the books…" } }
        }
        @if may_read { (content()) } @else {
            p .empty { "The books are for finance. Sign in with that role to read them." }
        }
    })
}

fn content() -> Markup {
    html! {
        section .card aria-labelledby="flow-title" {
            h2 #flow-title { "Flow today" }
            ol .flow #flow {}
        }
        div .two {
            section .card aria-labelledby="breaks-title" {
                h2 #breaks-title { "Open breaks" }
                div #breaks {}
            }
            section .card aria-labelledby="lag-title" {
                h2 #lag-title { "Reconciliation" }
                div #lag {}
            }
        }
        section .card aria-labelledby="balance-title" {
            h2 #balance-title { "Trial balance" }
            div .scroll tabindex="0" role="region" aria-labelledby="balance-title" {
                table {
                    thead { tr {
                        th scope="col" { "Account" }
                        th scope="col" .number { "Debit" }
                        th scope="col" .number { "Credit" }
                        th scope="col" .number { "Balance" }
                    } }
                    tbody #accounts {}
                    tfoot #totals {}
                }
            }
        }
    }
}
