//! Rooms and their ranks: `/v1/rooms`.

use super::State as Shared;
use super::gifts::json_of;
use crate::app::ranks::RanksView;
use crate::app::send_gift::SendError;
use axum::extract::State;
use axum::response::Response;
use contracts::catalogue::Room;
use edge::{Json, Path, Problem, Sre};
use ids::RoomId;
use std::sync::Arc;

/// Every room.
#[utoipa::path(get, path = "/v1/rooms", tag = "gift",
    responses((status = 200, body = crate::app::shelf::Rooms)))]
pub(super) async fn list_rooms(State(state): State<Arc<Shared>>) -> Response {
    json_of(state.shelf.view().value.rooms_json.clone())
}

/// Creates or changes a room; a closed room takes no gifts.
#[utoipa::path(post, path = "/v1/rooms", tag = "gift", request_body = Room,
    responses((status = 200, body = Room), (status = 422, body = edge::ProblemDocument)))]
pub(super) async fn save_room(
    State(state): State<Arc<Shared>>,
    _sre: Sre,
    Json(room): Json<Room>,
) -> Result<Json<Room>, Problem> {
    state.shelf.save_room(room.clone()).await?;
    Ok(Json(room))
}

/// One room.
#[utoipa::path(get, path = "/v1/rooms/{room_id}", tag = "gift", params(("room_id" = RoomId, Path)),
    responses((status = 200, body = Room), (status = 404, body = edge::ProblemDocument)))]
pub(super) async fn get_room(
    State(state): State<Arc<Shared>>,
    Path(room_id): Path<RoomId>,
) -> Result<Json<Arc<Room>>, Problem> {
    Ok(Json(room_of(&state, room_id)?))
}

/// Who sent most in a room on the accounting day so far, refunds taken off, and how many gifts it was given.
#[utoipa::path(get, path = "/v1/rooms/{room_id}/ranks", tag = "gift", params(("room_id" = RoomId, Path)),
    responses((status = 200, body = RanksView), (status = 404, body = edge::ProblemDocument)))]
pub(super) async fn list_ranks(
    State(state): State<Arc<Shared>>,
    Path(room_id): Path<RoomId>,
) -> Result<Json<RanksView>, Problem> {
    room_of(&state, room_id)?;
    Ok(Json(state.ranks.list(room_id).await))
}

pub(super) fn room_of(state: &Shared, room_id: RoomId) -> Result<Arc<Room>, Problem> {
    let view = state.shelf.view();
    let missing = || super::send_problem(&SendError::NoSuchRoom(room_id));
    view.value.rooms.get(&room_id).cloned().ok_or_else(missing)
}
