//! Settlement's routes, all for finance. Turns requests into acts and their answers into JSON or CSV, and nothing else.

mod contracts;
mod files;
mod internal;
mod payouts;
mod statements;
mod withholding;

use crate::app::Settlement;
use crate::app::tell::UNEXPLAINED;
use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use utoipa::OpenApi;

pub(crate) fn router(settlement: Arc<Settlement>) -> Router {
    let served = trail::Served { db: settlement.db.clone(), name: "payouts", unexplained: UNEXPLAINED };
    Router::new()
        .merge(contracts::router())
        .merge(statements::router())
        .merge(files::router())
        .merge(payouts::router())
        .merge(withholding::router())
        .merge(internal::router())
        .with_state(settlement)
        .merge(trail::routes(served))
}

/// What `/openapi.json` says of settlement.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = contracts::Api::openapi();
    document.merge(statements::Api::openapi());
    document.merge(payouts::Api::openapi());
    document.merge(withholding::Api::openapi());
    document.merge(files::Api::openapi());
    document.merge(trail::openapi());
    document
}

/// A file, with the cursor of its next page where it has one.
fn csv(text: String, next: Option<String>) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    if let Some(next) = next.and_then(|next| HeaderValue::from_str(&next).ok()) {
        headers.insert(NEXT_HEADER, next);
    }
    response
}

/// Where an answer that is a file says what to ask next.
const NEXT_HEADER: &str = "largesse-next";
