//! The catalogue: `/v1/gifts`.

use super::State as Shared;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use contracts::catalogue::Gift;
use edge::{Json, Problem, Sre};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The version a change of the catalogue made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Saved {
    pub version: i64,
}

/// The catalogue, with the odds of every blind box.
#[utoipa::path(get, path = "/v1/gifts", tag = "gift",
    responses((status = 200, body = crate::app::shelf::Catalogue)))]
pub(super) async fn list_gifts(State(state): State<Arc<Shared>>) -> Response {
    json_of(state.shelf.view().value.gifts_json.clone())
}

/// Creates or replaces a gift.
#[utoipa::path(post, path = "/v1/gifts", tag = "gift", request_body = Gift,
    responses((status = 200, body = Saved), (status = 422, body = edge::ProblemDocument)))]
pub(super) async fn save_gift(
    State(state): State<Arc<Shared>>,
    _sre: Sre,
    Json(gift): Json<Gift>,
) -> Result<Json<Saved>, Problem> {
    let version = state.shelf.save_gift(gift).await?;
    Ok(Json(Saved { version }))
}

pub(super) fn json_of(body: bytes::Bytes) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}
