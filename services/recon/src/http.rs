//! The HTTP face: the only place that knows status codes.

mod ageing;
mod bills;
mod closing;
mod desk;
mod rules;
mod runs;
mod settlements;

use crate::app::act_on_break::Desk;
use crate::app::desk_error::DeskError;
use crate::app::import_bill::Imports;
use crate::app::read_lag::Lag;
use crate::app::run_day::Daily;
use crate::domain::break_state::BreakState;
use crate::store::audit::UNEXPLAINED;
use crate::store::breaks::{self, BreakView, Filter};
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use edge::{FinanceOrSre, FinanceReader, Problem, ProblemDocument, Query};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, OpenApi, ToSchema};

/// Breaks one page may hold.
const PAGE_LEN_MAX: i64 = 200;

/// What the routes need.
#[derive(Clone)]
pub(crate) struct Api {
    pub desk: Desk,
    pub lag: Arc<dyn Fn() -> Lag + Send + Sync>,
    pub daily: Daily,
    pub imports: Imports,
    /// The largest file taken, in bytes.
    pub bill_bytes_max: u64,
}

/// The routes of this service.
pub(crate) fn router(api: Api) -> Router {
    let served = trail::Served { db: api.desk.db.clone(), name: "breaks", unexplained: &UNEXPLAINED };
    Router::new()
        .route("/v1/breaks", get(list_breaks))
        .route("/v1/recon/lag", get(get_lag))
        .route("/internal/recon/closing", get(closing::get_closing))
        .route("/v1/finance/breaks", get(desk::list_breaks))
        .route("/v1/finance/breaks/{break_id}", get(desk::get_break))
        .route("/v1/finance/breaks/{break_id}/assignments", post(desk::assign))
        .route("/v1/finance/breaks/{break_id}/comments", post(desk::comment))
        .route("/v1/finance/breaks/{break_id}/proposals", post(desk::propose))
        .route("/v1/finance/breaks/{break_id}/approvals", post(desk::approve))
        .route("/v1/finance/breaks/{break_id}/rejections", post(desk::reject))
        .route("/v1/finance/breaks/{break_id}/reopenings", post(desk::reopen))
        .route("/v1/finance/bills", post(bills::import_bill).get(bills::list_bills))
        .route("/v1/finance/bills/verify", post(bills::verify_bill))
        .route("/v1/finance/bills/{bill_id}", get(bills::get_bill))
        .route("/v1/finance/bill-profiles", post(bills::save_profile).get(bills::list_profiles))
        .route("/v1/finance/recon-runs", post(runs::ask_run).get(runs::list_runs))
        .route("/v1/finance/recon-runs/{run_id}", get(runs::get_run))
        .route("/v1/finance/recon-runs/{run_id}/report", get(runs::get_report))
        .route("/v1/finance/recon-runs/{a}/diff/{b}", get(runs::diff_runs))
        .route("/v1/finance/explanations/{id}", get(runs::get_explanation))
        .route("/v1/finance/channel-settlements", get(settlements::list_settlements))
        .route("/v1/finance/today", get(runs::get_today))
        .route("/v1/finance/matching-rules", post(rules::propose_rules).get(rules::list_rules))
        .route("/v1/finance/matching-rules/{version}/dry-run", get(rules::try_rules).post(rules::try_rules))
        .route("/v1/finance/matching-rules/{version}/approve", post(rules::approve_rules))
        .route("/v1/finance/matching-rules/{version}/reject", post(rules::reject_rules))
        .route("/v1/finance/break-ages", get(ageing::list_ages))
        .route("/v1/finance/proposals", get(desk::list_proposals))
        .with_state(api)
        .merge(trail::routes(served))
}

/// The OpenAPI of this service.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    document.merge(trail::openapi());
    document
}

#[derive(OpenApi)]
#[openapi(paths(
    list_breaks,
    get_lag,
    ageing::list_ages,
    desk::list_breaks,
    desk::get_break,
    desk::list_proposals,
    desk::assign,
    desk::comment,
    desk::propose,
    desk::approve,
    desk::reject,
    desk::reopen,
    bills::import_bill,
    bills::verify_bill,
    bills::list_bills,
    bills::get_bill,
    bills::list_profiles,
    bills::save_profile,
    runs::ask_run,
    runs::list_runs,
    runs::get_run,
    runs::get_report,
    runs::diff_runs,
    runs::get_explanation,
    runs::get_today,
    settlements::list_settlements,
    rules::list_rules,
    rules::propose_rules,
    rules::try_rules,
    rules::approve_rules,
    rules::reject_rules,
))]
struct Document;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Page {
    /// Only breaks in this state.
    state: Option<BreakState>,
    /// Only breaks before this `break_no`; the newest where it is missing.
    before: Option<i64>,
    /// At most so many, from 1 to 200; 50 where it is missing.
    limit: Option<i64>,
}

/// A page of breaks, newest first.
#[derive(Serialize, ToSchema)]
struct Breaks {
    breaks: Vec<BreakView>,
    /// All that are not closed, on every page.
    not_closed_count: i64,
}

/// Differences found by reconciliation, newest first.
#[utoipa::path(
    get,
    path = "/v1/breaks",
    tag = "recon",
    params(Page),
    responses(
        (status = 200, description = "One page of breaks.", body = Breaks),
        (status = 400, description = "A parameter cannot be read.", body = ProblemDocument),
        (status = 401, description = "No valid token.", body = ProblemDocument),
        (status = 403, description = "Only finance and auditors may read breaks.", body = ProblemDocument),
        (status = 422, description = "The limit is out of range.", body = ProblemDocument),
    ),
    security(("bearer" = []))
)]
async fn list_breaks(
    State(api): State<Api>,
    _reader: FinanceReader,
    Query(page): Query<Page>,
) -> Result<Json<Breaks>, Problem> {
    let limit = edge::page_len(page.limit, 50, PAGE_LEN_MAX)?;
    let filter = Filter { state: page.state, ..Filter::default() };
    let db = &api.desk.db;
    let list = breaks::list(db, page.before, &filter, limit);
    let (breaks, not_closed_count) =
        tokio::try_join!(list, breaks::count_not_closed(db)).map_err(DeskError::Db)?;
    Ok(Json(Breaks { breaks, not_closed_count }))
}

/// How far behind the comparison is, by pair and by reader.
#[utoipa::path(
    get,
    path = "/v1/recon/lag",
    tag = "recon",
    responses(
        (status = 200, description = "As of the last turn.", body = Lag),
        (status = 401, description = "No valid token.", body = ProblemDocument),
        (status = 403, description = "Only finance and SREs may read it.", body = ProblemDocument),
    ),
    security(("bearer" = []))
)]
async fn get_lag(State(api): State<Api>, _reader: FinanceOrSre) -> Json<Lag> {
    Json((api.lag)())
}
