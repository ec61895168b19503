//! Tells rooms and ranks what became of orders, after their rows are committed. Weak: what is lost here can
//! be read from the orders themselves.

use crate::app::ranks::Ranks;
use crate::app::stage::{RoomEvent, Stage};
use bytes::Bytes;
use contracts::order::{Order, OrderKind};
use ids::RoomId;
use pg::Db;
use std::sync::Arc;
use tokio::sync::{Notify, mpsc};

/// Runs until the keeper is gone.
pub async fn run(
    mut told: mpsc::Receiver<Vec<Order>>,
    (stage, ranks): (Arc<Stage>, Arc<Ranks>),
    refunds_due: Arc<Notify>,
    db: Db,
) {
    while let Some(orders) = told.recv().await {
        if orders.iter().any(|order| order.kind == OrderKind::Refunding) {
            refunds_due.notify_one();
        }
        ranks.fold(&db, &orders).await;
        let event = |order: &Order| Some((order.room_id, RoomEvent::of_order(order)?.to_json()));
        let events: Vec<(RoomId, Bytes)> = orders.iter().filter_map(event).collect();
        if !events.is_empty() {
            for failed in stage.show(&events).await.into_iter().filter_map(Result::err) {
                tracing::debug!(error = %failed, "a room was not told of a refund; the order's state says it");
            }
        }
    }
}
