//! Internal routes: what other services ask of settlement, by their internal token. An answer that is a refusal is an
//! answer all the same.

use crate::app::Settlement;
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use contracts::item::Item;
use contracts::owner::{FindItems, FindRequest, OwnerError, Resettle, Resettled, paths};
use edge::{Internal, Json};
use std::sync::Arc;

pub(super) fn router() -> Router<Arc<Settlement>> {
    Router::new()
        .route(paths::ITEMS, post(find_items))
        .route(paths::RESETTLE, post(resettle))
        .route(paths::FIND_RESETTLED, post(find_resettled))
}

async fn find_items(
    State(settlement): State<Arc<Settlement>>,
    _peer: Internal,
    Json(FindItems { orders }): Json<FindItems>,
) -> Json<Result<Vec<Item>, OwnerError>> {
    Json(settlement.items_of(&orders).await)
}

async fn resettle(
    State(settlement): State<Arc<Settlement>>,
    _peer: Internal,
    Json(ask): Json<Resettle>,
) -> Json<Result<Resettled, OwnerError>> {
    Json(settlement.resettle(ask).await)
}

async fn find_resettled(
    State(settlement): State<Arc<Settlement>>,
    _peer: Internal,
    Json(FindRequest { request_id }): Json<FindRequest>,
) -> Json<Result<Option<Resettled>, OwnerError>> {
    Json(settlement.find_resettled(request_id).await)
}
