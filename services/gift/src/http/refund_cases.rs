//! Refunds that people ask for: `/v1/finance/refunds`, `/v1/finance/refund-batches`, `/v1/finance/minor-cases`.

use crate::app::ask_refund_case::{AskMinorCase, AskRefund, RefundDesk};
use crate::app::decide_refund_case::Decision;
use crate::app::read_refund_case::{CaseDetail, LINES_PAGE_MAX, ShareView};
use crate::domain::refund_case::{CaseKind, CaseState};
use crate::store::refund_cases::CaseView;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use chrono::Utc;
use edge::{FinanceChecker, FinanceMaker, FinanceReader, Json, Path, Problem, Query, RawBody};
use ids::Uuid;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, OpenApi, ToSchema};

/// The largest file of refunds, in bytes: 10,000 lines with reasons fit.
const FILE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Cases one page has at most.
const PAGE_MAX: u16 = 500;

pub(crate) fn router(desk: RefundDesk) -> Router {
    let files = post(ask_batch).layer(DefaultBodyLimit::max(FILE_BYTES_MAX));
    Router::new()
        .route("/v1/finance/refunds", get(list_refunds).post(ask_refund))
        .route("/v1/finance/refunds/{case_id}", get(get_refund))
        .route("/v1/finance/refunds/{case_id}/approve", post(approve_refund))
        .route("/v1/finance/refunds/{case_id}/refuse", post(refuse_refund))
        .route("/v1/finance/refund-batches", get(list_batches).merge(files))
        .route("/v1/finance/refund-batches/{case_id}", get(get_batch))
        .route("/v1/finance/refund-batches/{case_id}/approve", post(approve_batch))
        .route("/v1/finance/refund-batches/{case_id}/refuse", post(refuse_batch))
        .route("/v1/finance/minor-cases", get(list_minor_cases).post(ask_minor_case))
        .route("/v1/finance/minor-cases/{case_id}", get(get_minor_case))
        .route("/v1/finance/minor-cases/{case_id}/approve", post(approve_minor_case))
        .route("/v1/finance/minor-cases/{case_id}/refuse", post(refuse_minor_case))
        .with_state(desk)
}

#[derive(OpenApi)]
#[openapi(
    paths(
        ask_refund,
        list_refunds,
        get_refund,
        approve_refund,
        refuse_refund,
        ask_batch,
        list_batches,
        get_batch,
        approve_batch,
        refuse_batch,
        ask_minor_case,
        list_minor_cases,
        get_minor_case,
        approve_minor_case,
        refuse_minor_case
    ),
    components(schemas(
        CaseView,
        CaseDetail,
        CaseKind,
        CaseState,
        ShareView,
        AskRefund,
        AskMinorCase,
        Cases
    ))
)]
pub(super) struct Api;

/// A page of cases.
#[derive(Debug, Serialize, ToSchema)]
struct Cases {
    cases: Vec<CaseView>,
    /// The last case of this page, where there may be more: the next page's `before`.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Uuid>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only in this state.
    state: Option<CaseState>,
    /// Only cases before this one: the `next` of the page before.
    before: Option<Uuid>,
    /// 1 to 500; 100 where it is missing.
    limit: Option<u16>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LinesQuery {
    /// Only lines after this one: the `next` of the page before.
    after: Option<i32>,
    /// 1 to 500; 100 where it is missing.
    limit: Option<u16>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct BatchQuery {
    /// The caller's own UUIDv7: sending the same file again under it changes nothing.
    batch_id: Uuid,
    /// Why these refunds are made.
    reason: String,
}

async fn list(desk: &RefundDesk, kind: CaseKind, query: ListQuery) -> Result<Json<Cases>, Problem> {
    let limit = edge::page_len(query.limit, 100, PAGE_MAX)?;
    let cases = desk.list_cases(kind, query.state, (query.before, limit)).await?;
    let next = cases.last().filter(|_| cases.len() == usize::from(limit)).map(|case| case.case_id);
    Ok(Json(Cases { cases, next }))
}

async fn read(
    desk: &RefundDesk,
    case: (CaseKind, Uuid),
    query: &LinesQuery,
) -> Result<Json<CaseDetail>, Problem> {
    let limit = edge::page_len(query.limit, 100, LINES_PAGE_MAX)?;
    Ok(Json(desk.read_case(case, (query.after.unwrap_or(0), limit)).await?))
}

async fn decide(
    desk: &RefundDesk,
    case: (CaseKind, Uuid),
    decision: Decision,
    FinanceChecker { sub }: FinanceChecker,
) -> Result<Json<CaseView>, Problem> {
    Ok(Json(desk.decide_case(case, decision, sub).await?))
}

/// Asks for the refund of one order, in part or of all that is left; another person approves it.
#[utoipa::path(post, path = "/v1/finance/refunds", tag = "gift", request_body = AskRefund,
    responses((status = 201, body = CaseView), (status = 404, description = "no-such-order"),
        (status = 409, description = "request-reused, order-not-decided, refund-under-way"),
        (status = 422, description = "nothing-left, over-refund, bad-reason, bad-amount, id-not-v7")))]
async fn ask_refund(
    State(desk): State<RefundDesk>,
    FinanceMaker { sub }: FinanceMaker,
    Json(ask): Json<AskRefund>,
) -> Result<(StatusCode, Json<CaseView>), Problem> {
    Ok((StatusCode::CREATED, Json(desk.ask_refund(ask, sub).await?)))
}

/// Refunds of single orders, newest first.
#[utoipa::path(get, path = "/v1/finance/refunds", tag = "gift", params(ListQuery),
    responses((status = 200, body = Cases)))]
async fn list_refunds(
    State(desk): State<RefundDesk>,
    _: FinanceReader,
    Query(query): Query<ListQuery>,
) -> Result<Json<Cases>, Problem> {
    list(&desk, CaseKind::Agent, query).await
}

/// One refund and its outcome.
#[utoipa::path(get, path = "/v1/finance/refunds/{case_id}", tag = "gift", params(("case_id" = Uuid, Path), LinesQuery),
    responses((status = 200, body = CaseDetail), (status = 404, description = "no-such-case")))]
async fn get_refund(
    State(desk): State<RefundDesk>,
    _: FinanceReader,
    Path(case_id): Path<Uuid>,
    Query(query): Query<LinesQuery>,
) -> Result<Json<CaseDetail>, Problem> {
    read(&desk, (CaseKind::Agent, case_id), &query).await
}

/// Approves a refund; another person than the one who asked for it.
#[utoipa::path(post, path = "/v1/finance/refunds/{case_id}/approve", tag = "gift", params(("case_id" = Uuid, Path)),
    responses((status = 200, body = CaseView), (status = 403, description = "maker-is-checker"),
        (status = 404, description = "no-such-case"), (status = 409, description = "case-decided")))]
async fn approve_refund(
    State(desk): State<RefundDesk>,
    checker: FinanceChecker,
    Path(case_id): Path<Uuid>,
) -> Result<Json<CaseView>, Problem> {
    decide(&desk, (CaseKind::Agent, case_id), Decision::Approve, checker).await
}

/// Refuses a refund: nothing of it will be done.
#[utoipa::path(post, path = "/v1/finance/refunds/{case_id}/refuse", tag = "gift", params(("case_id" = Uuid, Path)),
    responses((status = 200, body = CaseView), (status = 403, description = "maker-is-checker"),
        (status = 404, description = "no-such-case"), (status = 409, description = "case-decided")))]
async fn refuse_refund(
    State(desk): State<RefundDesk>,
    checker: FinanceChecker,
    Path(case_id): Path<Uuid>,
) -> Result<Json<CaseView>, Problem> {
    decide(&desk, (CaseKind::Agent, case_id), Decision::Refuse, checker).await
}

/// Asks for the refunds of a CSV file (`order_id, amount_coins, reason`; no amount: all that is left). All of it waits
/// for approval, or nothing of it.
#[utoipa::path(post, path = "/v1/finance/refund-batches", tag = "gift", params(BatchQuery),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 201, body = CaseView), (status = 409, description = "request-reused"),
        (status = 422, description = "refunds-refused: names line and column of all that is wrong")))]
async fn ask_batch(
    State(desk): State<RefundDesk>,
    FinanceMaker { sub }: FinanceMaker,
    Query(query): Query<BatchQuery>,
    RawBody(bytes): RawBody,
) -> Result<(StatusCode, Json<CaseView>), Problem> {
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Problem::malformed("body-not-utf8", "The file must be text in UTF-8."))?;
    let case = desk.ask_batch(query.batch_id, (text, &query.reason), sub).await?;
    Ok((StatusCode::CREATED, Json(case)))
}

/// Files of refunds, newest first.
#[utoipa::path(get, path = "/v1/finance/refund-batches", tag = "gift", params(ListQuery),
    responses((status = 200, body = Cases)))]
async fn list_batches(
    State(desk): State<RefundDesk>,
    _: FinanceReader,
    Query(query): Query<ListQuery>,
) -> Result<Json<Cases>, Problem> {
    list(&desk, CaseKind::File, query).await
}

/// One file of refunds: each line's outcome.
#[utoipa::path(get, path = "/v1/finance/refund-batches/{case_id}", tag = "gift",
    params(("case_id" = Uuid, Path), LinesQuery),
    responses((status = 200, body = CaseDetail), (status = 404, description = "no-such-case")))]
async fn get_batch(
    State(desk): State<RefundDesk>,
    _: FinanceReader,
    Path(case_id): Path<Uuid>,
    Query(query): Query<LinesQuery>,
) -> Result<Json<CaseDetail>, Problem> {
    read(&desk, (CaseKind::File, case_id), &query).await
}

/// Approves a file of refunds; another person than the one who sent it.
#[utoipa::path(post, path = "/v1/finance/refund-batches/{case_id}/approve", tag = "gift",
    params(("case_id" = Uuid, Path)),
    responses((status = 200, body = CaseView), (status = 403, description = "maker-is-checker"),
        (status = 404, description = "no-such-case"), (status = 409, description = "case-decided")))]
async fn approve_batch(
    State(desk): State<RefundDesk>,
    checker: FinanceChecker,
    Path(case_id): Path<Uuid>,
) -> Result<Json<CaseView>, Problem> {
    decide(&desk, (CaseKind::File, case_id), Decision::Approve, checker).await
}

/// Refuses a file of refunds.
#[utoipa::path(post, path = "/v1/finance/refund-batches/{case_id}/refuse", tag = "gift",
    params(("case_id" = Uuid, Path)),
    responses((status = 200, body = CaseView), (status = 403, description = "maker-is-checker"),
        (status = 404, description = "no-such-case"), (status = 409, description = "case-decided")))]
async fn refuse_batch(
    State(desk): State<RefundDesk>,
    checker: FinanceChecker,
    Path(case_id): Path<Uuid>,
) -> Result<Json<CaseView>, Problem> {
    decide(&desk, (CaseKind::File, case_id), Decision::Refuse, checker).await
}

/// Lists a viewer's gifts of a time as one case; another person approves that all of them, and then the money they were
/// paid with, go back.
#[utoipa::path(post, path = "/v1/finance/minor-cases", tag = "gift", request_body = AskMinorCase,
    responses((status = 201, body = CaseView), (status = 409, description = "request-reused, order-not-decided"),
        (status = 422, description = "bad-period, no-gifts, too-many-gifts, bad-reason, id-not-v7")))]
async fn ask_minor_case(
    State(desk): State<RefundDesk>,
    FinanceMaker { sub }: FinanceMaker,
    Json(ask): Json<AskMinorCase>,
) -> Result<(StatusCode, Json<CaseView>), Problem> {
    Ok((StatusCode::CREATED, Json(desk.ask_minor_case(ask, sub, Utc::now()).await?)))
}

/// Cases of minors, newest first.
#[utoipa::path(get, path = "/v1/finance/minor-cases", tag = "gift", params(ListQuery),
    responses((status = 200, body = Cases)))]
async fn list_minor_cases(
    State(desk): State<RefundDesk>,
    _: FinanceReader,
    Query(query): Query<ListQuery>,
) -> Result<Json<Cases>, Problem> {
    list(&desk, CaseKind::Minor, query).await
}

/// One minor's case: its gifts, what streamers and agencies earned of them, and how far the money is.
#[utoipa::path(get, path = "/v1/finance/minor-cases/{case_id}", tag = "gift",
    params(("case_id" = Uuid, Path), LinesQuery),
    responses((status = 200, body = CaseDetail), (status = 404, description = "no-such-case")))]
async fn get_minor_case(
    State(desk): State<RefundDesk>,
    _: FinanceReader,
    Path(case_id): Path<Uuid>,
    Query(query): Query<LinesQuery>,
) -> Result<Json<CaseDetail>, Problem> {
    read(&desk, (CaseKind::Minor, case_id), &query).await
}

/// Approves a minor's case; another person than the one who made it.
#[utoipa::path(post, path = "/v1/finance/minor-cases/{case_id}/approve", tag = "gift",
    params(("case_id" = Uuid, Path)),
    responses((status = 200, body = CaseView), (status = 403, description = "maker-is-checker"),
        (status = 404, description = "no-such-case"), (status = 409, description = "case-decided")))]
async fn approve_minor_case(
    State(desk): State<RefundDesk>,
    checker: FinanceChecker,
    Path(case_id): Path<Uuid>,
) -> Result<Json<CaseView>, Problem> {
    decide(&desk, (CaseKind::Minor, case_id), Decision::Approve, checker).await
}

/// Refuses a minor's case.
#[utoipa::path(post, path = "/v1/finance/minor-cases/{case_id}/refuse", tag = "gift",
    params(("case_id" = Uuid, Path)),
    responses((status = 200, body = CaseView), (status = 403, description = "maker-is-checker"),
        (status = 404, description = "no-such-case"), (status = 409, description = "case-decided")))]
async fn refuse_minor_case(
    State(desk): State<RefundDesk>,
    checker: FinanceChecker,
    Path(case_id): Path<Uuid>,
) -> Result<Json<CaseView>, Problem> {
    decide(&desk, (CaseKind::Minor, case_id), Decision::Refuse, checker).await
}
