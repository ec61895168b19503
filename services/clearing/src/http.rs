//! The HTTP face: the only place that knows status codes.

mod journal;
mod periods;

use crate::app::close_period::Closing;
use crate::app::export_books::Exporting;
use crate::app::read_journal::Reading;
pub(crate) mod internal;

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

/// What the routes of closing, the journal and exports need.
#[derive(Clone)]
pub(crate) struct Books {
    pub closing: Closing,
    pub reading: Reading,
    pub exporting: Exporting,
    /// The accounts of the coin liability.
    pub coin_accounts: Vec<String>,
}

/// The routes of closing, the journal and exports.
pub(crate) fn finance_router(books: Books) -> Router {
    Router::new().merge(periods::router()).merge(journal::router()).with_state(books)
}

/// The OpenAPI of this service.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    document.merge(periods::Api::openapi());
    document.merge(journal::Api::openapi());
    document.merge(trail::openapi());
    document
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
