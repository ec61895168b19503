//! One case of refunds: what was asked for, line by line, whose earnings it takes back, and the money on its way.

use super::amounts::{micros_cell, minor};
use super::approvals::{Act, Against, Ways};
use super::draw::{Look, Table, facts, note, short_id, state_badge, words};
use super::{Set, part};
use crate::pages::frame::grouped;
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde::Deserialize;

/// A case without its lines.
#[derive(Debug, Deserialize)]
pub(super) struct Case {
    pub case_id: String,
    pub state: String,
    pub reason: String,
    pub made_by: String,
    pub made_at: DateTime<Utc>,
    decided_by: Option<String>,
    decided_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    line_count: i64,
    done_count: i64,
    failed_count: i64,
    pub asked_coins: i64,
    refunded_paid_coins: i64,
    refunded_promo_coins: i64,
    // Of a minor's case.
    viewer_id: Option<String>,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
    money: Option<Money>,
    money_error: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CaseDetail {
    #[serde(flatten)]
    pub case: Case,
    #[serde(default)]
    pub lines: Vec<Line>,
    /// The last line of this page, where there are more.
    pub next: Option<i64>,
    #[serde(default)]
    shares: Vec<Share>,
    shares_unavailable: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Line {
    line: i64,
    order_id: String,
    viewer_id: String,
    streamer_id: String,
    asked_coins: i64,
    reason: String,
    outcome: Option<String>,
    paid_coins: i64,
    promo_coins: i64,
    attempts: i64,
    last_error: Option<String>,
}

/// Whose earnings a minor's case takes back.
#[derive(Debug, Deserialize)]
struct Share {
    streamer_id: Option<String>,
    agency_id: Option<String>,
    gift_count: i64,
    coins: i64,
    streamer_micro: i64,
    agency_micro: i64,
    streamer_reversed_micro: i64,
    agency_reversed_micro: i64,
}

/// The money of a minor's case on its way back.
#[derive(Debug, Deserialize)]
struct Money {
    refunds: Vec<MoneyRefund>,
    left_coins: i64,
}

#[derive(Debug, Deserialize)]
struct MoneyRefund {
    recharge_id: String,
    channel: String,
    channel_payment_id: String,
    amount_minor: i64,
    currency: String,
    coins: i64,
    state: String,
}

impl Case {
    /// The two requests that decide it.
    pub fn ways(&self, place: &str) -> Ways {
        let act = |verb: &str| Act::plain(format!("{place}/{}/{verb}", self.case_id));
        Ways { approve: act("approve"), against: Some(Against::Plain("Refuse", act("refuse"))) }
    }

    pub fn lines_done(&self) -> String {
        format!("{} of {}", grouped(self.done_count), grouped(self.line_count))
    }

    /// Of both funds.
    pub fn refunded_coins(&self) -> i64 {
        self.refunded_paid_coins.saturating_add(self.refunded_promo_coins)
    }
}

/// The case with a page of its lines.
pub(super) fn draw(detail: &CaseDetail, look: &Look) -> Markup {
    html! {
        (about(&detail.case, look))
        @if !detail.lines.is_empty() { (lines(&detail.lines)) }
        @if !detail.shares.is_empty() { (shares(&detail.shares)) }
        @if let Some(why) = &detail.shares_unavailable {
            p .muted { "Whose earnings it takes back is not known now: " (why) }
        }
        @if let Some(money) = &detail.case.money { (the_money(money)) }
        @if let Some(why) = &detail.case.money_error { p .muted { "The money is not on its way yet: " (why) } }
        (note("case", ""))
    }
}

fn about(case: &Case, look: &Look) -> Markup {
    let at = |at: Option<DateTime<Utc>>| at.map(|at| look.time(at));
    let decided = case.decided_at.map(|at| {
        html! { (look.time(at)) " by " (look.person(case.decided_by.as_deref())) }
    });
    let pairs = [
        ("State", Some(state_badge(&case.state))),
        ("Why", Some(html! { (case.reason) })),
        ("Asked for", Some(html! { (look.time(case.made_at)) " by " (look.person(Some(&case.made_by))) })),
        ("Viewer", case.viewer_id.as_ref().map(|id| html! { span .id { (id) } })),
        ("Gifts from", at(case.from)),
        ("Up to, not counted", at(case.to)),
        ("Decided", decided),
        ("Ended", at(case.ended_at)),
        ("Lines done", Some(html! { (case.lines_done()) })),
        (
            "Lines that give nothing back",
            (case.failed_count > 0).then(|| html! { (grouped(case.failed_count)) }),
        ),
        ("Coins asked for", Some(html! { (grouped(case.asked_coins)) })),
        ("Paid coins back", Some(html! { (grouped(case.refunded_paid_coins)) })),
        ("Promotional coins back", Some(html! { (grouped(case.refunded_promo_coins)) })),
    ];
    facts(&pairs)
}

fn lines(lines: &[Line]) -> Markup {
    let columns = [
        ("Line", Set::Number),
        ("Order", Set::Text),
        ("Viewer", Set::Text),
        ("Streamer", Set::Text),
        ("Coins asked for", Set::Number),
        ("Outcome", Set::Text),
        ("Paid coins back", Set::Number),
        ("Promotional coins back", Set::Number),
        ("Why", Set::Text),
    ];
    let rows = lines.iter().map(|line| {
        html! { tr {
            th scope="row" .number { (grouped(line.line)) }
            td { a .id href={ "/finance/orders/" (line.order_id) } { (short_id(&line.order_id)) } }
            td { (short_id(&line.viewer_id)) }
            td { (short_id(&line.streamer_id)) }
            td .number { (grouped(line.asked_coins)) }
            td {
                @if let Some(outcome) = &line.outcome { (words(outcome)) } @else { "not yet" }
                @if let Some(error) = &line.last_error {
                    p .muted { "after " (grouped(line.attempts)) " attempts: " (error) }
                }
            }
            td .number { (grouped(line.paid_coins)) }
            td .number { (grouped(line.promo_coins)) }
            td { (line.reason) }
        } }
    });
    let table = Table {
        id: "case-lines",
        caption: "Lines of the case",
        columns: &columns,
        rows: rows.collect(),
        empty: "",
    };
    html! { h3 { "Lines" } (table.draw()) }
}

fn shares(shares: &[Share]) -> Markup {
    let columns = [
        ("Streamer", Set::Text),
        ("Agency", Set::Text),
        ("Gifts", Set::Number),
        ("Coins", Set::Number),
        ("Streamer's share, ¥", Set::Number),
        ("Taken back, ¥", Set::Number),
        ("Agency's share, ¥", Set::Number),
        ("Taken back, ¥", Set::Number),
    ];
    let id = |id: &Option<String>| html! { @if let Some(id) = id { (short_id(id)) } @else { "—" } };
    let rows: Vec<Markup> = shares
        .iter()
        .map(|share| {
            html! { tr {
                th scope="row" { (id(&share.streamer_id)) }
                td { (id(&share.agency_id)) }
                td .number { (grouped(share.gift_count)) }
                td .number { (grouped(share.coins)) }
                (micros_cell(share.streamer_micro))
                (micros_cell(share.streamer_reversed_micro))
                (micros_cell(share.agency_micro))
                (micros_cell(share.agency_reversed_micro))
            } }
        })
        .collect();
    let caption = "Whose earnings it takes back";
    html! { h3 { (caption) } (part::inner_table(caption, &columns, &rows)) }
}

fn the_money(money: &Money) -> Markup {
    let columns = [
        ("Recharge", Set::Text),
        ("Channel", Set::Text),
        ("Its payment", Set::Text),
        ("Amount", Set::Number),
        ("Coins", Set::Number),
        ("State", Set::Text),
    ];
    let rows: Vec<Markup> = money
        .refunds
        .iter()
        .map(|refund| {
            html! { tr {
                th scope="row" { (short_id(&refund.recharge_id)) }
                td { (refund.channel) }
                td .id { (refund.channel_payment_id) }
                td .number { (minor(refund.amount_minor, &refund.currency)) }
                td .number { (grouped(refund.coins)) }
                td { (state_badge(&refund.state)) }
            } }
        })
        .collect();
    let caption = "Money on its way back";
    html! {
        h3 { (caption) }
        (part::inner_table(caption, &columns, &rows))
        @if money.left_coins > 0 {
            p .muted { (grouped(money.left_coins)) " coins stay in the wallet: no recharge has them left to refund." }
        }
    }
}
