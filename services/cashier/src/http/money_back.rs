//! What viewers owe, for finance; and what other services ask of the cashier, by their internal token.

use crate::app::Cashier;
use crate::error::RechargeError;
use crate::store::returns::Receivable;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use contracts::owner::{AskRechargeRefunds, OwnerError, RechargeRefunds, paths};
use edge::{FinanceReader, Internal, Json, Problem, Query};
use ids::{Uuid, ViewerId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, OpenApi, ToSchema};

/// Receivables one page has at most.
const PAGE_MAX: u16 = 500;

pub(super) fn router() -> Router<Arc<Cashier>> {
    Router::new()
        .route("/v1/finance/receivables", get(list_receivables))
        .route(paths::RETURN_RECHARGES, post(return_recharges))
}

#[derive(OpenApi)]
#[openapi(paths(list_receivables), components(schemas(Receivables, Receivable)))]
pub(super) struct Api;

/// A page of what viewers owe.
#[derive(Debug, Serialize, ToSchema)]
struct Receivables {
    receivables: Vec<Receivable>,
    /// The last viewer of this page, where there may be more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<ViewerId>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ReceivablesQuery {
    /// Only viewers after this one: the `next` of the page before.
    after: Option<ViewerId>,
    /// 1 to 500; 100 where it is missing.
    limit: Option<u16>,
}

/// Coins that viewers had spent when their money was taken back: what each of them came to owe. How a debt ended, its
/// break of kind `viewer_owes` says.
#[utoipa::path(get, path = "/v1/finance/receivables", tag = "cashier", params(ReceivablesQuery),
    responses((status = 200, body = Receivables), (status = 422, description = "limit-out-of-range")))]
async fn list_receivables(
    State(cashier): State<Arc<Cashier>>,
    _: FinanceReader,
    Query(query): Query<ReceivablesQuery>,
) -> Result<Json<Receivables>, Problem> {
    let limit = edge::page_len(query.limit, 100, PAGE_MAX)?;
    let after = query.after.map_or(Uuid::nil(), ViewerId::uuid);
    let receivables = cashier.list_receivables(after, limit).await;
    let receivables = receivables.map_err(RechargeError::Unavailable)?;
    let next =
        receivables.last().filter(|_| receivables.len() == usize::from(limit)).map(|one| one.viewer_id);
    Ok(Json(Receivables { receivables, next }))
}

/// A refusal is an answer all the same.
async fn return_recharges(
    State(cashier): State<Arc<Cashier>>,
    _peer: Internal,
    Json(ask): Json<AskRechargeRefunds>,
) -> Json<Result<RechargeRefunds, OwnerError>> {
    Json(cashier.return_recharges(ask).await)
}
