//! What other services ask of settlement: the items of some orders, and an item that is missing to be made.

use crate::app::Settlement;
use crate::store::items::list_of_orders;
use crate::store::resettlements::{self, Resettlement};
use contracts::item::Item;
use contracts::order::{Order, OrderKind};
use contracts::owner::{OwnerError, Resettle, Resettled, Resettles, SHARE_ORDERS_MAX, TellsShares};
use ids::{OrderId, RequestId, Uuid};
use std::sync::Arc;
use std::time::Duration;

/// How long a command waits for the partition's writer before its outcome counts as unknown.
const WAIT_MAX: Duration = Duration::from_millis(1_500);
/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Settlement as other services ask it.
#[derive(Clone)]
pub struct Owner(pub(crate) Arc<Settlement>);

fn away(error: impl std::fmt::Display) -> OwnerError {
    OwnerError::NoAnswer(error.to_string())
}

fn refused(slug: &str, detail: impl Into<String>) -> OwnerError {
    OwnerError::Refused { slug: slug.to_owned(), detail: detail.into() }
}

impl Settlement {
    pub(crate) async fn items_of(&self, orders: &[OrderId]) -> Result<Vec<Item>, OwnerError> {
        if orders.len() > SHARE_ORDERS_MAX {
            return Err(refused("too-many-orders", format!("at most {SHARE_ORDERS_MAX} orders at once")));
        }
        let ids: Vec<Uuid> = orders.iter().map(|order| order.uuid()).collect();
        list_of_orders(&self.db, &ids).await.map_err(away)
    }

    /// Has an item made, once per id; waits a moment for the partition's writer to do it.
    pub(crate) async fn resettle(&self, ask: Resettle) -> Result<Resettled, OwnerError> {
        if resettlements::find(&self.db, ask.request_id).await.map_err(away)?.is_none() {
            let order = self.order_row(ask).await?;
            resettlements::insert_if_new(&self.db, ask.request_id, &order).await.map_err(away)?;
        }
        let began = tokio::time::Instant::now();
        loop {
            let found = resettlements::find(&self.db, ask.request_id).await.map_err(away)?;
            let (known, done) = match found {
                Some(Resettlement::Done(done)) => {
                    (Resettle { order_id: done.order_id, ..ask }, Some(Ok(done)))
                }
                Some(Resettlement::Refused(known, why)) => (known, Some(Err(refused("not-resettled", why)))),
                Some(Resettlement::Due(known)) => (known, None),
                None => return Err(away("it is not known yet")),
            };
            if known != ask {
                return Err(refused("request-reused", "this id came before with another order"));
            }
            match done {
                Some(done) => return done,
                None if began.elapsed() >= WAIT_MAX => {
                    return Err(away("the partition's writer has not done it yet"));
                }
                None => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    pub(crate) async fn find_resettled(
        &self,
        request_id: RequestId,
    ) -> Result<Option<Resettled>, OwnerError> {
        match resettlements::find(&self.db, request_id).await.map_err(away)? {
            Some(Resettlement::Done(done)) => Ok(Some(done)),
            Some(Resettlement::Due(_) | Resettlement::Refused(_, _)) | None => Ok(None),
        }
    }

    /// The order's row, read from its own log: nobody is believed about what was delivered.
    async fn order_row(&self, ask: Resettle) -> Result<Order, OwnerError> {
        let partition = ask.order_id.partition();
        let page =
            self.orders.read_after(partition, ask.order_seq.saturating_sub(1), 1).await.map_err(away)?;
        let row = page.rows.into_iter().find(|row| row.stamp.seq == ask.order_seq);
        let row = row.filter(|row| row.order_id == ask.order_id);
        let row = row.ok_or_else(|| refused("no-such-order", "gift's log has no such row of this order"))?;
        match row.kind {
            OrderKind::Delivered | OrderKind::RefundedDelivered => Ok(row),
            OrderKind::Refunding | OrderKind::ReturnedUndelivered => {
                Err(refused("not-delivered", "an order that was not delivered has no item"))
            }
        }
    }
}

#[async_trait::async_trait]
impl TellsShares for Owner {
    async fn items_of(&self, orders: Vec<OrderId>) -> Result<Vec<Item>, OwnerError> {
        self.0.items_of(&orders).await
    }
}

#[async_trait::async_trait]
impl Resettles for Owner {
    async fn resettle(&self, ask: Resettle) -> Result<Resettled, OwnerError> {
        self.0.resettle(ask).await
    }

    async fn find_resettled(&self, request_id: RequestId) -> Result<Option<Resettled>, OwnerError> {
        self.0.find_resettled(request_id).await
    }
}
