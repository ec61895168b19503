//! Payouts: where a payee's money stands, requests, accounts, batches and the bank's word.

use super::csv;
use crate::app::Settlement;
use crate::app::build_batch::{Building, BuiltBatch, Skipped};
use crate::app::pass_batch::{CONFIRM_LINES_MAX, Confirmation, Confirmed};
use crate::app::request_payout::{AskPayout, GiveAccount, PayeeView};
use crate::domain::payee_money::PayeeKey;
use crate::domain::payout::{Batch, BatchState, BatchStep, Line, LineState, Outcome, PayoutFile};
use crate::store::payee_accounts::PayeeAccount;
use crate::store::payout_requests::{PayoutRequest, RequestState};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use chrono::{SubsecRound, Utc};
use contracts::payout::PayeeClass;
use edge::{FinanceChecker, FinanceMaker, FinanceReader, Json, Path, Problem, Query};
use ids::{PayeeAccountId, PayoutBatchId, PayoutLineId, PayoutRequestId, Uuid};
use money::Micros;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, OpenApi, ToSchema};

/// Lines of a batch on one page, at most.
const LINES_PAGE_MAX: i64 = 1_000;

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct PayeeQuery {
    /// Whether the id is a streamer's (the default) or an agency's.
    #[serde(default)]
    payee: PayeeClass,
}

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct BatchQuery {
    /// Only batches in this state.
    state: Option<BatchState>,
    /// Only batches before this one: the last of the page before.
    before: Option<PayoutBatchId>,
}

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct LinesQuery {
    /// Only lines after this number: the last of the page before.
    after: Option<i32>,
    /// 1 to 1,000 lines; 100 where it is missing.
    limit: Option<i64>,
}

/// Which batch to build.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BuildBatch {
    /// Made by whoever asks: the same id again is the same batch.
    batch_id: PayoutBatchId,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Confirmations {
    lines: Vec<Confirmation>,
}

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct AccountsQuery {
    /// Only accounts before this one: the last of the page before.
    before: Option<PayeeAccountId>,
}

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct RequestsQuery {
    /// Only requests before this one: the last of the page before.
    before: Option<PayoutRequestId>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
struct AccountList {
    accounts: Vec<PayeeAccount>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
struct RequestList {
    requests: Vec<PayoutRequest>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
struct BatchList {
    batches: Vec<Batch>,
}

pub(super) fn router() -> Router<Arc<Settlement>> {
    Router::new()
        .route("/v1/finance/payees/{payee_id}", get(get_payee))
        .route("/v1/finance/payee-accounts", get(list_accounts).post(give_account))
        .route("/v1/finance/payee-accounts/{account_id}/approve", post(approve_account))
        .route("/v1/finance/payout-requests", get(list_requests).post(request_payout))
        .route("/v1/finance/payout-requests/{request_id}/cancel", post(cancel_request))
        .route("/v1/finance/payout-batches", get(list_batches).post(build_batch))
        .route("/v1/finance/payout-batches/{batch_id}", get(get_batch))
        .route("/v1/finance/payout-batches/{batch_id}/file.csv", get(get_file))
        .route("/v1/finance/payout-batches/{batch_id}/approve", post(approve_batch))
        .route("/v1/finance/payout-batches/{batch_id}/discard", post(discard_batch))
        .route("/v1/finance/payout-batches/{batch_id}/submit", post(submit_batch))
        .route("/v1/finance/payout-batches/{batch_id}/confirmations", post(confirm_lines))
}

#[derive(OpenApi)]
#[openapi(
    paths(
        get_payee,
        list_accounts,
        list_requests,
        give_account,
        approve_account,
        request_payout,
        cancel_request,
        list_batches,
        build_batch,
        get_batch,
        get_file,
        approve_batch,
        discard_batch,
        submit_batch,
        confirm_lines
    ),
    components(schemas(
        PayeeView,
        PayeeClass,
        PayeeAccount,
        GiveAccount,
        AskPayout,
        PayoutRequest,
        RequestState,
        BuildBatch,
        BuiltBatch,
        Skipped,
        Batch,
        BatchState,
        BatchList,
        AccountList,
        RequestList,
        Line,
        LineState,
        PayoutFile,
        Confirmations,
        Confirmation,
        Confirmed,
        Outcome,
        Micros,
        PayeeAccountId,
        PayoutBatchId,
        PayoutLineId,
        PayoutRequestId
    ))
)]
pub(super) struct Api;

/// Where a payee's money stands: pending, available, asked for, at the bank, paid, withheld, owed.
#[utoipa::path(
    get, path = "/v1/finance/payees/{payee_id}", tag = "settlement",
    params(("payee_id" = Uuid, Path), PayeeQuery), responses((status = 200, body = PayeeView))
)]
async fn get_payee(
    State(settlement): State<Arc<Settlement>>,
    _: FinanceReader,
    Path(payee_id): Path<Uuid>,
    Query(query): Query<PayeeQuery>,
) -> Result<Json<PayeeView>, Problem> {
    Ok(Json(settlement.payee(PayeeKey { class: query.payee, id: payee_id }).await?))
}

/// Accounts that wait for another person, newest first, at most 200.
#[utoipa::path(
    get, path = "/v1/finance/payee-accounts", tag = "settlement", params(AccountsQuery),
    responses((status = 200, body = AccountList))
)]
async fn list_accounts(
    State(settlement): State<Arc<Settlement>>,
    _: FinanceReader,
    Query(query): Query<AccountsQuery>,
) -> Result<Json<AccountList>, Problem> {
    Ok(Json(AccountList { accounts: settlement.list_waiting_accounts(query.before).await? }))
}

/// What payees asked for, newest first, at most 200.
#[utoipa::path(
    get, path = "/v1/finance/payout-requests", tag = "settlement", params(RequestsQuery),
    responses((status = 200, body = RequestList))
)]
async fn list_requests(
    State(settlement): State<Arc<Settlement>>,
    _: FinanceReader,
    Query(query): Query<RequestsQuery>,
) -> Result<Json<RequestList>, Problem> {
    Ok(Json(RequestList { requests: settlement.list_requests(query.before).await? }))
}

/// Gives the account that a payee's money goes to; in force once another person has approved it.
#[utoipa::path(
    post, path = "/v1/finance/payee-accounts", tag = "settlement", request_body = GiveAccount,
    responses(
        (status = 201, body = PayeeAccount), (status = 409, description = "request-reused"),
        (status = 422, description = "bad-payee-account"),
    )
)]
async fn give_account(
    State(settlement): State<Arc<Settlement>>,
    FinanceMaker { sub }: FinanceMaker,
    Json(ask): Json<GiveAccount>,
) -> Result<(StatusCode, Json<PayeeAccount>), Problem> {
    Ok((StatusCode::CREATED, Json(settlement.give_account(ask, sub.to_string()).await?)))
}

/// Puts an account in force; another person than the one who gave it.
#[utoipa::path(
    post, path = "/v1/finance/payee-accounts/{account_id}/approve", tag = "settlement",
    params(("account_id" = Uuid, Path)),
    responses(
        (status = 200, body = PayeeAccount), (status = 403, description = "maker-is-checker"),
        (status = 404, description = "not-found"),
    )
)]
async fn approve_account(
    State(settlement): State<Arc<Settlement>>,
    FinanceChecker { sub }: FinanceChecker,
    Path(account_id): Path<PayeeAccountId>,
) -> Result<Json<PayeeAccount>, Problem> {
    Ok(Json(settlement.approve_account(account_id, &sub.to_string()).await?))
}

/// Asks for available money, once per id: all of it, or an amount.
#[utoipa::path(
    post, path = "/v1/finance/payout-requests", tag = "settlement", request_body = AskPayout,
    responses(
        (status = 201, body = PayoutRequest), (status = 409, description = "request-reused"),
        (status = 422, description = "not-enough-available, below-payout-minimum, payee-account-missing"),
    )
)]
async fn request_payout(
    State(settlement): State<Arc<Settlement>>,
    FinanceMaker { sub }: FinanceMaker,
    Json(ask): Json<AskPayout>,
) -> Result<(StatusCode, Json<PayoutRequest>), Problem> {
    Ok((StatusCode::CREATED, Json(settlement.request_payout(&ask, &sub.to_string()).await?)))
}

/// Takes a request back that is in no batch.
#[utoipa::path(
    post, path = "/v1/finance/payout-requests/{request_id}/cancel", tag = "settlement",
    params(("request_id" = Uuid, Path)),
    responses(
        (status = 200, body = PayoutRequest), (status = 404, description = "not-found"),
        (status = 409, description = "request-in-batch"),
    )
)]
async fn cancel_request(
    State(settlement): State<Arc<Settlement>>,
    _: FinanceMaker,
    Path(request_id): Path<PayoutRequestId>,
) -> Result<Json<PayoutRequest>, Problem> {
    Ok(Json(settlement.cancel_request(request_id).await?))
}

/// Batches, newest first, at most 200.
#[utoipa::path(
    get, path = "/v1/finance/payout-batches", tag = "settlement", params(BatchQuery),
    responses((status = 200, body = BatchList))
)]
async fn list_batches(
    State(settlement): State<Arc<Settlement>>,
    _: FinanceReader,
    Query(query): Query<BatchQuery>,
) -> Result<Json<BatchList>, Problem> {
    Ok(Json(BatchList { batches: settlement.list_batches(query.state, query.before).await? }))
}

/// Makes a batch of what was asked for, once per id: a line a payee, tax withheld by the rule of the day.
#[utoipa::path(
    post, path = "/v1/finance/payout-batches", tag = "settlement", request_body = BuildBatch,
    responses(
        (status = 201, body = BuiltBatch),
        (status = 422, description = "nothing-to-pay-out, withholding-rule-missing"),
    )
)]
async fn build_batch(
    State(settlement): State<Arc<Settlement>>,
    FinanceMaker { sub }: FinanceMaker,
    Json(BuildBatch { batch_id }): Json<BuildBatch>,
) -> Result<(StatusCode, Json<BuiltBatch>), Problem> {
    let building = Building { batch_id, by: &sub.to_string(), now: Utc::now().trunc_subsecs(6) };
    Ok((StatusCode::CREATED, Json(settlement.build_batch(building).await?)))
}

/// One batch with some of its lines; `line_count` says how many there are.
#[utoipa::path(
    get, path = "/v1/finance/payout-batches/{batch_id}", tag = "settlement",
    params(("batch_id" = Uuid, Path), LinesQuery),
    responses(
        (status = 200, body = PayoutFile), (status = 404, description = "not-found"),
        (status = 422, description = "limit-out-of-range"),
    )
)]
async fn get_batch(
    State(settlement): State<Arc<Settlement>>,
    _: FinanceReader,
    Path(batch_id): Path<PayoutBatchId>,
    Query(query): Query<LinesQuery>,
) -> Result<Json<PayoutFile>, Problem> {
    let limit = edge::page_len(query.limit, 100, LINES_PAGE_MAX)?;
    Ok(Json(settlement.batch_page(batch_id, query.after.unwrap_or(0), limit).await?))
}

/// The file of a submitted batch as CSV: the same bytes every time.
#[utoipa::path(
    get, path = "/v1/finance/payout-batches/{batch_id}/file.csv", tag = "settlement",
    params(("batch_id" = Uuid, Path)),
    responses(
        (status = 200, content_type = "text/csv", body = String), (status = 404, description = "not-found"),
        (status = 409, description = "batch-state: it was not submitted"),
    )
)]
async fn get_file(
    State(settlement): State<Arc<Settlement>>,
    _: FinanceReader,
    Path(batch_id): Path<PayoutBatchId>,
) -> Result<Response, Problem> {
    Ok(csv(settlement.submitted(batch_id).await?.csv(), None))
}

/// Approves a batch; another person than the one who built it.
#[utoipa::path(
    post, path = "/v1/finance/payout-batches/{batch_id}/approve", tag = "settlement",
    params(("batch_id" = Uuid, Path)),
    responses(
        (status = 200, body = PayoutFile), (status = 403, description = "maker-is-checker"),
        (status = 404, description = "not-found"), (status = 409, description = "batch-state"),
    )
)]
async fn approve_batch(
    State(settlement): State<Arc<Settlement>>,
    FinanceChecker { sub }: FinanceChecker,
    Path(batch_id): Path<PayoutBatchId>,
) -> Result<Json<PayoutFile>, Problem> {
    Ok(Json(settlement.pass_batch(batch_id, BatchStep::Approve, &sub.to_string()).await?))
}

/// Discards a batch that was not submitted; its requests are open again.
#[utoipa::path(
    post, path = "/v1/finance/payout-batches/{batch_id}/discard", tag = "settlement",
    params(("batch_id" = Uuid, Path)),
    responses(
        (status = 200, body = PayoutFile), (status = 404, description = "not-found"),
        (status = 409, description = "batch-state"),
    )
)]
async fn discard_batch(
    State(settlement): State<Arc<Settlement>>,
    FinanceChecker { sub }: FinanceChecker,
    Path(batch_id): Path<PayoutBatchId>,
) -> Result<Json<PayoutFile>, Problem> {
    Ok(Json(settlement.pass_batch(batch_id, BatchStep::Discard, &sub.to_string()).await?))
}

/// Submits an approved batch: its money counts as being at the bank, and its file is handed out. Again, it gives the
/// same file.
#[utoipa::path(
    post, path = "/v1/finance/payout-batches/{batch_id}/submit", tag = "settlement",
    params(("batch_id" = Uuid, Path)),
    responses(
        (status = 200, body = PayoutFile), (status = 404, description = "not-found"),
        (status = 409, description = "batch-state"),
    )
)]
async fn submit_batch(
    State(settlement): State<Arc<Settlement>>,
    FinanceMaker { sub }: FinanceMaker,
    Path(batch_id): Path<PayoutBatchId>,
) -> Result<Json<PayoutFile>, Problem> {
    Ok(Json(settlement.pass_batch(batch_id, BatchStep::Submit, &sub.to_string()).await?))
}

/// Records what the bank says of some lines, at most 1,000: paid, or rejected with a reason. Rejected money is
/// available again.
#[utoipa::path(
    post, path = "/v1/finance/payout-batches/{batch_id}/confirmations", tag = "settlement",
    params(("batch_id" = Uuid, Path)), request_body = Confirmations,
    responses(
        (status = 200, body = Confirmed), (status = 404, description = "not-found"),
        (status = 409, description = "batch-state, line-ended-otherwise"),
        (status = 422, description = "reason-missing, too-many-lines"),
    )
)]
async fn confirm_lines(
    State(settlement): State<Arc<Settlement>>,
    FinanceMaker { sub }: FinanceMaker,
    Path(batch_id): Path<PayoutBatchId>,
    Json(Confirmations { lines }): Json<Confirmations>,
) -> Result<Json<Confirmed>, Problem> {
    if lines.len() > CONFIRM_LINES_MAX {
        let detail = format!("One confirmation names at most {CONFIRM_LINES_MAX} lines.");
        return Err(Problem::rejected("too-many-lines", detail));
    }
    Ok(Json(settlement.confirm_lines(batch_id, &lines, &sub.to_string()).await?))
}
