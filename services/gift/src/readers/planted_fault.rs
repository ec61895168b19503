//! A fault that a test of reconciliation plants: orders of one gift are written a coin too high, so that a running
//! system has a wrong row that a service itself appended. Builds that people run have none of this.

use contracts::order::{Order, OrderKind};
use money::Coins;
use std::sync::LazyLock;

/// Names the gift.
const VARIABLE: &str = "FAULT_GIFT_ORDER_A_COIN_HIGH";

static GIFT: LazyLock<Option<String>> = LazyLock::new(|| std::env::var(VARIABLE).ok());

/// The rows, wrong where they are to be.
pub(super) fn planted(mut rows: Vec<Order>) -> Vec<Order> {
    let Some(gift) = &*GIFT else { return rows };
    let one = Coins::try_new(1).unwrap_or_default();
    for row in
        rows.iter_mut().filter(|row| row.kind == OrderKind::Delivered && row.gift_id.to_string() == *gift)
    {
        if let Ok(coins) = row.paid_coins.checked_add(one) {
            row.paid_coins = coins;
            tracing::error!(order_id = %row.order_id, "a fault was planted: this order's row is a coin too high");
        }
    }
    rows
}
