//! Files that people open or a bank reads: statements as a workbook, a batch of payouts as a payment order.

use super::statements::StatementsQuery;
use crate::app::Settlement;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use edge::{FinanceReader, Path, Problem, ProblemDocument, Query};
use ids::PayoutBatchId;
use std::sync::Arc;
use utoipa::OpenApi;

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

pub(super) fn router() -> Router<Arc<Settlement>> {
    Router::new()
        .route("/v1/finance/statements.xlsx", get(get_workbook))
        .route("/v1/finance/statement-lines.csv", get(get_lines))
        .route("/v1/finance/payout-batches/{batch_id}/file.xml", get(get_payment_order))
}

#[derive(OpenApi)]
#[openapi(paths(get_workbook, get_lines, get_payment_order))]
pub(super) struct Api;

/// Final statements as a workbook, all at once, at most 20,000: what each payee is due, and the lines under it.
#[utoipa::path(
    get, path = "/v1/finance/statements.xlsx", tag = "settlement", params(StatementsQuery),
    responses(
        (status = 200, description = "The workbook."),
        (status = 422, body = ProblemDocument, description = "too-many-statements"),
    )
)]
async fn get_workbook(
    State(settlement): State<Arc<Settlement>>,
    _: FinanceReader,
    Query(query): Query<StatementsQuery>,
) -> Result<Response, Problem> {
    let name = format!("statements_{}_{}.xlsx", query.from, query.to);
    Ok(file(settlement.statements_xlsx(query.filter()).await?, XLSX, &name))
}

/// The lines of final statements as CSV, all at once, at most 100,000: each names its contract version and opens its
/// orders.
#[utoipa::path(
    get, path = "/v1/finance/statement-lines.csv", tag = "settlement", params(StatementsQuery),
    responses(
        (status = 200, content_type = "text/csv", body = String),
        (status = 422, body = ProblemDocument, description = "too-many-statements"),
    )
)]
async fn get_lines(
    State(settlement): State<Arc<Settlement>>,
    _: FinanceReader,
    Query(query): Query<StatementsQuery>,
) -> Result<Response, Problem> {
    let name = format!("statement-lines_{}_{}.csv", query.from, query.to);
    Ok(file(settlement.statement_lines_csv(query.filter()).await?, "text/csv; charset=utf-8", &name))
}

/// The file of a submitted batch as ISO 20022 pain.001.001.09: the same bytes every time.
#[utoipa::path(
    get, path = "/v1/finance/payout-batches/{batch_id}/file.xml", tag = "settlement",
    params(("batch_id" = PayoutBatchId, Path)),
    responses(
        (status = 200, content_type = "application/xml", body = String),
        (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "batch-state, payer-not-set, file-refused"),
    )
)]
async fn get_payment_order(
    State(settlement): State<Arc<Settlement>>,
    _: FinanceReader,
    Path(batch_id): Path<PayoutBatchId>,
) -> Result<Response, Problem> {
    let order = settlement.payment_order(batch_id).await?;
    Ok(file(order, "application/xml", &format!("payouts_{batch_id}.xml")))
}

fn file(bytes: Vec<u8>, content_type: &'static str, name: &str) -> Response {
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    // Days and ids: always a header's text.
    if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    response
}
