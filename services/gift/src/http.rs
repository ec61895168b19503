//! Handlers: the only place that knows status codes.

mod events;
mod gift_orders;
mod gifts;
pub mod internal;
mod openapi;
pub mod quotas;
pub mod refund_cases;
mod rooms;
mod switches;

use crate::app::find_order::FindOrderError;
use crate::app::ranks::Ranks;
use crate::app::send_gift::{SendError, Sender};
use crate::app::shelf::Shelf;
use crate::app::stage::Stage;
use crate::app::switches::Switches;
use axum::Router;
use axum::routing::{delete, get, post};
use contracts::wallet::Wallet;
use edge::Problem;
use pg::Db;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

pub use openapi::openapi;

/// What handlers share.
pub(crate) struct State {
    pub db: Db,
    pub wallet: Arc<dyn Wallet>,
    pub shelf: Arc<Shelf>,
    pub switches: Arc<Switches>,
    pub sender: Sender,
    pub stage: Arc<Stage>,
    pub ranks: Arc<Ranks>,
    pub heartbeat: Duration,
    /// Open event streams end when this turns true, so that a server can stop.
    pub shutdown: watch::Receiver<bool>,
}

/// Every route of gift.
pub(crate) fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/v1/gifts", get(gifts::list_gifts).post(gifts::save_gift))
        .route("/v1/rooms", get(rooms::list_rooms).post(rooms::save_room))
        .route("/v1/rooms/{room_id}", get(rooms::get_room))
        .route("/v1/rooms/{room_id}/ranks", get(rooms::list_ranks))
        .route("/v1/rooms/{room_id}/events", get(events::stream_events))
        .route("/v1/switches", get(switches::list_switches).post(switches::set_switch))
        .route("/v1/switches/{name}", delete(switches::clear_switch))
        .route("/v1/gift-orders", post(gift_orders::send_gift).get(gift_orders::find_by_key))
        .route("/v1/gift-orders/{order_id}", get(gift_orders::get_order))
        .route("/v1/gift-orders/{order_id}/refunds", post(gift_orders::refund_order))
        .with_state(state)
}

/// A refused send also says which order it was and what the account holds, first time and every time.
fn send_problem(error: &SendError) -> Problem {
    if let SendError::OverQuota(refusal) = error {
        return Problem::refused(refusal);
    }
    let problem = Problem::of(error);
    match error {
        SendError::Refused { order_id, available, .. } => problem
            .with("order_id", order_id.to_string())
            .with("available", serde_json::to_value(available).unwrap_or_default()),
        SendError::Check(crate::domain::check::CheckError::BadQuantity) => problem.with("field", "quantity"),
        SendError::NoSuchGift(_) => problem.with("field", "gift_id"),
        SendError::NoSuchRoom(_) => problem.with("field", "room_id"),
        _ => problem,
    }
}

fn find_problem(error: FindOrderError) -> Problem {
    Problem::of(&error)
}
