//! Internal routes: the wallet for other processes of the same system. Viewers never reach them.

pub mod public;

use crate::handle::WalletHandle;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use contracts::class::{Classed, ErrorClass};
use contracts::log::Seq;
use contracts::wallet::{Answer, COMMANDS_MAX, Command, Wallet, WalletError};
use ids::{RequestId, ViewerId};
use serde::{Deserialize, Serialize};

/// The largest body of one request: 512 commands with every list at its longest fit.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Commands for this node's shards.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commands {
    pub commands: Vec<Command>,
}

/// One answer per command, in their order.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answers {
    pub answers: Vec<Result<Answer, WalletError>>,
}

/// Which page of an account's entries.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PageOf {
    before_seq: Option<Seq>,
    limit: Option<u16>,
}

pub(crate) fn router(wallet: WalletHandle) -> Router {
    Router::new()
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

async fn submit(
    State(wallet): State<WalletHandle>,
    Json(body): Json<Commands>,
) -> Result<Json<Answers>, Failed> {
    if body.commands.len() > COMMANDS_MAX {
        return Err(Failed(WalletError::BadCommand(format!("more than {COMMANDS_MAX} commands"))));
    }
    Ok(Json(Answers { answers: wallet.submit_all(body.commands).await }))
}

async fn account(State(wallet): State<WalletHandle>, Path(account_id): Path<ViewerId>) -> Response {
    match wallet.account(account_id).await {
        Ok(view) => Json(view).into_response(),
        Err(error) => Failed(error).into_response(),
    }
}

async fn find_entry(
    State(wallet): State<WalletHandle>,
    Path((account_id, request_id)): Path<(ViewerId, RequestId)>,
) -> Response {
    match wallet.find_entry(account_id, request_id).await {
        Ok(Some(entry)) => Json(entry).into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => Failed(error).into_response(),
    }
}

async fn list_entries(
    State(wallet): State<WalletHandle>,
    Path(account_id): Path<ViewerId>,
    Query(page): Query<PageOf>,
) -> Response {
    match wallet.list_entries(account_id, page.before_seq, page.limit.unwrap_or(50)).await {
        Ok(entries) => Json(entries).into_response(),
        Err(error) => Failed(error).into_response(),
    }
}
