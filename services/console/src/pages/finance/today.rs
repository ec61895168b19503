//! What a day begins with: today at a glance, what waits for a second person, and how old what is open is.

use super::{About, Page, Set, card, page, state, table, table_card};
use crate::Deps;
use crate::pages::frame::Session;
use axum::extract::State;
use chrono::Utc;
use maud::{Markup, html};

/// `/finance`.
pub(super) async fn today(State(deps): State<Deps>, session: Session) -> Page {
    let about = About {
        title: "Today",
        lede: "What is open, what is late, and whether the books can be trusted now.",
        script: "today",
        under: "/finance",
    };
    let day = deps.zone.day_of(Utc::now());
    let files =
        [("Channel", Set::Text), ("Expected", Set::Text), ("Arrived", Set::Number), ("State", Set::Text)];
    let content = html! {
        div #today data-day=(day) {
            div .figures.four {
                (figure("Open breaks", "open-breaks", Some("/finance/breaks")))
                (figure("Overdue", "overdue-breaks", Some("/finance/breaks?overdue=true")))
                (figure("Compared, behind by", "lag", None))
                (figure("Books differ by", "difference", Some("/finance/trial-balance")))
            }
            div .figures.three {
                (figure("Matched, by count", "match-count", Some("/finance/runs")))
                (figure("Matched, by amount", "match-amount", Some("/finance/runs")))
                (figure("Cash at risk", "cash-at-risk", Some("/finance/suspense")))
            }
            (state("day"))
            div .two {
                (card("by-severity", "Open breaks by severity"))
                (card("by-age", "Open breaks by age"))
            }
            div .two {
                (table_card("files", &format!("Files of {day}"), &files))
                (card("lags", "How far the logs are compared"))
            }
        }
    };
    page(&deps, &session, &about, &content)
}

fn figure(label: &str, id: &str, leads_to: Option<&str>) -> Markup {
    let content = html! { span .muted { (label) } strong #(id) { "…" } };
    match leads_to {
        Some(path) => html! { a .figure href=(path) { (content) } },
        None => html! { div .figure { (content) } },
    }
}

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

/// `/finance/suspense`.
pub(super) async fn suspense(State(deps): State<Deps>, session: Session) -> Page {
    let about = About {
        title: "Suspense",
        lede: "What is open, by kind and age in days, and the accounts that should come back to zero.",
        script: "suspense",
        under: "/finance/suspense",
    };
    let ages = [
        ("Kind", Set::Text),
        ("0–1", Set::Number),
        ("2–3", Set::Number),
        ("4–7", Set::Number),
        ("8–30", Set::Number),
        ("Over 30", Set::Number),
        ("Breaks", Set::Number),
        ("Overdue", Set::Number),
        ("Coins", Set::Number),
    ];
    let accounts = [
        ("Account", Set::Text),
        ("Debit, ¥", Set::Number),
        ("Credit, ¥", Set::Number),
        ("Balance, ¥", Set::Number),
    ];
    let content = html! {
        (card("age-chart", "Coins in question by age"))
        section .card aria-labelledby="ages-title" {
            h2 #ages-title { "Open breaks by kind and age in days" }
            (table("ages", "Open breaks by kind and age in days", &ages))
        }
        (table_card("accounts", "Accounts in between", &accounts))
    };
    page(&deps, &session, &about, &content)
}
