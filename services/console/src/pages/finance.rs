//! `/finance/…`: the desk of finance.
//!
//! A page is drawn whole on the server from the answers of the public API ([`crate::api::Api`]): its first response
//! has its rows and figures, and reading it needs no script. Scripts act, and then take a fresh copy of the page.
//! What the API refuses, the page tells.

mod ages;
mod amounts;
mod approvals;
mod asked;
mod audit;
mod break_acts;
mod breaks;
mod charts;
mod close;
mod days;
mod draw;
mod evidence;
mod journal;
mod one_break;
mod one_run;
mod order;
mod overview;
mod part;
mod payees;
mod payout_batch;
mod payouts;
mod refund_case;
mod refunds;
mod roll_forward;
mod rules;
mod runs;
mod settlements;
mod statement;
mod statements;
mod suspense;
mod trial_balance;
mod voucher;
mod waiting;

use super::frame::{Frame, Session};
use crate::Deps;
use crate::api::Refused;
use axum::Router;
use axum::routing::get;
use edge::{AnyRole, Role};
use http::StatusCode;
use maud::{Markup, html};

/// The pages' addresses.
pub(crate) fn routes() -> Router<Deps> {
    Router::new()
        .route("/finance", get(overview::page))
        .route("/finance/breaks", get(breaks::inbox))
        .route("/finance/breaks/{break_id}", get(one_break::page))
        .route("/finance/approvals", get(approvals::page))
        .route("/finance/suspense", get(suspense::page))
        .route("/finance/trial-balance", get(trial_balance::page))
        .route("/finance/journal", get(journal::page))
        .route("/finance/journal/{voucher_id}", get(voucher::page))
        .route("/finance/orders/{order_id}", get(order::page))
        .route("/finance/settlements", get(settlements::page))
        .route("/finance/roll-forward", get(roll_forward::page))
        .route("/finance/statements", get(statements::page))
        .route("/finance/statements/{payee_id}/{day}", get(statement::page))
        .route("/finance/payouts", get(payouts::page))
        .route("/finance/payouts/{batch_id}", get(payout_batch::page))
        .route("/finance/refunds", get(refunds::page))
        .route("/finance/close", get(close::page))
        .route("/finance/runs", get(runs::page))
        .route("/finance/runs/{run_id}", get(one_run::page))
        .route("/finance/rules", get(rules::page))
        .route("/finance/audit", get(audit::page))
}

/// Whether somebody may read finance's pages. What they show is the API's to allow; this spares others empty frames.
pub(crate) fn may_read(session: &Session) -> bool {
    session.as_ref().is_ok_and(|AnyRole(claims)| match claims.role {
        Role::Finance | Role::FinanceMaker | Role::FinanceChecker | Role::Auditor => true,
        Role::Viewer | Role::Sre | Role::Internal => false,
    })
}

/// The pages in the order of a day's work.
const PAGES: [(&str, &[(&str, &str)]); 4] = [
    (
        "Work",
        &[
            ("/finance", "Today"),
            ("/finance/breaks", "Breaks"),
            ("/finance/approvals", "Approvals"),
            ("/finance/suspense", "Suspense"),
            ("/finance/refunds", "Refunds"),
        ],
    ),
    (
        "Books",
        &[
            ("/finance/trial-balance", "Trial balance"),
            ("/finance/journal", "Journal"),
            ("/finance/roll-forward", "Coin liability"),
            ("/finance/settlements", "Paid by channels"),
        ],
    ),
    ("Payees", &[("/finance/statements", "Statements"), ("/finance/payouts", "Payouts")]),
    (
        "Control",
        &[
            ("/finance/close", "Close"),
            ("/finance/runs", "Runs"),
            ("/finance/rules", "Rules"),
            ("/finance/audit", "Audit"),
        ],
    ),
];

/// What differs from page to page.
pub(super) struct About<'a> {
    pub title: &'a str,
    /// What the page answers, in one sentence.
    pub lede: &'a str,
    /// The page's own script.
    pub script: &'a str,
    /// The page of [`PAGES`] that this one is, or belongs to.
    pub under: &'a str,
}

/// A document and its status.
pub(super) type Page = (StatusCode, Markup);

/// What a page shows, and what its status says of it.
pub(super) struct Content {
    pub status: StatusCode,
    pub markup: Markup,
}

impl Content {
    /// All that was asked for.
    pub fn whole(markup: Markup) -> Content {
        Content { status: StatusCode::OK, markup }
    }

    /// Why there is none, in the place of what was asked for.
    pub fn refused(refused: &Refused) -> Content {
        let markup = html! { section .card { (refusal(refused)) } };
        Content { status: refused.status, markup }
    }
}

/// The whole document around the frame of a page: for whoever may read it, and for others who may.
pub(super) fn page(deps: &Deps, session: &Session, about: &About<'_>, content: &Markup) -> Page {
    let status = match session {
        _ if may_read(session) => StatusCode::OK,
        Ok(_) => StatusCode::FORBIDDEN,
        Err(_) => StatusCode::UNAUTHORIZED,
    };
    (status, document(deps, session, about, content))
}

/// The whole document of a page that is drawn here.
pub(super) fn drawn(deps: &Deps, session: &Session, about: &About<'_>, content: &Content) -> Page {
    (content.status, document(deps, session, about, &content.markup))
}

fn document(deps: &Deps, session: &Session, about: &About<'_>, content: &Markup) -> Markup {
    let is_reader = may_read(session);
    let script = if is_reader { about.script } else { "session" };
    let frame = Frame { title: about.title, script, styles: &["desk"], session, deps };
    frame.around(html! {
        div .desk {
            @if is_reader { (pages(about.under)) }
            div .desk-page {
                div .page-head { div { h1 { (about.title) } p .muted { (about.lede) } } }
                @if is_reader { (content) } @else {
                    p .empty { "These pages are for finance and auditors. Sign in with such a role to read them." }
                }
            }
        }
    })
}

/// Why something is not there, in the API's words.
pub(super) fn refusal(refused: &Refused) -> Markup {
    let class = if refused.slug == "no-such-address" { "state missing" } else { "state error" };
    html! { p class=(class) #page-state role="alert" { (refused.detail) } }
}

fn pages(current: &str) -> Markup {
    html! {
        nav .desk-pages aria-label="Finance" {
            @for (group, pages) in PAGES {
                div .desk-group {
                    p .desk-group-name { (group) }
                    ul {
                        @for (path, label) in pages {
                            li { a href=(path) aria-current=[(*path == current).then_some("page")] { (label) } }
                        }
                    }
                }
            }
        }
    }
}

/// How a column is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    Text,
    /// To the right, digits under digits.
    Number,
    /// Room for a box to tick.
    Tick,
    /// Room for buttons.
    Decision,
}

fn heading(label: &str, set: Set) -> Markup {
    match set {
        Set::Text | Set::Decision => html! { th scope="col" { (label) } },
        Set::Number => html! { th scope="col" .number { (label) } },
        Set::Tick => html! { th scope="col" .tick { span .visually-hidden { (label) } } },
    }
}

/// A field of a form.
pub(super) fn field(label: &str, input: &Markup) -> Markup {
    html! { label .field { span { (label) } (input) } }
}
