//! What waits for a second person, of every kind: each row says what it is, whose it is and, to whoever may decide it,
//! how. The parts are answers of their own, so that one service away leaves the others to decide.

use super::draw::{Look, Table};
use super::part::{Part, status_of};
use super::waiting::{
    Accounts, Batches, Cases, Contracts, MatchingRules, Periods, Proposals, Waiting, Withholding,
};
use super::{About, Content, Page, Set, drawn, may_read};
use crate::Deps;
use crate::api::{Api, Refused};
use crate::pages::frame::Session;
use axum::extract::State;
use maud::{Markup, html};

/// Rows of one kind that the page shows; the rest has a page of its own.
pub(super) const SHOWN_MAX: usize = 25;

/// A request by which somebody decides: sent as it stands, so that what is approved is what was shown.
#[derive(Debug)]
pub(super) struct Act {
    pub path: String,
    /// JSON.
    pub body: String,
}

impl Act {
    /// One without a body of its own.
    pub fn plain(path: String) -> Act {
        Act { path, body: "{}".to_owned() }
    }
}

/// How something is turned down.
#[derive(Debug)]
pub(super) enum Against {
    /// Under a word, such as "Discard".
    Plain(&'static str, Act),
    /// With a reason, which the script asks for and adds.
    WithReason(Act),
}

/// The ways that a row offers.
#[derive(Debug)]
pub(super) struct Ways {
    pub approve: Act,
    pub against: Option<Against>,
}

/// `/finance/approvals`.
pub(super) async fn page(State(deps): State<Deps>, session: Session, api: Api) -> Page {
    let about = About {
        title: "Approvals",
        lede: "Everything that waits for a second person. Who made it cannot approve it.",
        script: "approvals",
        under: "/finance/approvals",
    };
    if !may_read(&session) {
        return super::page(&deps, &session, &about, &html! {});
    }
    let look = Look::of(&session, deps.zone);
    drawn(&deps, &session, &about, &content(&api, &look).await)
}

async fn content(api: &Api, look: &Look) -> Content {
    let cases = format!("?state=waiting&limit={SHOWN_MAX}");
    let [orders, files, minors] =
        ["refunds", "refund-batches", "minor-cases"].map(|kind| format!("/v1/finance/{kind}{cases}"));
    let proposals = format!("/v1/finance/proposals?limit={SHOWN_MAX}");
    let (proposals, batches, accounts, contracts, orders, files, minors, periods, rules, withholding) = tokio::join!(
        api.get::<Proposals>(&proposals),
        api.get::<Batches>("/v1/finance/payout-batches?state=built"),
        api.get::<Accounts>("/v1/finance/payee-accounts"),
        api.get::<Contracts>("/v1/finance/contract-imports?state=waiting"),
        api.get::<Cases>(&orders),
        api.get::<Cases>(&files),
        api.get::<Cases>(&minors),
        api.get::<Periods>("/v1/finance/periods"),
        api.get::<MatchingRules>("/v1/finance/matching-rules"),
        api.get::<Withholding>("/v1/finance/withholding-rules"),
    );
    let status = status_of(&[
        proposals.as_ref().err(),
        batches.as_ref().err(),
        orders.as_ref().err(),
        periods.as_ref().err(),
    ]);
    let markup = html! {
        @if !look.is_checker() && !look.decides_money() {
            p .muted #approvals-say role="status" {
                "Your role sees what waits; people with the role finance-checker decide."
            }
        }
        (kind(&proposals, look, ("proposals", "Proposals about breaks", "No proposal waits.")))
        (kind(&batches, look, ("batches", "Payout batches", "No batch waits.")))
        (kind(&accounts, look, ("accounts", "Accounts of payees", "No account waits.")))
        (kind(&contracts, look, ("imports", "Contracts", "No contract waits.")))
        (kind(&orders, look, ("refunds", "Refunds", "No refund waits.")))
        (kind(&files, look, ("refund-files", "Files of refunds", "No file waits.")))
        (kind(&minors, look, ("minors", "Refunds of minors", "No case waits.")))
        (kind(&periods, look, ("periods", "Periods", "No period waits.")))
        (kind(&rules, look, ("matching", "Matching rules", "No version waits.")))
        (kind(&withholding, look, ("withholding", "Rules of withholding", "No rule waits.")))
        (reject())
    };
    Content { status, markup }
}

/// One kind of what waits.
fn kind<T: Waiting>(
    answer: &Result<T, Refused>,
    look: &Look,
    (id, heading, empty): (&str, &str, &str),
) -> Markup {
    let columns = [
        ("What", Set::Text),
        ("Says", Set::Text),
        ("Made by", Set::Text),
        ("Since", Set::Number),
        ("Decide", Set::Decision),
    ];
    Part { id, heading, stamp: None }.draw(answer, |list| {
        let rows = list.rows(look).into_iter().map(|row| {
            html! { tr {
                th scope="row" data-label="What" { (row.what) }
                td data-label="Says" { (row.says) }
                td data-label="Made by" { (look.person(Some(row.maker))) }
                td .number data-label="Since" { @if let Some(at) = row.since { (look.age(at)) } @else { "—" } }
                td data-label="Decide" { (decision(&row.ways, row.maker, (list.may_decide(look), look))) }
            } }
        });
        let table = Table { id, caption: heading, columns: &columns, rows: rows.collect(), empty };
        html! { (table.draw()) @if let Some(rest) = list.rest() { p { (rest) } } }
    })
}

/// The buttons of one thing, or why they are not this person's to press.
pub(super) fn decision(ways: &Ways, maker: &str, (may_decide, look): (bool, &Look)) -> Markup {
    if look.is_me(maker) {
        return html! { span .muted { "you made it" } };
    }
    if !may_decide {
        return html! { span .muted { "a checker's" } };
    }
    let Ways { approve, against } = ways;
    html! {
        form data-sends="decide" {
            div .row {
                button .primary.small type="submit" data-path=(approve.path) data-body=(approve.body) { "Approve" }
                @match against {
                    Some(Against::Plain(word, act)) => {
                        button .quiet.small type="submit" data-path=(act.path) data-body=(act.body) { (word) }
                    },
                    Some(Against::WithReason(act)) => {
                        button .quiet.small type="submit" data-path=(act.path) data-body=(act.body) data-reason="" {
                            "Reject…"
                        }
                    },
                    None => {},
                }
            }
            p .error role="alert" {}
        }
    }
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
