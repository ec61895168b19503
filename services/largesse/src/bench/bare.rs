//! The ceiling of gifts over HTTP: an echo that answers when a gift's entry is durable, and inserts its order behind.
//!
//! Nothing else is done: no token, no shelf, no balance, no heads, nothing shown, nothing published. What waits for a
//! lane goes in as one statement, as in the wallet; orders follow in bulk, as gift's keeper writes them.

use super::echo::{Echo, PATH};
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
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use wallet::bench::BareRows;

/// Rows of one statement at most.
const ROWS_MAX: usize = 500;
/// Requests that wait for a lane at most: more than there are connections.
const WAITING_MAX: usize = 4_096;
/// Batches whose orders wait to be written at most.
const BEHIND_MAX: usize = 1_024;
/// How long orders gather: as long as gift's keeper lets them.
const ORDERS_GATHER: Duration = Duration::from_millis(25);

type Waiting = oneshot::Sender<()>;

/// What requests share: the lanes, and whose turn it is.
struct Lanes {
    lanes: Vec<mpsc::Sender<Waiting>>,
    turn: AtomicUsize,
}

/// Starts the echo on migrated tables, with so many lanes, a connection each.
///
/// # Errors
/// [`Failure::Listen`].
pub async fn start(pool: &PgPool, lane_count: usize) -> Result<Echo, Failure> {
    let (behind, orders) = mpsc::channel(BEHIND_MAX);
    tokio::spawn(write_orders(Db::new(pool.clone(), "gift", &Lane::Live), orders));
    let lane = |nth| {
        let (lane, waiting) = mpsc::channel(WAITING_MAX);
        let db = Db::new(pool.clone(), "wallet", &Lane::Live);
        tokio::spawn(write_entries(db, BareRows::new(nth, lane_count), waiting, behind.clone()));
        lane
    };
    let lanes = Lanes { lanes: (0..lane_count.max(1)).map(lane).collect(), turn: AtomicUsize::new(0) };
    Echo::serve(axum::Router::new().route(PATH, post(send)).with_state(Arc::new(lanes))).await
}

async fn send(
    State(lanes): State<Arc<Lanes>>,
    axum::Json(send): axum::Json<Send>,
) -> Result<axum::Json<Send>, StatusCode> {
    let turn = lanes.turn.fetch_add(1, Ordering::Relaxed) % lanes.lanes.len();
    let (durable, waiting) = oneshot::channel();
    lanes.lanes[turn].send(durable).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    waiting.await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(axum::Json(send))
}

/// A lane: whoever waits goes into one statement.
async fn write_entries(
    db: Db,
    mut rows: BareRows,
    mut queue: mpsc::Receiver<Waiting>,
    behind: mpsc::Sender<Vec<Entry>>,
) -> Result<(), sqlx::Error> {
    let mut waiting = Vec::with_capacity(ROWS_MAX);
    while queue.recv_many(&mut waiting, ROWS_MAX).await > 0 {
        let entries = rows.next(waiting.len());
        wallet::EntriesTable.insert(&db, &entries)?.execute(db.pool()).await?;
        for durable in waiting.drain(..) {
            let _ = durable.send(()); // Who has gone needs no answer.
        }
        if behind.send(entries).await.is_err() {
            break;
        }
    }
    Ok(())
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
