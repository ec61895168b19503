//! The inbox of breaks, and one break: evidence, history, and the forms by which two people close it.

use super::{About, Set, card, field, page, pager, state, table, table_card};
use crate::Deps;
use crate::pages::frame::Session;
use axum::extract::State;
use edge::{Path, Query};
use maud::{Markup, html};
use serde::Deserialize;

/// States that can be asked for; asking for none means what is not closed.
const STATES: [(&str, &str); 10] = [
    ("", "Not closed"),
    ("detected", "Detected"),
    ("open", "Open"),
    ("assigned", "Assigned"),
    ("proposed", "Proposed"),
    ("approved", "Approved"),
    ("posted", "Posted"),
    ("waiting", "Waiting"),
    ("closed", "Closed"),
    ("any", "All"),
];

const SEVERITIES: [(&str, &str); 4] =
    [("", "Any"), ("medium", "Medium or worse"), ("high", "High or worse"), ("critical", "Critical")];

const AGES: [(&str, &str); 5] = [
    ("", "Any"),
    ("2", "2 days or more"),
    ("4", "4 days or more"),
    ("8", "8 days or more"),
    ("31", "Over 30 days"),
];

/// What the address asks for, so that the form shows it before any script runs. The script judges it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    state: String,
    #[serde(default)]
    severity: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    age: String,
    #[serde(default)]
    who: String,
    #[serde(default)]
    overdue: String,
}

/// `/finance/breaks`.
pub(super) async fn inbox(State(deps): State<Deps>, session: Session, Query(asked): Query<Asked>) -> Markup {
    let about = About {
        title: "Breaks",
        lede: "What the logs do not agree on, newest first. Press ? for the keys.",
        script: "breaks",
        under: "/finance/breaks",
    };
    let columns = [
        ("Chosen", Set::Tick),
        ("Break", Set::Text),
        ("Severity", Set::Text),
        ("State", Set::Text),
        ("Compared", Set::Text),
        ("Coins", Set::Number),
        ("Age", Set::Number),
        ("Due", Set::Text),
        ("With", Set::Text),
    ];
    let content = html! {
        (filters(&asked))
        (bulk())
        section .card aria-label="Breaks" {
            p .muted.count #count role="status" {}
            (table("breaks", "Breaks, newest first", &columns))
            (pager())
        }
        (bulk_propose())
        (keys())
    };
    page(&deps, &session, &about, &content)
}

fn choices(name: &str, chosen: &str, choices: &[(&str, &str)]) -> Markup {
    html! {
        select name=(name) {
            @for (value, label) in choices { option value=(value) selected[*value == chosen] { (label) } }
        }
    }
}

fn filters(asked: &Asked) -> Markup {
    html! {
        form .filters method="get" action="/finance/breaks" #filters aria-label="Which breaks" {
            (field("State", &choices("state", &asked.state, &STATES)))
            (field("Severity", &choices("severity", &asked.severity, &SEVERITIES)))
            (field("Kind", &html! {
                select name="kind" #kinds {
                    option value="" { "Any" }
                    @if !asked.kind.is_empty() { option value=(asked.kind) selected { (asked.kind) } }
                }
            }))
            (field("Age", &choices("age", &asked.age, &AGES)))
            (field("With", &html! {
                input type="text" name="who" value=(asked.who) placeholder="me, or an id" size="12";
            }))
            label .tick-field {
                input type="checkbox" name="overdue" value="true" checked[asked.overdue == "true"];
                span { "Overdue" }
            }
            div .filter-actions {
                button .primary type="submit" { "Show" }
                a .quiet.button href="/finance/breaks" { "Clear" }
                a .quiet.button href="/finance/breaks?who=me" { "Mine" }
            }
        }
    }
}

fn bulk() -> Markup {
    html! {
        div .bulk #bulk role="group" aria-label="With the chosen breaks" hidden {
            strong #chosen-count role="status" {}
            button .quiet type="button" #choose-all { "Choose all on this page" }
            button .quiet type="button" #choose-none { "Choose none" }
            button .primary type="button" #bulk-assign { "Assign to me" }
            form .row #bulk-assign-form hidden {
                (field("Assign to", &html! {
                    input type="text" name="assignee" placeholder="a person's id" required size="14";
                }))
                button .quiet type="submit" { "Assign" }
                p .error role="alert" {}
            }
            button .primary type="button" #bulk-propose { "Propose…" }
            ul .outcomes #outcomes aria-label="What became of each" {}
        }
    }
}

fn bulk_propose() -> Markup {
    html! {
        dialog #propose-dialog aria-labelledby="propose-dialog-title" {
            form method="dialog" #bulk-form {
                h2 #propose-dialog-title { "Propose for the chosen breaks" }
                p .muted { "What is open is assigned to you first. Each break gets a proposal of its own; another "
                    "person decides each." }
                (field("Action", &html! {
                    select name="action" #bulk-action {
                        option value="write_off" { "Write off the difference" }
                        option value="wait" { "Wait" }
                        option value="refund_order" { "Refund the order" }
                        option value="resettle" { "Settle the order again" }
                    }
                }))
                label .field #bulk-days-field hidden {
                    span { "Days" }
                    input type="number" name="days" min="1" max="365" value="1" inputmode="numeric";
                }
                (field("Reason", &html! { textarea name="reason" rows="3" maxlength="4000" required {} }))
                div .actions {
                    button .quiet type="button" data-close { "Cancel" }
                    button .primary type="submit" #bulk-send { "Propose" }
                }
            }
        }
    }
}

fn keys() -> Markup {
    let keys = [
        ("j", "next break"),
        ("k", "break before"),
        ("Enter", "open it"),
        ("x", "choose it, or not"),
        ("a", "assign it, or the chosen ones, to me"),
        ("p", "propose for it, or for the chosen ones"),
        ("?", "this list"),
    ];
    html! {
        dialog #keys-dialog aria-labelledby="keys-title" {
            form method="dialog" {
                h2 #keys-title { "Keys" }
                dl .keys {
                    @for (key, what) in keys { dt { kbd { (key) } } dd { (what) } }
                }
                div .actions { button .primary type="submit" { "Close" } }
            }
        }
    }
}

/// `/finance/breaks/{break_id}`.
pub(super) async fn one(State(deps): State<Deps>, session: Session, Path(break_id): Path<String>) -> Markup {
    let about = About {
        title: "Break",
        lede: "What each side says, what was said about it, and what is to be done.",
        script: "break",
        under: "/finance/breaks",
    };
    let sides = [("Field", Set::Text), ("Before", Set::Text), ("After", Set::Text), ("", Set::Text)];
    let steps = [
        ("When", Set::Text),
        ("Who", Set::Text),
        ("What", Set::Text),
        ("Says", Set::Text),
        ("Row", Set::Number),
    ];
    let content = html! {
        div #break data-id=(break_id) {
            section .card aria-label="The break" {
                div #summary {}
                (state("summary"))
                ol .life #life aria-label="Its life" {}
            }
            div .two.evidence-and-acts {
                div .stack {
                    (table_card("recorded", "As found", &sides))
                    (table_card("rows", "The rows now", &sides))
                }
                (acts())
            }
            (card("proposals", "Proposals"))
            section .card aria-labelledby="comments-title" {
                h2 #comments-title { "Comments" }
                ul .comments #comments {}
                (state("comments"))
                form .comment #comment-form {
                    (field("Say something", &html! { textarea name="text" rows="2" maxlength="4000" required {} }))
                    button .quiet type="submit" { "Comment" }
                    p .error role="alert" {}
                }
            }
            (table_card("history", "History, from the audit trail", &steps))
        }
    };
    page(&deps, &session, &about, &content)
}

fn acts() -> Markup {
    html! {
        section .card aria-labelledby="acts-title" {
            h2 #acts-title { "What to do" }
            p #acts-say role="status" {}
            form #assign-form hidden {
                (field("Assign to", &html! { input type="text" name="assignee" placeholder="a person's id"; }))
                div .row {
                    button .primary type="submit" name="to" value="me" #assign-me formnovalidate { "Assign to me" }
                    button .quiet type="submit" name="to" value="id" { "Assign" }
                }
                p .error role="alert" {}
            }
            (propose())
            form #decide-form hidden {
                div #to-decide {}
                p #not-you role="status" {}
                (field("Reason, where you reject it", &html! { textarea name="reason" rows="2" maxlength="4000" {} }))
                div .row {
                    button .primary type="submit" value="approve" #approve { "Approve" }
                    button .quiet type="submit" value="reject" #reject { "Reject" }
                }
                p .error role="alert" {}
            }
            form #reopen-form hidden {
                (field("Why it is opened again", &html! { textarea name="reason" rows="2" maxlength="4000" required {} }))
                button .primary type="submit" { "Open again" }
                p .error role="alert" {}
            }
        }
    }
}

fn propose() -> Markup {
    let number = |name: &str, max: &str| {
        html! { input type="number" name=(name) min="0" max=(max) value="0" inputmode="numeric" id={ "propose-" (name) }; }
    };
    html! {
        form #propose-form hidden {
            (field("Action", &html! { select name="action" #propose-action {} }))
            fieldset data-action="grant_coins" hidden disabled {
                (field("Viewer's id", &html! { input type="text" name="viewer_id" required; }))
                div .pair {
                    (field("Paid coins", &number("paid_coins", "9007199254740991")))
                    (field("Promotional coins", &number("promo_coins", "9007199254740991")))
                }
            }
            fieldset data-action="adjust_voucher" hidden disabled {
                table #voucher-lines {
                    caption { "Lines; debits equal credits" }
                    thead { tr {
                        th scope="col" { "Account" }
                        th scope="col" .number { "Debit, ¥" }
                        th scope="col" .number { "Credit, ¥" }
                    } }
                    tbody {}
                }
                button .quiet type="button" #add-line { "Another line" }
            }
            fieldset data-action="settle_receivable" hidden disabled {
                (field("How it ends", &html! {
                    select name="end" {
                        option value="paid" { "The viewer has paid all of it to our bank" }
                        option value="written_off" { "Nobody will pay it" }
                        option value="dispute_won" { "The channel gives the money back" }
                    }
                }))
            }
            fieldset data-action="wait" hidden disabled { (field("Days", &number("days", "365"))) }
            p .muted #propose-says {}
            (field("Reason", &html! { textarea name="reason" rows="3" maxlength="4000" required {} }))
            button .primary type="submit" { "Propose" }
            p .error role="alert" {}
        }
    }
}
