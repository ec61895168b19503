//! The ceiling of gifts over HTTP: an echo that answers when a gift's entry is durable, and inserts its order behind.
//!
//! Nothing else is done: no token, no shelf, no balance, no heads, nothing shown, nothing published. What waits for a
//! lane goes in as one statement, as in the wallet; orders follow in bulk, as gift's keeper writes them.

use super::echo::{Echo, PATH};
use super::lanes::{Lanes, ROWS_MAX};
use super::load::Send;
use crate::failure::Failure;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use contracts::entry::Entry;
use contracts::lane::Lane;
use contracts::log::Stamp;
use contracts::order::{Order, OrderKind};
use ids::OrderId;
use pg::Db;
use seqlog::LogTable as _;
use sqlx::PgPool;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Batches whose orders wait to be written at most.
const BEHIND_MAX: usize = 1_024;
/// How long orders gather: as long as gift's keeper lets them.
const ORDERS_GATHER: Duration = Duration::from_millis(25);

/// Starts the echo on migrated tables, with so many lanes, a connection each.
///
/// # Errors
/// [`Failure::Listen`].
pub async fn start(pool: &PgPool, lane_count: usize) -> Result<Echo, Failure> {
    let behind = orders_behind(pool);
    let lanes = Arc::new(Lanes::start(pool, lane_count, Some(&behind)));
    Echo::serve(axum::Router::new().route(PATH, post(send)).with_state(lanes)).await
}

async fn send(
    State(lanes): State<Arc<Lanes>>,
    axum::Json(send): axum::Json<Send>,
) -> Result<axum::Json<Send>, StatusCode> {
    if lanes.insert().await { Ok(axum::Json(send)) } else { Err(StatusCode::SERVICE_UNAVAILABLE) }
}

/// Where entries go whose orders are to be inserted.
pub fn orders_behind(pool: &PgPool) -> mpsc::Sender<Vec<Entry>> {
    let (behind, orders) = mpsc::channel(BEHIND_MAX);
    tokio::spawn(write_orders(Db::new(pool.clone(), "gift", &Lane::Live), orders));
    behind
}

async fn write_orders(db: Db, mut queue: mpsc::Receiver<Vec<Entry>>) -> Result<(), sqlx::Error> {
    let mut batches = Vec::new();
    while queue.recv_many(&mut batches, BEHIND_MAX).await > 0 {
        let orders: Vec<Order> = batches.drain(..).flatten().filter_map(order_of).collect();
        for some in orders.chunks(ROWS_MAX) {
            gift::OrdersTable.insert(&db, some)?.execute(db.pool()).await?;
        }
        tokio::time::sleep(ORDERS_GATHER).await;
    }
    Ok(())
}

fn order_of(entry: Entry) -> Option<Order> {
    let send = entry.send?;
    let seq = entry.stamp.seq;
    Some(Order {
        stamp: Stamp { seq, ..Stamp::derived(&entry.stamp, entry.stamp.decided_at) },
        order_id: OrderId::from_uuid(entry.request_id.uuid()),
        kind: OrderKind::Delivered,
        viewer_id: entry.account_id,
        room_id: send.room_id,
        streamer_id: send.streamer_id,
        gift_id: send.gift_id,
        quantity: send.quantity,
        paid_coins: send.unit_price_coins,
        promo_coins: money::Coins::ZERO,
    })
}
