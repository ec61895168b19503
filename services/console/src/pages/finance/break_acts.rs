//! What somebody may do about a break: assign, propose, decide, open again. The page offers what fits where it stands
//! and who looks; the API decides, and the tables behind it.

use super::breaks::BreakView;
use super::draw::{Look, facts, words};
use super::field;
use super::one_break::{Detail, MayPropose, Proposal, action_words};
use crate::pages::frame::grouped;
use maud::{Markup, html};

/// The part of a page with the forms that fit.
pub(super) fn acts(detail: &Detail, look: &Look) -> Markup {
    let found = &detail.found;
    let waiting = detail.proposals.iter().find(|proposal| proposal.decision.is_none());
    html! {
        section .card aria-labelledby="acts-title" #acts data-live data-stamp=(found.version)
            data-id=(found.break_id) data-coins=(found.coins) data-order=[found.order_id.as_deref()]
        {
            h2 #acts-title { "What to do" }
            p #acts-say role="status" { (says(&found.state, look)) }
            @match found.state.as_str() {
                "open" if look.is_worker() => (assign()),
                "assigned" => {
                    @if look.is_worker() { (assign()) }
                    @if look.is_maker() { (propose(detail)) }
                },
                "proposed" => { @if let Some(proposal) = waiting { (decide(proposal, look)) } },
                "closed" if look.is_worker() => (reopen()),
                _ => {},
            }
        }
    }
}

/// What there is to know where nothing, or not everything, can be done.
fn says(state: &str, look: &Look) -> String {
    let now = match state {
        "detected" => "It was just found. If it does not go away by itself, it will be open in a moment.",
        "approved" => "It is approved. The owning service is being asked, until it answers.",
        "posted" => "It is done. It closes once the owning service's own record was read again.",
        "waiting" => "Two people agreed to wait.",
        "open" if look.is_maker() => "Take it first; then you can propose what to do.",
        "assigned" if look.is_checker() => "A maker proposes what to do about it; you may decide it then.",
        _ => "",
    };
    if look.is_worker() || state == "proposed" {
        return now.to_owned();
    }
    format!("{now} Your role reads only.").trim().to_owned()
}

fn assign() -> Markup {
    html! {
        form #assign-form {
            (field("Assign to", &html! { input type="text" name="assignee" placeholder="a person's id"; }))
            div .row {
                button .primary type="submit" name="to" value="me" #assign-me formnovalidate { "Assign to me" }
                button .quiet type="submit" name="to" value="id" { "Assign" }
            }
            p .error role="alert" {}
        }
    }
}

fn reopen() -> Markup {
    html! {
        form #reopen-form {
            (field("Why it is opened again", &html! { textarea name="reason" rows="2" maxlength="4000" required {} }))
            button .primary type="submit" { "Open again" }
            p .error role="alert" {}
        }
    }
}

/// Why somebody cannot decide, or an empty text.
fn why_not(proposal: &Proposal, look: &Look) -> String {
    let is_mine = look.is_me(&proposal.maker_id);
    match look.role {
        Some(role) if look.is_maker() => {
            format!("Your role ({}) proposes. Somebody with the role finance-checker decides.", role.as_str())
        }
        _ if !look.is_checker() => "Your role reads only.".to_owned(),
        _ if is_mine => "It is not yours to decide: you proposed it. Another person must.".to_owned(),
        _ => String::new(),
    }
}

/// The form binds a decision to what is shown: by the proposal's id and its digest.
fn decide(proposal: &Proposal, look: &Look) -> Markup {
    let why = why_not(proposal, look);
    let pairs = [
        ("Proposed", Some(html! { (action_words(&proposal.action)) })),
        ("Because", Some(html! { (proposal.reason) })),
        ("By", Some(look.person(Some(&proposal.maker_id)))),
        ("At", Some(look.time(proposal.proposed_at))),
    ];
    html! {
        form #decide-form data-proposal=(proposal.proposal_id) data-digest=(proposal.digest) {
            div #to-decide { (facts(&pairs)) }
            p #not-you role="status" { (why) }
            @if look.is_checker() {
                (field("Reason, where you reject it", &html! {
                    textarea name="reason" rows="2" maxlength="4000" {}
                }))
                div .row {
                    button .primary type="submit" value="approve" #approve disabled[!why.is_empty()] { "Approve" }
                    button .quiet type="submit" value="reject" #reject disabled[!why.is_empty()] { "Reject" }
                }
                p .error role="alert" {}
            }
        }
    }
}

/// What an action does, and its limits.
fn means(action: &str, found: &BreakView, may: &MayPropose) -> String {
    match action {
        "write_off" => format!(
            "All {} coins of the break are written off, and clearing posts what they are worth. At most {} at once.",
            grouped(found.coins),
            grouped(may.write_off_coins_max)
        ),
        "wait" => format!(
            "Nothing is done for so many days; then the break is back with whoever has it. At most {} days.",
            may.wait_days_max
        ),
        "grant_coins" => format!(
            "The wallet gives the viewer these coins, once. At most {} coins at once.",
            grouped(may.grant_coins_max)
        ),
        "refund_order" => "The wallet gives back all that is left of the order, once.".to_owned(),
        "resettle" => "Settlement settles the order that it has not.".to_owned(),
        "settle_receivable" => {
            "Clearing takes it off the books; after a won dispute the viewer gets back the coins \
            that were taken."
                .to_owned()
        }
        "adjust_voucher" => "Clearing posts this voucher into the first open period.".to_owned(),
        _ => String::new(),
    }
}

/// The viewer whom the rows are about, as far as they say.
fn viewer_of(detail: &Detail) -> &str {
    let (before, after) = (&detail.before.row, &detail.after.row);
    let places = [(before, "viewer_id"), (after, "viewer_id"), (before, "account_id")];
    let mut said = places.into_iter().filter_map(|(row, name)| row.as_ref()?.get(name)?.as_str());
    said.next().unwrap_or_default()
}

fn propose(detail: &Detail) -> Markup {
    let (found, may) = (&detail.found, &detail.may_propose);
    let chosen = may.actions.first().map(String::as_str).unwrap_or_default();
    html! {
        form #propose-form {
            (field("Action", &html! {
                select name="action" #propose-action {
                    @for action in &may.actions { option value=(action) { (words(action)) } }
                }
            }))
            @for action in &may.actions {
                fieldset data-action=(action) hidden[action != chosen] disabled[action != chosen] {
                    (inputs(action, detail))
                    p .muted { (means(action, found, may)) }
                }
            }
            (field("Reason", &html! { textarea name="reason" rows="3" maxlength="4000" required {} }))
            button .primary type="submit" { "Propose" }
            p .error role="alert" {}
        }
    }
}

/// What an action has to be told.
fn inputs(action: &str, detail: &Detail) -> Markup {
    let may = &detail.may_propose;
    let coins = |name: &str, value: i64| {
        html! {
            input type="number" name=(name) min="0" max=(may.grant_coins_max) value=(value) inputmode="numeric";
        }
    };
    match action {
        "grant_coins" => html! {
            (field("Viewer's id", &html! { input type="text" name="viewer_id" value=(viewer_of(detail)) required; }))
            div .pair {
                (field("Paid coins", &coins("paid_coins", 0)))
                (field("Promotional coins", &coins("promo_coins", detail.found.coins)))
            }
        },
        "adjust_voucher" => voucher_lines(),
        "settle_receivable" => field(
            "How it ends",
            &html! {
                select name="end" {
                    option value="paid" { "The viewer has paid all of it to our bank" }
                    option value="written_off" { "Nobody will pay it" }
                    option value="dispute_won" { "The channel gives the money back" }
                }
            },
        ),
        "wait" => field(
            "Days",
            &html! {
                input type="number" name="days" min="1" max=(may.wait_days_max) value="1" inputmode="numeric";
            },
        ),
        _ => html! {},
    }
}

fn voucher_lines() -> Markup {
    let input = |name: &str, label: &str, mode: &str| {
        html! { label { span .visually-hidden { (label) } input type="text" name=(name) inputmode=(mode); } }
    };
    html! {
        table #voucher-lines {
            caption { "Lines; debits equal credits" }
            thead { tr {
                th scope="col" { "Account" }
                th scope="col" .number { "Debit, ¥" }
                th scope="col" .number { "Credit, ¥" }
            } }
            tbody {
                @for _ in 0..2 {
                    tr {
                        td { (input("account", "Account", "text")) }
                        td .number { (input("debit", "Debit, yuan", "decimal")) }
                        td .number { (input("credit", "Credit, yuan", "decimal")) }
                    }
                }
            }
        }
        button .quiet type="button" #add-line { "Another line" }
    }
}
