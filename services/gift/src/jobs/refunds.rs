//! Sends the refunds that are due to the wallet until each is answered.
//!
//! The work list is a table, so a restart forgets nothing; the request id is derived from the order, so
//! sending twice refunds once.

use crate::app::refund_order::refund_command;
use crate::store::refunds::{self, RefundDue};
use contracts::entry::Outcome;
use contracts::wallet::Wallet;
use futures::StreamExt;
use ids::OrderId;
use pg::Db;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// Refunds read at once.
const BATCH_MAX: i64 = 256;
/// Refunds asked for at the same time.
const IN_FLIGHT_MAX: usize = 32;

/// Runs until `shutdown` turns true. Wakes when `due` says so, and every `retry_every`.
pub async fn run(
    db: Db,
    wallet: Arc<dyn Wallet>,
    due: Arc<Notify>,
    retry_every: Duration,
    mut shutdown: watch::Receiver<bool>,
) {
    while !*shutdown.borrow() {
        match send_all(&db, &*wallet).await {
            Ok(Sent::SomeAnswered) => continue, // There may be more.
            Ok(Sent::NoneAnswered) => {}
            Err(error) => tracing::warn!(%error, "refunds that are due could not be read; they wait"),
        }
        tokio::select! {
            _ = shutdown.changed() => break,
            () = due.notified() => {}
            () = tokio::time::sleep(retry_every) => {}
        }
    }
}

enum Sent {
    SomeAnswered,
    NoneAnswered,
}

async fn send_all(db: &Db, wallet: &dyn Wallet) -> Result<Sent, sqlx::Error> {
    let due = refunds::list_unanswered(db, BATCH_MAX).await?;
    let answers: Vec<Option<(OrderId, Outcome)>> = futures::stream::iter(due)
        .map(|one| send_one(wallet, one))
        .buffer_unordered(IN_FLIGHT_MAX)
        .collect()
        .await;
    let answers: Vec<(OrderId, Outcome)> = answers.into_iter().flatten().collect();
    if answers.is_empty() {
        return Ok(Sent::NoneAnswered);
    }
    refunds::save_answers(db, &answers).await?;
    Ok(Sent::SomeAnswered)
}

async fn send_one(wallet: &dyn Wallet, due: RefundDue) -> Option<(OrderId, Outcome)> {
    let command = refund_command(due.order_id, due.viewer_id);
    match wallet.submit(command).await {
        Ok(answer) => {
            let outcome = answer.outcome();
            if outcome != Outcome::Accepted {
                let (order_id, slug) = (due.order_id, outcome.slug());
                tracing::error!(%order_id, slug, "the wallet refused a refund that is due; a human must look");
                metrics::counter!("largesse_gift_refunds_refused_total").increment(1);
            }
            Some((due.order_id, outcome))
        }
        Err(error) => {
            tracing::debug!(order_id = %due.order_id, %error, "a refund was not answered and will be sent again");
            None
        }
    }
}
