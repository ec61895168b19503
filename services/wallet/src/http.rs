//! Internal routes: the wallet for other processes of the same system, by their internal token. Viewers never
//! reach them.

pub mod public;

use crate::handle::WalletHandle;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use contracts::class::{Classed, ErrorClass};
use contracts::log::{Held, Seq};
use contracts::wallet::{Answers, COMMANDS_MAX, Commands, Wallet, WalletError};
use edge::Internal;
use ids::{RequestId, ViewerId};
use serde::Deserialize;

/// The largest body of one request: 512 commands with every list at its longest fit.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Which page of an account's entries.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PageOf {
    before_seq: Option<Seq>,
    limit: Option<u16>,
}

pub(crate) fn router(wallet: WalletHandle) -> Router {
    Router::new()
        .route("/internal/wallet/shards", get(shards))
        .route("/internal/wallet/commands", post(submit))
        .route("/internal/wallet/accounts/{account_id}", get(account))
        .route("/internal/wallet/accounts/{account_id}/entries", get(list_entries))
        .route("/internal/wallet/accounts/{account_id}/entries/{request_id}", get(find_entry))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(wallet)
}

/// A wallet error as another process reads it back.
struct Failed(WalletError);

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let status = match self.0.class() {
            ErrorClass::Rejected => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorClass::Denied => StatusCode::FORBIDDEN,
            ErrorClass::NotFound => StatusCode::NOT_FOUND,
            ErrorClass::Conflict => StatusCode::CONFLICT,
            ErrorClass::Transient | ErrorClass::Unknown => StatusCode::SERVICE_UNAVAILABLE,
            ErrorClass::Bug => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, Json(self.0)).into_response()
    }
}

/// What this node holds, from memory.
async fn shards(_peer: Internal, State(wallet): State<WalletHandle>) -> Json<Held> {
    Json(Held { held: wallet.held() })
}

async fn submit(
    _peer: Internal,
    State(wallet): State<WalletHandle>,
    Json(body): Json<Commands>,
) -> Result<Json<Answers>, Failed> {
    if body.commands.len() > COMMANDS_MAX {
        return Err(Failed(WalletError::BadCommand(format!("more than {COMMANDS_MAX} commands"))));
    }
    Ok(Json(Answers { answers: wallet.submit_all(body.commands).await }))
}

async fn account(
    _peer: Internal,
    State(wallet): State<WalletHandle>,
    Path(account_id): Path<ViewerId>,
) -> Response {
    match wallet.account(account_id).await {
        Ok(view) => Json(view).into_response(),
        Err(error) => Failed(error).into_response(),
    }
}

async fn find_entry(
    _peer: Internal,
    State(wallet): State<WalletHandle>,
    Path((account_id, request_id)): Path<(ViewerId, RequestId)>,
) -> Response {
    match wallet.find_entry(account_id, request_id).await {
        // No entry is an answer: `null`. 404 would also mean that this address does not exist.
        Ok(found) => Json(found).into_response(),
        Err(error) => Failed(error).into_response(),
    }
}

async fn list_entries(
    _peer: Internal,
    State(wallet): State<WalletHandle>,
    Path(account_id): Path<ViewerId>,
    Query(page): Query<PageOf>,
) -> Response {
    match wallet.list_entries(account_id, page.before_seq, page.limit.unwrap_or(50)).await {
        Ok(entries) => Json(entries).into_response(),
        Err(error) => Failed(error).into_response(),
    }
}
