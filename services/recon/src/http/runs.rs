//! Daily runs: asked for, followed, read, compared; explanations of what they did; and a day in figures.

use super::Api;
use super::bills::PAGE_LEN_MAX;
use crate::app::daily_error::DailyError;
use crate::app::explain::{Explanation, explain};
use crate::app::read_runs::{self, RunDetail, RunView, Today};
use crate::domain::report::ReportDiff;
use crate::store::runs;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::NaiveDate;
use edge::{FinanceMaker, FinanceReader, Json, Path, Problem, ProblemDocument, Query};
use http::{StatusCode, header};
use ids::Uuid;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which day is to be reconciled, under an id of the caller's own.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AskRun {
    /// A UUIDv7: asking again under it changes nothing.
    run_id: Uuid,
    day: NaiveDate,
}

/// Asks for a run of a day.
#[utoipa::path(
    post, path = "/v1/finance/recon-runs", tag = "recon", request_body = AskRun,
    responses(
        (status = 202, body = RunView), (status = 409, description = "request-reused", body = ProblemDocument),
        (status = 422, description = "day-out-of-range, id-not-v7", body = ProblemDocument),
    ),
    security(("bearer" = []))
)]
pub(super) async fn ask_run(
    State(api): State<Api>,
    maker: FinanceMaker,
    Json(asked): Json<AskRun>,
) -> Result<(StatusCode, Json<RunView>), Problem> {
    if asked.run_id.get_version_num() != 7 {
        return Err(Problem::rejected("id-not-v7", "run_id is a UUIDv7.").with("field", "run_id"));
    }
    let run = api.daily.ask(asked.run_id, asked.day, &maker.sub.to_string()).await?;
    Ok((StatusCode::ACCEPTED, Json(read_runs::view(&api.desk.db, run).await?)))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Only runs of this day.
    day: Option<NaiveDate>,
    /// Only runs before this one; the newest where it is missing.
    before: Option<Uuid>,
    /// At most so many, from 1 to 500; 100 where it is missing.
    limit: Option<i64>,
}

/// A page of runs, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RunPage {
    runs: Vec<RunView>,
    /// Ask for the next page with this as `before`.
    next: Option<Uuid>,
}

/// Runs, newest first.
#[utoipa::path(
    get, path = "/v1/finance/recon-runs", tag = "recon", params(Wanted),
    responses((status = 200, body = RunPage), (status = 422, body = ProblemDocument)),
    security(("bearer" = []))
)]
pub(super) async fn list_runs(
    State(api): State<Api>,
    _reader: FinanceReader,
    Query(wanted): Query<Wanted>,
) -> Result<Json<RunPage>, Problem> {
    let limit = edge::page_len(wanted.limit, 100, PAGE_LEN_MAX)?;
    let db = &api.desk.db;
    let listed = runs::list(db, wanted.day, wanted.before, limit).await.map_err(DailyError::Db)?;
    let is_full = i64::try_from(listed.len()).is_ok_and(|len| len == limit);
    let next = listed.last().map(|run| run.run_id).filter(|_| is_full);
    let mut views = Vec::with_capacity(listed.len());
    for run in listed {
        views.push(read_runs::view(db, run).await?);
    }
    Ok(Json(RunPage { runs: views, next }))
}

/// One run with what it found so far.
#[utoipa::path(
    get, path = "/v1/finance/recon-runs/{run_id}", tag = "recon", params(("run_id" = Uuid, Path)),
    responses((status = 200, body = RunDetail), (status = 404, body = ProblemDocument)),
    security(("bearer" = []))
)]
pub(super) async fn get_run(
    State(api): State<Api>,
    _reader: FinanceReader,
    Path(run_id): Path<Uuid>,
) -> Result<Json<RunDetail>, Problem> {
    Ok(Json(read_runs::detail(&api.desk.db, run_id).await?))
}

/// A run's report: the same bytes for the same books.
#[utoipa::path(
    get, path = "/v1/finance/recon-runs/{run_id}/report", tag = "recon", params(("run_id" = Uuid, Path)),
    responses(
        (status = 200, body = String, content_type = "text/plain"), (status = 404, body = ProblemDocument),
        (status = 409, description = "no-report-yet", body = ProblemDocument),
    ),
    security(("bearer" = []))
)]
pub(super) async fn get_report(
    State(api): State<Api>,
    _reader: FinanceReader,
    Path(run_id): Path<Uuid>,
) -> Result<Response, Problem> {
    let text = read_runs::report_of(&api.desk.db, run_id).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

/// What changed from one run's report to another's.
#[utoipa::path(
    get, path = "/v1/finance/recon-runs/{a}/diff/{b}", tag = "recon",
    params(("a" = Uuid, Path), ("b" = Uuid, Path)),
    responses((status = 200, body = ReportDiff), (status = 404, body = ProblemDocument)),
    security(("bearer" = []))
)]
pub(super) async fn diff_runs(
    State(api): State<Api>,
    _reader: FinanceReader,
    Path((a, b)): Path<(Uuid, Uuid)>,
) -> Result<Json<ReportDiff>, Problem> {
    Ok(Json(read_runs::compare(&api.desk.db, a, b).await?))
}

/// Both sides of a break, a payment or a bill's row (`BILL:ROW`), and why they are matched or not.
#[utoipa::path(
    get, path = "/v1/finance/explanations/{id}", tag = "recon", params(("id" = String, Path)),
    responses(
        (status = 200, body = Explanation), (status = 404, description = "nothing-known", body = ProblemDocument),
    ),
    security(("bearer" = []))
)]
pub(super) async fn get_explanation(
    State(api): State<Api>,
    _reader: FinanceReader,
    Path(id): Path<String>,
) -> Result<Json<Explanation>, Problem> {
    Ok(Json(explain(&api.desk.db, &api.desk.sources, &id).await?))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OfDay {
    day: NaiveDate,
}

/// A day in figures: files, match rates, and what is open.
#[utoipa::path(
    get, path = "/v1/finance/today", tag = "recon", params(OfDay),
    responses((status = 200, body = Today)), security(("bearer" = []))
)]
pub(super) async fn get_today(
    State(api): State<Api>,
    _reader: FinanceReader,
    Query(of): Query<OfDay>,
) -> Result<Json<Today>, Problem> {
    Ok(Json(read_runs::today(&api.daily.matching(of.day)?).await?))
}
