//! What the logs' own rows say of a break's order: whose it is, and what an action may do about it.

use super::desk_error::DeskError;
use super::sources::Sources;
use crate::domain::action::{Action, ActionKind};
use crate::domain::break_kind::BreakKind;
use crate::store::breaks::BreakView;
use contracts::log::{LogRow, Seq};
use contracts::order::{Order, OrderKind};
use ids::{Partition, ViewerId};
use seqlog::{LogSource, PullError};

/// The seq that a break's evidence names on a side (`before` or `after`).
pub fn seq_of(found: &BreakView, side: &str) -> Option<Seq> {
    found.evidence.get(side)?.get("seq")?.as_i64()
}

/// One row of a log; `None` where it is not there.
///
/// # Errors
/// [`PullError`]: the log is away.
pub async fn find_row<R: LogRow>(
    source: &dyn LogSource<R>,
    partition: Partition,
    seq: Seq,
) -> Result<Option<R>, PullError> {
    let page = source.read_after(partition, seq - 1, 1).await?;
    Ok(page.rows.into_iter().find(|row| row.stamp().seq == seq))
}

/// Whose coins a refund of the break's order gives back.
///
/// # Errors
/// [`DeskError::OrderDiffers`] where a refund would contradict what the order's row says.
pub async fn refund_owner(sources: &Sources, found: &BreakView) -> Result<ViewerId, DeskError> {
    let row: Option<Order> = match seq_of(found, "after") {
        Some(seq) => find_row(&*sources.orders, found.partition, seq).await?,
        None => None,
    };
    let row = row.filter(|row| Some(row.order_id) == found.order_id);
    let row = row.ok_or(DeskError::OrderDiffers("its row is not there"))?;
    match row.kind {
        OrderKind::ReturnedUndelivered => Ok(row.viewer_id),
        // Settlement has reversed it: another refund would be reversed twice, and stop its reader.
        OrderKind::RefundedDelivered | OrderKind::Delivered | OrderKind::Refunding => {
            Err(DeskError::OrderDiffers("it was delivered, and settlement has its refund already"))
        }
    }
}

/// Which row of `gift.orders` settlement is to make an item of.
///
/// # Errors
/// [`DeskError::OrderDiffers`] where the break's evidence names no such row.
pub async fn resettle_seq(sources: &Sources, found: &BreakView) -> Result<Seq, DeskError> {
    let differs = DeskError::OrderDiffers("its row is not there");
    let Some(seq) = seq_of(found, "before") else { return Err(differs) };
    let row = find_row(&*sources.orders, found.partition, seq).await?;
    match row.filter(|row| Some(row.order_id) == found.order_id).map(|row| row.kind) {
        Some(OrderKind::Delivered | OrderKind::RefundedDelivered) => Ok(seq),
        Some(OrderKind::Refunding | OrderKind::ReturnedUndelivered) => {
            Err(DeskError::OrderDiffers("it was not delivered, so it has no item"))
        }
        None => Err(differs),
    }
}

/// The action by which a rule heals a break; `None` where the rows do not allow it, which a person must look at.
///
/// # Errors
/// [`DeskError`]: a log is away.
pub async fn healing_action(
    sources: &Sources,
    found: &BreakView,
    kind: ActionKind,
) -> Result<Option<Action>, DeskError> {
    match (kind, found.kind, found.order_id) {
        (ActionKind::RefundOrder, BreakKind::ExtraReturn, Some(order_id)) => {
            match refund_owner(sources, found).await {
                Ok(viewer_id) => Ok(Some(Action::RefundOrder { order_id, viewer_id: Some(viewer_id) })),
                Err(DeskError::OrderDiffers(_)) => Ok(None),
                Err(error) => Err(error),
            }
        }
        (ActionKind::GrantCoins, BreakKind::MissingOrder, Some(order_id)) => {
            let Some(seq) = seq_of(found, "before") else { return Ok(None) };
            let entry = find_row(&*sources.entries, found.partition, seq).await?;
            let entry =
                entry.filter(|entry| entry.is_accepted() && entry.request_id == order_id.debit_request());
            let Some(entry) = entry else { return Ok(None) };
            let funds = entry.spent();
            let coins = funds.paid_coins.get().saturating_add(funds.promo_coins.get());
            let is_whole = coins == found.coins && coins > 0;
            Ok(is_whole.then_some(Action::GrantCoins { viewer_id: entry.account_id, funds }))
        }
        (ActionKind::Resettle, BreakKind::MissingItem | BreakKind::MissingReversal, Some(order_id)) => {
            match resettle_seq(sources, found).await {
                Ok(order_seq) => Ok(Some(Action::Resettle { order_id, order_seq: Some(order_seq) })),
                Err(DeskError::OrderDiffers(_)) => Ok(None),
                Err(error) => Err(error),
            }
        }
        (_, _, _) => Ok(None),
    }
}
