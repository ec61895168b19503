//! What keeps the rest honest: closing periods, runs, the rules of matching, the audit trail.

use super::{About, Page, Set, card, field, page, pager, state, table};
use crate::Deps;
use crate::pages::frame::Session;
use axum::extract::State;
use chrono::{Days, Utc};
use edge::Path;
use maud::{Markup, html};

/// `/finance/close`.
pub(super) async fn close(State(deps): State<Deps>, session: Session) -> Page {
    let about = About {
        title: "Close",
        lede: "What must hold before a period closes. Closing and reopening take two people.",
        script: "close",
        under: "/finance/close",
    };
    let today = deps.zone.day_of(Utc::now());
    let yesterday = today.checked_sub_days(Days::new(1)).unwrap_or(today);
    let lines = [
        ("Condition", Set::Text),
        ("State", Set::Text),
        ("Judged by", Set::Text),
        ("What blocks", Set::Text),
    ];
    let content = html! {
        form .filters method="get" action="/finance/close" aria-label="Which period" #period-form data-day=(yesterday) {
            (field("Day, or month", &html! { input type="text" name="period" placeholder=(yesterday) size="12"; }))
            div .filter-actions { button .primary type="submit" { "Show" } }
        }
        section .card aria-labelledby="checklist-title" {
            h2 #checklist-title { "Checklist" }
            p .verdict #can-close role="status" {}
            (table("checklist", "Checklist", &lines))
            form #step-form hidden {
                (field("Reason; reopening needs one", &html! { textarea name="reason" rows="2" maxlength="4000" {} }))
                div .row {
                    button .quiet type="submit" value="soft-lock" { "Lock softly" }
                    button .primary type="submit" value="close" { "Close" }
                    button .quiet type="submit" value="reopen" { "Reopen" }
                }
                p .error role="alert" {}
            }
        }
        (card("steps", "Steps that were asked for"))
        (card("periods", "Periods"))
    };
    page(&deps, &session, &about, &content)
}

/// `/finance/runs`.
pub(super) async fn runs(State(deps): State<Deps>, session: Session) -> Page {
    let about = About {
        title: "Runs",
        lede: "The daily comparison, row by row, with the channels' files.",
        script: "runs",
        under: "/finance/runs",
    };
    let today = deps.zone.day_of(Utc::now());
    let yesterday = today.checked_sub_days(Days::new(1)).unwrap_or(today);
    let content = html! {
        form .filters method="get" action="/finance/runs" aria-label="Which day" #day-form data-day=(yesterday) {
            (field("Day", &html! { input type="date" name="day" value=(yesterday); }))
            div .filter-actions { button .primary type="submit" { "Show" } }
        }
        section .card aria-labelledby="runs-title" {
            div .card-head {
                h2 #runs-title { "Runs of the day" }
                form #run-form hidden {
                    button .primary type="submit" { "Run the day" }
                    p .error role="alert" {}
                }
            }
            div #runs {}
            (state("runs"))
        }
        (card("bills", "Files"))
        section .card aria-labelledby="diff-title" #diff-card hidden {
            h2 #diff-title { "What the two newest runs say differently" }
            div #diff {}
            (state("diff"))
        }
    };
    page(&deps, &session, &about, &content)
}

/// `/finance/runs/{run_id}`.
pub(super) async fn run(State(deps): State<Deps>, session: Session, Path(run_id): Path<String>) -> Page {
    let about = About {
        title: "Run",
        lede: "How far it is, what it matched, and its report.",
        script: "run",
        under: "/finance/runs",
    };
    let content = html! {
        div #run-page data-id=(run_id) {
            section .card aria-labelledby="run-title" {
                h2 #run-title { "The run" }
                progress #progress hidden max="1" value="0" aria-label="Rows done" {}
                div #run {}
                (state("run"))
            }
            section .card aria-labelledby="report-title" {
                h2 #report-title { "Report" }
                div .scroll tabindex="0" role="region" aria-labelledby="report-title" { pre #report {} }
                (state("report"))
            }
        }
    };
    page(&deps, &session, &about, &content)
}

/// `/finance/rules`.
pub(super) async fn rules(State(deps): State<Deps>, session: Session) -> Page {
    let about = About {
        title: "Matching rules",
        lede: "In which order rows are matched, and what a version would have done on a past day.",
        script: "rules",
        under: "/finance/rules",
    };
    let today = deps.zone.day_of(Utc::now());
    let yesterday = today.checked_sub_days(Days::new(1)).unwrap_or(today);
    let content = html! {
        form .filters #dry-run-form aria-label="Dry run against" {
            (field("A dry run is against", &html! { input type="date" name="day" value=(yesterday) #dry-day; }))
        }
        (card("rules", "Versions"))
        (propose_rules())
        section .card aria-labelledby="dry-title" #dry-card hidden {
            h2 #dry-title tabindex="-1" { "Dry run" }
            div #dry {}
            (state("dry"))
        }
    };
    page(&deps, &session, &about, &content)
}

fn propose_rules() -> Markup {
    html! {
        section .card aria-labelledby="propose-title" #propose-card hidden {
            h2 #propose-title { "Propose the next version" }
            p .muted { "It takes no effect until another person approves it. Try it against a past day first." }
            form #propose-form {
                (field("Rules of", &html! {
                    select name="scope" #scope {
                        option value="channel" { "Channels' bills" }
                        option value="bank" { "Banks' statements" }
                        option value="funds" { "Channels' fund bills" }
                    }
                }))
                (field("The rules, as JSON", &html! {
                    textarea name="rules" #rules-text rows="16" spellcheck="false" autocomplete="off" required {}
                }))
                (field("Reason", &html! { textarea name="reason" rows="2" maxlength="4000" required {} }))
                button .primary type="submit" { "Propose" }
                p .error role="alert" {}
            }
        }
    }
}

/// `/finance/audit`.
pub(super) async fn audit(State(deps): State<Deps>, session: Session) -> Page {
    let about = About {
        title: "Audit",
        lede: "Every step of what people decide, in chains: a row that was changed later shows.",
        script: "audit",
        under: "/finance/audit",
    };
    let steps = [
        ("Row", Set::Number),
        ("When", Set::Text),
        ("Who", Set::Text),
        ("What", Set::Text),
        ("About", Set::Text),
        ("Hash", Set::Text),
    ];
    let content = html! {
        section .card aria-labelledby="verify-title" {
            h2 #verify-title { "Is the trail whole?" }
            form #verify-form {
                (field("A row you know from elsewhere, as seq:hash; may be empty", &html! {
                    input type="text" name="anchor" autocomplete="off" spellcheck="false";
                }))
                button .primary type="submit" { "Verify" }
                p .error role="alert" {}
            }
            div #verified role="status" {}
        }
        form .filters method="get" action="/finance/audit" aria-label="Which rows" {
            (field("Trail of", &html! {
                select name="trail" {
                    option value="breaks" { "Breaks and matching rules" }
                    option value="refunds" { "Refunds" }
                    option value="periods" { "Periods" }
                    option value="payouts" { "Payouts and contracts" }
                }
            }))
            (field("About", &html! { input type="text" name="subject" placeholder="an id" size="36"; }))
            div .filter-actions {
                button .primary type="submit" { "Show" }
                a .quiet.button href="/finance/audit" { "Everything" }
            }
        }
        section .card aria-label="Rows" { (table("steps", "Rows of the trail, newest first", &steps)) (pager()) }
    };
    page(&deps, &session, &about, &content)
}
