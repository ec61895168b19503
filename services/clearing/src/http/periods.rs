//! Periods: which days are locked, what blocks closing one, and the steps that two people take.

use super::Books;
use crate::app::close_error::CloseError;
use crate::app::close_period::{Ask, Hands};
use crate::domain::checklist::{CheckLine, Checklist, LineState};
use crate::domain::period::{PeriodState, PeriodStep};
use crate::domain::span::Span;
use crate::store::period_requests::{self, PeriodRequest, RequestState};
use crate::store::{closings, periods};
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use chrono::{DateTime, NaiveDate, Utc};
use edge::{FinanceReader, FinanceWorker, Json, Path, Problem, ProblemDocument, Query, Role};
use ids::PeriodRequestId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, OpenApi, ToSchema};

/// Days one page may hold.
const PAGE_LEN_MAX: i64 = 500;
/// Requests that are listed beside the days.
const REQUESTS_LEN: i64 = 100;

pub(super) fn router() -> Router<Books> {
    Router::new()
        .route("/v1/finance/periods", get(list_periods))
        .route("/v1/finance/periods/{period}/checklist", get(get_checklist))
        .route("/v1/finance/periods/{period}/assertions", get(list_assertions))
        .route("/v1/finance/periods/{period}/soft-lock", post(soft_lock))
        .route("/v1/finance/periods/{period}/close", post(close))
        .route("/v1/finance/periods/{period}/reopen", post(reopen))
}

#[derive(OpenApi)]
#[openapi(
    paths(list_periods, get_checklist, list_assertions, soft_lock, close, reopen),
    components(schemas(
        PeriodList,
        PeriodView,
        PeriodState,
        PeriodStep,
        PeriodRequest,
        RequestState,
        Checklist,
        CheckLine,
        LineState,
        AssertionList,
        AssertionView,
        StepAsk,
        PeriodRequestId
    ))
)]
pub(super) struct Api;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Page {
    /// Only days before this one; the newest where it is missing.
    before: Option<NaiveDate>,
    /// At most so many, from 1 to 500; 100 where it is missing.
    limit: Option<i64>,
}

/// One accounting day.
#[derive(Debug, Serialize, ToSchema)]
struct PeriodView {
    day: NaiveDate,
    state: PeriodState,
    changed_at: DateTime<Utc>,
    /// How often the day was closed, or its balances were carried on.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<i32>,
    /// Vouchers in its books by its latest closing.
    #[serde(skip_serializing_if = "Option::is_none")]
    voucher_count: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Serialize, ToSchema)]
struct PeriodList {
    periods: Vec<PeriodView>,
    /// Ask for the next page with this as `before`; null on the last one.
    next: Option<NaiveDate>,
    /// Those that wait for another person first, then the newest.
    requests: Vec<PeriodRequest>,
}

/// Accounting days, newest first, and the steps that were asked for.
#[utoipa::path(
    get, path = "/v1/finance/periods", tag = "clearing", params(Page),
    responses((status = 200, body = PeriodList), (status = 422, body = ProblemDocument)),
    security(("bearer" = []))
)]
async fn list_periods(
    State(books): State<Books>,
    _reader: FinanceReader,
    Query(page): Query<Page>,
) -> Result<Json<PeriodList>, Problem> {
    let limit = edge::page_len(page.limit, 100, PAGE_LEN_MAX)?;
    let db = books.closing.db.reading();
    let rows = periods::list(&db, page.before, limit).await.map_err(CloseError::from)?;
    let is_full = i64::try_from(rows.len()).is_ok_and(|len| len == limit);
    let view = |(day, state, changed_at, version, voucher_count, closed_at): periods::PeriodRow| {
        let state = PeriodState::of_code(state).unwrap_or(PeriodState::Closed); // The table has no other code.
        PeriodView { day, state, changed_at, version, voucher_count, closed_at }
    };
    let periods: Vec<PeriodView> = rows.into_iter().map(view).collect();
    let next = periods.last().map(|last| last.day).filter(|_| is_full);
    let requests = period_requests::list(&db, REQUESTS_LEN).await.map_err(CloseError::from)?;
    Ok(Json(PeriodList { periods, next, requests }))
}

fn span_of(period: &str) -> Result<Span, Problem> {
    period.parse().map_err(|error: crate::domain::span::BadPeriod| {
        Problem::malformed("path-invalid", format!("{error}.")).with("field", "period")
    })
}

/// What must hold before a period is closed, line by line, as it stands now. What nobody can say blocks.
#[utoipa::path(
    get, path = "/v1/finance/periods/{period}/checklist", tag = "clearing",
    params(("period" = String, Path, description = "A day (2026-11-20) or a month (2026-11).")),
    responses((status = 200, body = Checklist), (status = 400, body = ProblemDocument)),
    security(("bearer" = []))
)]
async fn get_checklist(
    State(books): State<Books>,
    _reader: FinanceReader,
    Path(period): Path<String>,
) -> Result<Json<Checklist>, Problem> {
    Ok(Json(books.closing.checklist(&span_of(&period)?).await?))
}

/// What an account moved on a closed day, and held at its end. Amounts are millionths of a minor currency unit, as text:
/// sums may be wider than 64 bits.
#[derive(Debug, Serialize, ToSchema)]
struct AssertionView {
    account: String,
    debit_micro: String,
    credit_micro: String,
    /// Debits less credits of everything up to the day.
    balance_micro: String,
    voucher_count: i64,
    digest: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct AssertionList {
    assertions: Vec<AssertionView>,
}

/// The balance assertions of a closed day, by its latest closing.
#[utoipa::path(
    get, path = "/v1/finance/periods/{period}/assertions", tag = "clearing",
    params(("period" = NaiveDate, Path, description = "A day.")),
    responses((status = 200, body = AssertionList)),
    security(("bearer" = []))
)]
async fn list_assertions(
    State(books): State<Books>,
    _reader: FinanceReader,
    Path(period): Path<NaiveDate>,
) -> Result<Json<AssertionList>, Problem> {
    let rows = closings::list_assertions(&books.closing.db.reading(), period).await;
    let view =
        |(account, debit_micro, credit_micro, balance_micro, voucher_count, digest): closings::AssertionRow| {
            AssertionView { account, debit_micro, credit_micro, balance_micro, voucher_count, digest }
        };
    let rows = rows.map_err(CloseError::from)?;
    Ok(Json(AssertionList { assertions: rows.into_iter().map(view).collect() }))
}

/// Who asks under which id.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StepAsk {
    /// A UUIDv7 made by whoever asks; the same again changes nothing. The other person may send the proposal's id, or
    /// one of their own.
    request_id: PeriodRequestId,
    /// Why; reopening needs it.
    #[serde(default)]
    reason: Option<String>,
}

/// What each role of finance may do with a period. `finance` is both, in one person or two, for development.
const fn hands_of(role: Role) -> Hands {
    match role {
        Role::Finance => Hands { may_propose: true, may_agree: true },
        Role::FinanceMaker => Hands { may_propose: true, may_agree: false },
        Role::FinanceChecker => Hands { may_propose: false, may_agree: true },
        Role::Viewer | Role::Auditor | Role::Sre | Role::Internal => {
            Hands { may_propose: false, may_agree: false }
        }
    }
}

async fn take(
    books: &Books,
    who: FinanceWorker,
    (period, step): (&str, PeriodStep),
    ask: StepAsk,
) -> Result<Json<PeriodRequest>, Problem> {
    let StepAsk { request_id, reason } = ask;
    let (span, by, hands) = (span_of(period)?, who.sub, hands_of(who.role));
    Ok(Json(books.closing.take_step(Ask { request_id, span, step, reason, by, hands }).await?))
}

/// Locks a period softly: only adjustments by finance go in, what logs bring stands in the first open day.
#[utoipa::path(
    post, path = "/v1/finance/periods/{period}/soft-lock", tag = "clearing", request_body = StepAsk,
    params(("period" = String, Path)),
    responses(
        (status = 200, body = PeriodRequest), (status = 403, body = ProblemDocument),
        (status = 409, body = ProblemDocument), (status = 422, body = ProblemDocument),
    ),
    security(("bearer" = []))
)]
async fn soft_lock(
    State(books): State<Books>,
    who: FinanceWorker,
    Path(period): Path<String>,
    Json(ask): Json<StepAsk>,
) -> Result<Json<PeriodRequest>, Problem> {
    take(&books, who, (&period, PeriodStep::SoftLock), ask).await
}

/// Closes a period whose checklist passes: the first person's call proposes it, another's does it.
#[utoipa::path(
    post, path = "/v1/finance/periods/{period}/close", tag = "clearing", request_body = StepAsk,
    params(("period" = String, Path)),
    responses(
        (status = 200, body = PeriodRequest, description = "Waiting for another person, or done."),
        (status = 403, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "checklist-blocks, period-state, earlier-day-open, …"),
        (status = 422, body = ProblemDocument),
    ),
    security(("bearer" = []))
)]
async fn close(
    State(books): State<Books>,
    who: FinanceWorker,
    Path(period): Path<String>,
    Json(ask): Json<StepAsk>,
) -> Result<Json<PeriodRequest>, Problem> {
    take(&books, who, (&period, PeriodStep::Close), ask).await
}

/// Reopens a period for a reason: the first person's call proposes it, another's does it.
#[utoipa::path(
    post, path = "/v1/finance/periods/{period}/reopen", tag = "clearing", request_body = StepAsk,
    params(("period" = String, Path)),
    responses(
        (status = 200, body = PeriodRequest, description = "Waiting for another person, or done."),
        (status = 403, body = ProblemDocument), (status = 409, body = ProblemDocument),
        (status = 422, body = ProblemDocument),
    ),
    security(("bearer" = []))
)]
async fn reopen(
    State(books): State<Books>,
    who: FinanceWorker,
    Path(period): Path<String>,
    Json(ask): Json<StepAsk>,
) -> Result<Json<PeriodRequest>, Problem> {
    take(&books, who, (&period, PeriodStep::Reopen), ask).await
}
