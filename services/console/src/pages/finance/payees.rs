//! What payees earned and were paid: statements down to their orders, payout requests and batches.

use super::{About, Page, Set, card, field, page, pager, state, table, table_card};
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

/// `/finance/payouts`.
pub(super) async fn payouts(State(deps): State<Deps>, session: Session) -> Page {
    let about = About {
        title: "Payouts",
        lede: "What payees asked for, the batches that pay it, and what the bank said.",
        script: "payouts",
        under: "/finance/payouts",
    };
    let batches = [
        ("Batch", Set::Text),
        ("Day", Set::Text),
        ("State", Set::Text),
        ("Lines", Set::Number),
        ("Gross", Set::Number),
        ("Tax", Set::Number),
        ("To pay", Set::Number),
        ("Built by", Set::Text),
    ];
    let requests = [
        ("Request", Set::Text),
        ("Payee", Set::Text),
        ("Amount", Set::Number),
        ("State", Set::Text),
        ("", Set::Text),
    ];
    let content = html! {
        section .card aria-labelledby="batches-title" {
            div .card-head {
                h2 #batches-title { "Batches" }
                form #build-form hidden {
                    button .primary type="submit" { "Build a batch" }
                    p .error role="alert" {}
                }
            }
            (table("batches", "Batches, newest first", &batches))
            (pager())
        }
        (table_card("requests", "Requests", &requests))
        div .two { (payee_money()) (ask_payout()) }
    };
    page(&deps, &session, &about, &content)
}

fn payee_money() -> Markup {
    html! {
        section .card aria-labelledby="payee-title" {
            h2 #payee-title { "Where a payee's money stands" }
            form .filters method="get" action="/finance/payouts" {
                (payee_choice())
                (field("Payee's id", &html! { input type="text" name="payee_id" required size="14"; }))
                div .filter-actions { button .primary type="submit" { "Show" } }
            }
            div #payee {}
            p .state #payee-state role="status" {}
        }
    }
}

fn ask_payout() -> Markup {
    html! {
        section .card aria-labelledby="ask-title" #ask-card hidden {
            h2 #ask-title { "Ask for a payout, or give an account" }
            form #ask-form {
                (payee_choice())
                (field("Payee's id", &html! { input type="text" name="payee_id" required; }))
                (field("Amount in ¥; all that is available where it is empty", &html! {
                    input type="text" name="amount" inputmode="decimal";
                }))
                button .primary type="submit" { "Ask for a payout" }
                p .error role="alert" {}
            }
            form #account-form {
                (payee_choice())
                (field("Payee's id", &html! { input type="text" name="payee_id" required; }))
                (field("Holder", &html! { input type="text" name="holder" required; }))
                (field("Account number", &html! { input type="text" name="account_no" required; }))
                (field("Bank code", &html! { input type="text" name="bank_code" required; }))
                button .quiet type="submit" { "Give the account" }
                p .error role="alert" {}
            }
        }
    }
}

/// `/finance/payouts/{batch_id}`.
pub(super) async fn batch(State(deps): State<Deps>, session: Session, Path(batch_id): Path<String>) -> Page {
    let about = About {
        title: "Payout batch",
        lede: "What goes to the bank, line by line, and what the bank said of each.",
        script: "batch",
        under: "/finance/payouts",
    };
    let lines = [
        ("Line", Set::Number),
        ("Payee", Set::Text),
        ("Holder", Set::Text),
        ("Account", Set::Text),
        ("Gross", Set::Number),
        ("Tax", Set::Number),
        ("To pay", Set::Number),
        ("State", Set::Text),
        ("Bank's word", Set::Text),
    ];
    let content = html! {
        div #batch-page data-id=(batch_id) {
            section .card aria-labelledby="batch-title" {
                h2 #batch-title { "The batch" }
                div #batch {}
                (state("batch"))
                p #batch-say role="status" {}
                form #batch-form {
                    div .row {
                        button .primary type="submit" value="approve" #approve hidden { "Approve" }
                        button .primary type="submit" value="submit" #submit-batch hidden { "Submit to the bank" }
                        button .quiet type="submit" value="discard" #discard hidden { "Discard" }
                    }
                    p .error role="alert" {}
                }
                div .row #files {}
            }
            section .card aria-label="Lines" {
                (table("lines", "Lines of the batch", &lines))
                div .actions.center { button .quiet type="button" #more-lines hidden { "Show more" } }
                p .error role="alert" #line-error {}
            }
        }
    };
    page(&deps, &session, &about, &content)
}
