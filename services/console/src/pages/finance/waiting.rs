//! The kinds of what waits for a second person, as the API answers them, and how a row of each says what it is.

use super::amounts::{minor, percent};
use super::approvals::{Act, Against, SHOWN_MAX, Ways};
use super::draw::{Look, address, severity_badge, short_id, words};
use super::one_break::{action_words, lines};
use crate::pages::frame::grouped;
use chrono::{DateTime, NaiveDate, Utc};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// One thing that waits.
pub(super) struct Row<'a> {
    pub what: Markup,
    pub says: Markup,
    pub maker: &'a str,
    /// Missing where the API does not say.
    pub since: Option<DateTime<Utc>>,
    pub ways: Ways,
}

/// Things of one kind.
pub(super) trait Waiting {
    fn rows(&self, look: &Look) -> Vec<Row<'_>>;

    /// Whether this role decides about them. The API has the last word.
    fn may_decide(&self, look: &Look) -> bool {
        look.decides_money()
    }

    /// Where the rest is, if not all is here.
    fn rest(&self) -> Option<Markup> {
        None
    }
}

/// A number of things, in words.
fn counted(count: i64, (one, many): (&str, &str)) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

#[derive(Debug, Deserialize)]
pub(super) struct Proposals {
    proposals: Vec<ProposedBreak>,
    waiting_count: i64,
}

#[derive(Debug, Deserialize)]
struct ProposedBreak {
    #[serde(rename = "break")]
    found: Found,
    proposal: Proposal,
}

#[derive(Debug, Deserialize)]
struct Found {
    break_id: String,
    kind: String,
    severity: String,
    coins: i64,
}

#[derive(Debug, Deserialize)]
struct Proposal {
    proposal_id: String,
    maker_id: String,
    action: Map<String, Value>,
    reason: String,
    digest: String,
    proposed_at: DateTime<Utc>,
}

impl Waiting for Proposals {
    fn rows(&self, _: &Look) -> Vec<Row<'_>> {
        let row = |ProposedBreak { found, proposal }: &'_ ProposedBreak| {
            let path = format!("/v1/finance/breaks/{}", found.break_id);
            let body = json!({ "proposal_id": proposal.proposal_id, "digest": proposal.digest }).to_string();
            let reject = Act { path: format!("{path}/rejections"), body: body.clone() };
            Ways {
                approve: Act { path: format!("{path}/approvals"), body },
                against: Some(Against::WithReason(reject)),
            }
        };
        let rows = self.proposals.iter().map(|of| Row {
            what: html! {
                a href={ "/finance/breaks/" (of.found.break_id) } { (words(&of.found.kind)) } " "
                (severity_badge(&of.found.severity)) " " (counted(of.found.coins, ("coin", "coins")))
            },
            says: html! {
                strong { (action_words(&of.proposal.action)) }
                (lines(&of.proposal.action))
                p .muted { (of.proposal.reason) }
            },
            maker: &of.proposal.maker_id,
            since: Some(of.proposal.proposed_at),
            ways: row(of),
        });
        rows.collect()
    }

    fn may_decide(&self, look: &Look) -> bool {
        look.is_checker()
    }

    fn rest(&self) -> Option<Markup> {
        let shown = i64::try_from(self.proposals.len()).unwrap_or(i64::MAX);
        let rest = self.waiting_count.saturating_sub(shown);
        (rest > 0).then(|| {
            html! { a #proposals-rest href="/finance/breaks?state=proposed" { (grouped(rest)) " more wait in the inbox" } }
        })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Batches {
    batches: Vec<Batch>,
}

#[derive(Debug, Deserialize)]
struct Batch {
    batch_id: String,
    day: NaiveDate,
    currency: String,
    line_count: i64,
    tax_minor: i64,
    net_minor: i64,
    built_by: String,
    built_at: DateTime<Utc>,
}

impl Waiting for Batches {
    fn rows(&self, _: &Look) -> Vec<Row<'_>> {
        let rows = self.batches.iter().map(|batch| {
            let path = format!("/v1/finance/payout-batches/{}", batch.batch_id);
            let amount = |amount| minor(amount, &batch.currency);
            Row {
                what: html! { a href={ "/finance/payouts/" (batch.batch_id) } { "Batch of " (batch.day) } },
                says: html! {
                    (counted(batch.line_count, ("line", "lines"))) ", " (amount(batch.net_minor)) " to pay, "
                    (amount(batch.tax_minor)) " withheld"
                },
                maker: &batch.built_by,
                since: Some(batch.built_at),
                ways: either(&path, ("Discard", "discard")),
            }
        });
        rows.collect()
    }
}

/// Approving something, and turning it down without a reason.
fn either(path: &str, (word, verb): (&'static str, &str)) -> Ways {
    Ways {
        approve: Act::plain(format!("{path}/approve")),
        against: Some(Against::Plain(word, Act::plain(format!("{path}/{verb}")))),
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Accounts {
    accounts: Vec<Account>,
}

#[derive(Debug, Deserialize)]
struct Account {
    account_id: String,
    payee: String,
    payee_id: String,
    holder: String,
    account_no: String,
    bank_code: String,
    created_by: String,
    created_at: Option<DateTime<Utc>>,
    approved_by: Option<String>,
}

impl Waiting for Accounts {
    fn rows(&self, _: &Look) -> Vec<Row<'_>> {
        let waiting = self.accounts.iter().filter(|account| account.approved_by.is_none());
        let rows = waiting.map(|account| Row {
            what: html! { (words(&account.payee)) " " (short_id(&account.payee_id)) },
            says: html! { (account.holder) ", " (account.account_no) ", " (account.bank_code) },
            maker: &account.created_by,
            since: account.created_at,
            ways: Ways {
                approve: Act::plain(format!("/v1/finance/payee-accounts/{}/approve", account.account_id)),
                against: None,
            },
        });
        rows.collect()
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Contracts {
    imports: Vec<Import>,
}

#[derive(Debug, Deserialize)]
struct Import {
    import_id: String,
    contract_count: i64,
    created_by: String,
    created_at: DateTime<Utc>,
}

impl Waiting for Contracts {
    fn rows(&self, _: &Look) -> Vec<Row<'_>> {
        let rows = self.imports.iter().map(|import| Row {
            what: html! { "Contracts" },
            says: html! { (counted(import.contract_count, ("contract", "contracts"))) },
            maker: &import.created_by,
            since: Some(import.created_at),
            ways: either(&format!("/v1/finance/contract-imports/{}", import.import_id), ("Refuse", "refuse")),
        });
        rows.collect()
    }
}

/// Cases of refunds of one kind.
#[derive(Debug, Deserialize)]
pub(super) struct Cases {
    cases: Vec<Case>,
    next: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Case {
    case_id: String,
    kind: String,
    reason: String,
    made_by: String,
    made_at: DateTime<Utc>,
    line_count: i64,
    asked_coins: i64,
    viewer_id: Option<String>,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
}

impl Case {
    /// What the desk of refunds calls its kind, and where the API keeps it.
    fn place(&self) -> (&'static str, &'static str) {
        match self.kind.as_str() {
            "file" => ("file", "refund-batches"),
            "minor" => ("minor", "minor-cases"),
            _ => ("order", "refunds"),
        }
    }

    fn what(&self) -> String {
        match self.place().0 {
            "file" => format!("A file of {}", counted(self.line_count, ("order", "orders"))),
            "minor" => format!("{} of a minor", counted(self.line_count, ("gift", "gifts"))),
            _ => "One order".to_owned(),
        }
    }
}

impl Waiting for Cases {
    fn rows(&self, look: &Look) -> Vec<Row<'_>> {
        let rows = self.cases.iter().map(|case| {
            let (kind, place) = case.place();
            let way = address("/finance/refunds", &[("kind", Some(kind)), ("case", Some(&case.case_id))]);
            Row {
                what: html! { a href=(way) { (case.what()) } },
                says: html! {
                    strong { (counted(case.asked_coins, ("coin", "coins"))) }
                    @if let Some(viewer) = &case.viewer_id { ", viewer " (short_id(viewer)) }
                    @if let (Some(from), Some(to)) = (case.from, case.to) {
                        ", " (look.time(from)) " to " (look.time(to))
                    }
                    p .muted { (case.reason) }
                },
                maker: &case.made_by,
                since: Some(case.made_at),
                ways: either(&format!("/v1/finance/{place}/{}", case.case_id), ("Refuse", "refuse")),
            }
        });
        rows.collect()
    }

    fn rest(&self) -> Option<Markup> {
        let kind = self.cases.first().filter(|_| self.next.is_some())?.place().0;
        let all = address("/finance/refunds", &[("kind", Some(kind))]);
        Some(html! { a href=(all) { "More wait: these are the newest " (SHOWN_MAX) } })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Periods {
    requests: Vec<PeriodRequest>,
}

#[derive(Debug, Deserialize)]
struct PeriodRequest {
    request_id: String,
    period: String,
    step: String,
    state: String,
    reason: Option<String>,
    proposed_by: String,
    proposed_at: DateTime<Utc>,
}

impl Waiting for Periods {
    fn rows(&self, _: &Look) -> Vec<Row<'_>> {
        let waiting = self.requests.iter().filter(|request| request.state == "waiting");
        let rows = waiting.map(|request| {
            let mut body = json!({ "request_id": request.request_id });
            if let (Some(reason), Some(members)) = (&request.reason, body.as_object_mut()) {
                members.insert("reason".to_owned(), json!(reason));
            }
            // Another person asks for the same: that is the second word.
            let path = format!("/v1/finance/periods/{}/{}", request.period, request.step.replace('_', "-"));
            let way = address("/finance/close", &[("period", Some(&request.period))]);
            Row {
                what: html! { a href=(way) { (words(&request.step)) " " (request.period) } },
                says: html! { (request.reason.as_deref().unwrap_or("—")) },
                maker: &request.proposed_by,
                since: Some(request.proposed_at),
                ways: Ways { approve: Act { path, body: body.to_string() }, against: None },
            }
        });
        rows.collect()
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct MatchingRules {
    rules: Vec<RulesVersion>,
}

#[derive(Debug, Deserialize)]
struct RulesVersion {
    scope: String,
    version: i64,
    state: String,
    #[serde(default)]
    maker_id: String,
    reason: String,
    proposed_at: DateTime<Utc>,
}

impl Waiting for MatchingRules {
    fn rows(&self, _: &Look) -> Vec<Row<'_>> {
        let waiting = self.rules.iter().filter(|of| of.state == "proposed");
        let rows = waiting.map(|of| {
            let decide = |verb: &str| {
                let path = format!("/v1/finance/matching-rules/{}/{verb}", of.version);
                Act::plain(address(&path, &[("scope", Some(&of.scope))]))
            };
            Row {
                what: html! { a href="/finance/rules" { "Version " (of.version) } },
                says: html! { (words(&of.scope)) p .muted { (of.reason) } },
                maker: &of.maker_id,
                since: Some(of.proposed_at),
                ways: Ways {
                    approve: decide("approve"),
                    against: Some(Against::Plain("Refuse", decide("reject"))),
                },
            }
        });
        rows.collect()
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Withholding {
    proposals: Vec<WithholdingProposal>,
}

#[derive(Debug, Deserialize)]
struct WithholdingProposal {
    proposal_id: String,
    state: String,
    rule: Terms,
    reason: String,
    created_by: String,
    created_at: DateTime<Utc>,
}

#[derive(Debug, Deserialize)]
struct Terms {
    payee: String,
    valid_from: NaiveDate,
    name: String,
    method: Method,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Method {
    Flat { rate_ppm: i64 },
    Cumulative { cost_ppm: i64, allowance_minor: i64, brackets: Vec<Bracket> },
}

#[derive(Debug, Deserialize)]
struct Bracket {
    above_minor: i64,
    rate_ppm: i64,
    quick_minor: i64,
}

/// What tax is withheld in.
const CURRENCY: &str = "CNY";

impl Method {
    fn said(&self) -> Markup {
        match self {
            Method::Flat { rate_ppm } => html! { strong { (percent(*rate_ppm)) " of each payout" } },
            Method::Cumulative { cost_ppm, allowance_minor, brackets } => html! {
                strong { (percent(*cost_ppm)) " for costs, " (minor(*allowance_minor, CURRENCY)) " free a month" }
                ul .plain {
                    @for bracket in brackets {
                        li {
                            "above " (minor(bracket.above_minor, CURRENCY)) ": " (percent(bracket.rate_ppm)) ", less "
                            (minor(bracket.quick_minor, CURRENCY))
                        }
                    }
                }
            },
        }
    }
}

impl Waiting for Withholding {
    fn rows(&self, _: &Look) -> Vec<Row<'_>> {
        let waiting = self.proposals.iter().filter(|of| of.state == "waiting");
        let rows = waiting.map(|of| Row {
            what: html! { (words(&of.rule.payee)) " from " (of.rule.valid_from) },
            says: html! { (of.rule.name) ": " (of.rule.method.said()) p .muted { (of.reason) } },
            maker: &of.created_by,
            since: Some(of.created_at),
            ways: either(
                &format!("/v1/finance/withholding-proposals/{}", of.proposal_id),
                ("Refuse", "refuse"),
            ),
        });
        rows.collect()
    }
}
