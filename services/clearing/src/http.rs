//! The HTTP face: the only place that knows status codes.

use crate::app::read_trial_balance::{TrialBalance, read_trial_balance};
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use chrono::NaiveDate;
use edge::{FinanceReader, Problem, ProblemDocument, Query};
use pg::Db;
use serde::Deserialize;
use utoipa::{IntoParams, OpenApi};

/// The routes of this service.
pub(crate) fn router(db: Db) -> Router {
    Router::new().route("/v1/trial-balance", get(get_trial_balance)).with_state(db)
}

/// The OpenAPI of this service.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(OpenApi)]
#[openapi(paths(get_trial_balance))]
struct Document;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AsOf {
    /// The last accounting day to include; everything posted where it is missing.
    day: Option<NaiveDate>,
}

/// The trial balance: every account's debits, credits and balance, in millionths of a minor currency unit.
#[utoipa::path(
    get,
    path = "/v1/trial-balance",
    tag = "clearing",
    params(AsOf),
    responses(
        (status = 200, description = "The books as of the end of the day.", body = TrialBalance),
        (status = 400, description = "The day is no date.", body = ProblemDocument),
        (status = 401, description = "No valid token.", body = ProblemDocument),
        (status = 403, description = "Only finance and auditors may read the books.", body = ProblemDocument),
    ),
    security(("bearer" = []))
)]
async fn get_trial_balance(
    State(db): State<Db>,
    _reader: FinanceReader,
    Query(as_of): Query<AsOf>,
) -> Result<Json<TrialBalance>, Problem> {
    Ok(Json(read_trial_balance(&db, as_of.day).await?))
}
