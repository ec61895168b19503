//! Internal routes: what other services ask of clearing, by their internal token. A refusal is an answer all the same.

use crate::app::adjust::Owner;
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use chrono::NaiveDate;
use contracts::owner::{
    Adjust, Adjusted, Adjusts, BeforeDay, ClosedDay, FindRequest, OwnerError, SettleChannel, paths,
};
use edge::{Internal, Json};

pub(crate) fn router(owner: Owner) -> Router {
    Router::new()
        .route(paths::ADJUST, post(adjust))
        .route(paths::FIND_ADJUSTED, post(find_adjusted))
        .route(paths::SETTLE_CHANNEL, post(settle_channel))
        .route(paths::CLOSED_DAY, post(look_at_closed_day))
        .route(paths::CHANGED_BALANCES, post(list_changed_balances))
        .with_state(owner)
}

async fn adjust(
    State(owner): State<Owner>,
    _peer: Internal,
    Json(ask): Json<Adjust>,
) -> Json<Result<Adjusted, OwnerError>> {
    Json(owner.adjust(ask).await)
}

async fn find_adjusted(
    State(owner): State<Owner>,
    _peer: Internal,
    Json(FindRequest { request_id }): Json<FindRequest>,
) -> Json<Result<Option<Adjusted>, OwnerError>> {
    Json(owner.find_adjusted(request_id).await)
}

async fn settle_channel(
    State(owner): State<Owner>,
    _peer: Internal,
    Json(ask): Json<SettleChannel>,
) -> Json<Result<Adjusted, OwnerError>> {
    Json(owner.settle_channel(ask).await)
}

async fn look_at_closed_day(
    State(owner): State<Owner>,
    _peer: Internal,
    Json(BeforeDay { before }): Json<BeforeDay>,
) -> Json<Result<Option<ClosedDay>, OwnerError>> {
    Json(owner.look_at_closed_day(before).await)
}

async fn list_changed_balances(
    State(owner): State<Owner>,
    _peer: Internal,
    Json(BeforeDay { before }): Json<BeforeDay>,
) -> Json<Result<Vec<NaiveDate>, OwnerError>> {
    Json(owner.list_changed_balances(before).await)
}
