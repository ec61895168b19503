//! A trail over HTTP: read, and verified.

use crate::chain::Anchor;
use crate::rows::{StepView, list_steps};
use crate::verify::{Unexplained, Verified, verify_with};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use edge::{FinanceReader, Json, Problem, ProblemDocument, Query};
use pg::Db;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, OpenApi, ToSchema};

/// Rows one page may hold.
const PAGE_LEN_MAX: i64 = 500;

/// A trail as it is served.
#[derive(Clone)]
pub struct Served {
    pub db: Db,
    /// Its name in addresses.
    pub name: &'static str,
    pub unexplained: Unexplained,
}

/// `/v1/finance/audit/{name}` and its verification.
pub fn routes(served: Served) -> Router {
    let path = format!("/v1/finance/audit/{}", served.name);
    Router::new()
        .route(&path, get(list))
        .route(&format!("{path}/verification"), get(verification))
        .with_state(served)
}

#[derive(OpenApi)]
#[openapi(paths(list, verification))]
struct Document;

/// What `/openapi.json` says of trails.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Only rows about this, such as a case's id.
    subject: Option<String>,
    /// Only rows before this seq; the newest where it is missing.
    before: Option<i64>,
    /// At most so many, from 1 to 500; 100 where it is missing.
    limit: Option<i64>,
}

/// A page of a trail, newest first.
#[derive(Debug, Serialize, ToSchema)]
struct TrailSteps {
    steps: Vec<StepView>,
}

fn away(_: sqlx::Error) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "database-unavailable", "The database did not answer.")
}

/// One of the trails, newest first: `breaks`, `refunds`, `periods` or `payouts`.
#[utoipa::path(
    get, path = "/v1/finance/audit/{trail}", tag = "audit", params(("trail" = String, Path), Wanted),
    responses((status = 200, body = TrailSteps), (status = 422, body = ProblemDocument)),
    security(("bearer" = []))
)]
async fn list(
    State(served): State<Served>,
    _reader: FinanceReader,
    Query(wanted): Query<Wanted>,
) -> Result<Json<TrailSteps>, Problem> {
    let limit = edge::page_len(wanted.limit, 100, PAGE_LEN_MAX)?;
    let steps = list_steps(&served.db, wanted.subject.as_deref(), wanted.before, limit).await;
    Ok(Json(TrailSteps { steps: steps.map_err(away)? }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Against {
    /// A row known from elsewhere, as `seq:hash`.
    anchor: Option<String>,
}

/// Verifies a whole trail. 200 with a `fault` is the answer that it was tampered with.
#[utoipa::path(
    get, path = "/v1/finance/audit/{trail}/verification", tag = "audit", params(("trail" = String, Path), Against),
    responses((status = 200, body = Verified), (status = 422, body = ProblemDocument)),
    security(("bearer" = []))
)]
async fn verification(
    State(served): State<Served>,
    _reader: FinanceReader,
    Query(against): Query<Against>,
) -> Result<Json<Verified>, Problem> {
    let anchors = match against.anchor {
        None => Vec::new(),
        Some(text) => vec![text.parse::<Anchor>().map_err(|_| {
            Problem::rejected("anchor-malformed", "An anchor is a seq, a colon, and 64 hexadecimal digits.")
        })?],
    };
    Ok(Json(verify_with(&served.db, served.unexplained, anchors).await.map_err(away)?))
}
