//! What became of an order: from the orders table, then from the wallet's entry.

use crate::store::{orders, pending};
use contracts::class::{Classed, ErrorClass};
use contracts::entry::{Combo, Entry, Outcome, Reveal};
use contracts::order::{Order, OrderKind};
use contracts::wallet::{Wallet, WalletError};
use ids::{OrderId, RoomId, ViewerId};
use money::Coins;
use pg::Db;
use serde::Serialize;
use utoipa::ToSchema;

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// Paid, and not decided yet: it ends delivered or refunded.
    Accepted,
    Delivered,
    /// It was not shown: the coins are on their way back.
    Refunding,
    /// Every coin of it came back. A delivered order of which less came back is still delivered.
    Refunded,
    /// Nothing was charged; `outcome` says why.
    Refused,
}

/// One order as its viewer, or finance, sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct OrderView {
    pub order_id: OrderId,
    pub state: OrderState,
    pub outcome: &'static str,
    pub viewer_id: ViewerId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room_id: Option<RoomId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gift_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity: Option<u32>,
    pub charge_coins: Coins,
    pub paid_coins: Coins,
    pub promo_coins: Coins,
    /// What came back so far, of both funds.
    pub refunded_coins: Coins,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub combo: Option<Combo>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reveals: Vec<Reveal>,
    /// When the row that says so was decided.
    pub decided_at: chrono::DateTime<chrono::Utc>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum FindOrderError {
    #[error("there is no such order; nothing was charged under this key")]
    NoSuchOrder,
    #[error("the wallet did not answer")]
    Wallet(#[from] WalletError),
    #[error("the database failed")]
    Db(#[from] sqlx::Error),
}

impl Classed for FindOrderError {
    fn class(&self) -> ErrorClass {
        match self {
            FindOrderError::NoSuchOrder => ErrorClass::NotFound,
            FindOrderError::Wallet(error) => error.class(),
            FindOrderError::Db(_) => ErrorClass::Transient,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            FindOrderError::NoSuchOrder => "no-such-order",
            FindOrderError::Wallet(error) => error.slug(),
            FindOrderError::Db(_) => "database-unavailable",
        }
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// A viewer sees their own orders; another's does not exist for them.
    Viewer(ViewerId),
    Finance,
}

/// Finds an order. A viewer's order that the wallet has not decided yet is no order: nothing was charged.
///
/// # Errors
/// [`FindOrderError`].
pub async fn find_order(
    db: &Db,
    wallet: &dyn Wallet,
    asker: Asker,
    order_id: OrderId,
) -> Result<OrderView, FindOrderError> {
    let rows = orders::list_of_order(db, order_id).await?;
    let (viewer_id, entry) = match (rows.first(), asker) {
        (Some(row), Asker::Viewer(viewer_id)) if row.viewer_id != viewer_id => {
            return Err(FindOrderError::NoSuchOrder);
        }
        (Some(row), Asker::Viewer(_) | Asker::Finance) => {
            // The entry only adds what the row leaves out: an order is told even while the wallet is away.
            let found = wallet.find_entry(row.viewer_id, order_id.debit_request()).await;
            (row.viewer_id, found.unwrap_or_default())
        }
        (None, Asker::Viewer(viewer_id)) => {
            (viewer_id, wallet.find_entry(viewer_id, order_id.debit_request()).await?)
        }
        (None, Asker::Finance) => {
            let entry = pending::find_debit(db, order_id).await?.ok_or(FindOrderError::NoSuchOrder)?;
            (entry.account_id, Some(entry))
        }
    };
    view_of(order_id, viewer_id, &rows, entry).ok_or(FindOrderError::NoSuchOrder)
}

/// Who an order belongs to, whether or not it has ended.
///
/// # Errors
/// [`FindOrderError`].
pub async fn find_owner(db: &Db, order_id: OrderId) -> Result<ViewerId, FindOrderError> {
    if let Some(row) = orders::list_of_order(db, order_id).await?.first() {
        return Ok(row.viewer_id);
    }
    let entry = pending::find_debit(db, order_id).await?.ok_or(FindOrderError::NoSuchOrder)?;
    Ok(entry.account_id)
}

/// `rows` are those of the order, oldest first.
fn view_of(
    order_id: OrderId,
    viewer_id: ViewerId,
    rows: &[Order],
    entry: Option<Entry>,
) -> Option<OrderView> {
    let send = entry.as_ref().and_then(|entry| entry.send.clone());
    let (combo, reveals) = send.as_ref().map(|send| (send.combo, send.reveals.clone())).unwrap_or_default();
    if let [first, back @ ..] = rows {
        let charge_coins = coins_of(first)?;
        let refunded_coins =
            back.iter().try_fold(Coins::ZERO, |sum, row| sum.checked_add(coins_of(row)?).ok())?;
        let state = match first.kind {
            _ if !back.is_empty() && refunded_coins == charge_coins => OrderState::Refunded,
            OrderKind::Delivered => OrderState::Delivered,
            OrderKind::Refunding => OrderState::Refunding,
            OrderKind::ReturnedUndelivered | OrderKind::RefundedDelivered => OrderState::Refunded,
        };
        return Some(OrderView {
            order_id,
            state,
            outcome: Outcome::Accepted.slug(),
            viewer_id,
            room_id: Some(first.room_id),
            gift_id: Some(first.gift_id),
            quantity: Some(first.quantity),
            charge_coins,
            paid_coins: first.paid_coins,
            promo_coins: first.promo_coins,
            refunded_coins,
            combo,
            reveals,
            decided_at: rows.last()?.stamp.decided_at,
        });
    }
    let entry = entry?;
    let spent = entry.spent();
    let state = if entry.is_accepted() { OrderState::Accepted } else { OrderState::Refused };
    Some(OrderView {
        order_id,
        state,
        outcome: entry.outcome.slug(),
        viewer_id,
        room_id: send.as_ref().map(|send| send.room_id),
        gift_id: send.as_ref().map(|send| send.gift_id),
        quantity: send.as_ref().map(|send| send.quantity),
        charge_coins: spent.paid_coins.checked_add(spent.promo_coins).ok()?,
        paid_coins: spent.paid_coins,
        promo_coins: spent.promo_coins,
        refunded_coins: Coins::ZERO,
        combo: entry.is_accepted().then_some(combo).flatten(),
        reveals: if entry.is_accepted() { reveals } else { Vec::new() },
        decided_at: entry.stamp.decided_at,
    })
}

fn coins_of(row: &Order) -> Option<Coins> {
    row.paid_coins.checked_add(row.promo_coins).ok()
}
