//! Brings about approved refund cases: each line is sent to the wallet until it is answered; then, of a minor's case,
//! the cashier is asked to send the money back until every channel has.
//!
//! The work list is a table, so a restart forgets nothing; request ids were committed with the approval, so that
//! sending twice, or from two nodes, refunds once.

use crate::app::ask_refund_case::RefundDesk;
use crate::app::tell_refund_case::done;
use crate::domain::refund_case::CaseKind;
use crate::store::refund_cases::{self, CaseView};
use crate::store::refund_lines::{self, LineDue, Sent};
use chrono::{TimeDelta, Utc};
use contracts::class::Classed;
use contracts::digest::body_hash;
use contracts::entry::{Entry, Funds};
use contracts::owner::{AskRechargeRefunds, OwnerError};
use contracts::wallet::{Act, Command, RefundAmount, WalletError};
use futures::StreamExt;
use ids::Uuid;
use money::Coins;
use std::time::Duration;
use tokio::sync::watch;

/// Lines read at once.
const BATCH_MAX: i64 = 256;
/// Refunds asked for at the same time.
const IN_FLIGHT_MAX: usize = 32;
/// Cases looked at in one statement.
const CASES_MAX: i64 = 100;
/// The longest pause before a line without an answer is sent again, in seconds.
const PAUSE_MAX_S: i64 = 60;

/// Runs until `shutdown` turns true; looks every `every`.
pub async fn run(desk: RefundDesk, every: Duration, mut shutdown: watch::Receiver<bool>) {
    while !*shutdown.borrow() {
        match turn(&desk).await {
            Ok(Turn::MoreToDo) => continue,
            Ok(Turn::Idle) => {}
            Err(error) => tracing::warn!(%error, "refund cases could not be read or written; they wait"),
        }
        tokio::select! {
            _ = shutdown.changed() => break,
            () = tokio::time::sleep(every) => {}
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    MoreToDo,
    Idle,
}

async fn turn(desk: &RefundDesk) -> Result<Turn, sqlx::Error> {
    let due = refund_lines::list_due(&desk.db, BATCH_MAX).await?;
    if due.is_empty() {
        end_cases(desk).await?;
        return Ok(Turn::Idle);
    }
    let sent: Vec<(LineDue, Sent)> = futures::stream::iter(due)
        .map(|line| async move { (line, send(desk, line).await) })
        .buffer_unordered(IN_FLIGHT_MAX)
        .collect()
        .await;
    refund_lines::save_sent(&desk.db, &sent).await?;
    Ok(Turn::MoreToDo)
}

async fn send(desk: &RefundDesk, line: LineDue) -> Sent {
    let amount = line.amount_coins.map_or(RefundAmount::AllLeft, RefundAmount::Coins);
    let act = Act::Refund { order_id: line.order_id, amount };
    let command =
        Command { request_id: line.request_id, account_id: line.viewer_id, body_hash: body_hash(&act), act };
    match desk.wallet.submit(command).await {
        Ok(answer) => {
            let outcome = answer.outcome().slug().to_owned();
            Sent::Ended { outcome, funds: given_back(&answer.entry) }
        }
        Err(error @ (WalletError::RequestReused | WalletError::BadCommand(_))) => {
            tracing::error!(order_id = %line.order_id, %error, "an approved refund was refused; a human must look");
            Sent::Ended { outcome: error.slug().to_owned(), funds: Funds::default() }
        }
        Err(error) => {
            let pause = 1_i64.checked_shl(line.attempts.unsigned_abs()).unwrap_or(PAUSE_MAX_S);
            let next_at = Utc::now() + TimeDelta::seconds(pause.clamp(1, PAUSE_MAX_S));
            Sent::Unanswered { why: error.to_string(), next_at }
        }
    }
}

fn given_back(entry: &Entry) -> Funds {
    let coins = |delta: i64| Coins::try_new(delta).unwrap_or_default();
    Funds { paid_coins: coins(entry.available.paid_coins), promo_coins: coins(entry.available.promo_coins) }
}

/// Ends what has an outcome for each line, and moves a minor's money on.
async fn end_cases(desk: &RefundDesk) -> Result<(), sqlx::Error> {
    let mut after = Uuid::nil();
    loop {
        let cases = refund_cases::list_under_way(&desk.db, after, CASES_MAX).await?;
        let Some(last) = cases.last() else { return Ok(()) };
        after = last.case_id;
        for case in &cases {
            if case.done_count + case.failed_count < i64::from(case.line_count) {
                continue;
            }
            if case.kind != CaseKind::Minor || is_money_back(desk, case).await? {
                end_case(desk, case).await?;
            }
        }
    }
}

/// Ends a case, once, with its row in the trail.
async fn end_case(desk: &RefundDesk, case: &CaseView) -> Result<(), sqlx::Error> {
    let mut tx = desk.db.begin().await?;
    if !refund_cases::end_in_tx(&mut tx, &desk.db, case.case_id).await? {
        return tx.rollback().await; // Another node was first, or a line has come undone.
    }
    trail::append_in_tx(&mut tx, &desk.db, vec![done(case)], Utc::now()).await?;
    tx.commit().await
}

/// Asks the cashier how far the money is; asking is what makes it go.
async fn is_money_back(desk: &RefundDesk, case: &CaseView) -> Result<bool, sqlx::Error> {
    let (Some(period), false) = (case.period, case.refunded_paid_coins.is_zero()) else { return Ok(true) };
    let ask = AskRechargeRefunds {
        case_id: case.case_id,
        viewer_id: period.viewer_id,
        coins: case.refunded_paid_coins,
    };
    let said = match &desk.recharges {
        Some(cashier) => cashier.return_recharges(ask).await,
        None => Err(OwnerError::NoAnswer("this process reaches no cashier".to_owned())),
    };
    match said {
        Ok(money) => {
            let is_done = money.is_done();
            if case.money.as_ref() != Some(&money) {
                refund_cases::save_money(&desk.db, case.case_id, Ok(&money)).await?;
            }
            Ok(is_done)
        }
        Err(error) => {
            let why = error.to_string();
            if case.money_error.as_ref() != Some(&why) {
                tracing::warn!(case_id = %case.case_id, why, "a minor's money is not on its way yet; asked again");
                refund_cases::save_money(&desk.db, case.case_id, Err(&why)).await?;
            }
            Ok(false)
        }
    }
}
