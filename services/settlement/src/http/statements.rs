//! Statements: lists, one payee's day, its lines, and the orders of a line.

use super::csv;
use crate::app::Settlement;
use crate::app::make_statement::{StatementStatus, StatementView};
use crate::app::read_statements::STATEMENT_PAGE_MAX;
use crate::domain::earning::Payee;
use crate::store::statement_lines::{LineKey, LineOrder, StatementFilter, StatementLine, StatementRow};
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use chrono::NaiveDate;
use contracts::item::ItemKind;
use contracts::payout::PayeeClass;
use edge::{FinanceReader, Json, Path, Problem, Query};
use ids::{OrderId, StreamerId, Uuid};
use money::{Coins, Micros};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, OpenApi, ToSchema};

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct StatementQuery {
    /// Whether the id is a streamer's (the default) or an agency's.
    #[serde(default)]
    payee: PayeeClass,
}

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct StatementsQuery {
    /// Streamers' statements (the default) or agencies'.
    #[serde(default)]
    payee: PayeeClass,
    /// Only this payee's.
    payee_id: Option<Uuid>,
    /// From this day to that one, both included.
    pub from: NaiveDate,
    pub to: NaiveDate,
}

impl StatementsQuery {
    pub fn filter(&self) -> StatementFilter {
        let after = (self.from, Uuid::nil());
        StatementFilter { class: self.payee, payee_id: self.payee_id, from: self.from, to: self.to, after }
    }
}

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct StatementPageQuery {
    /// Streamers' statements (the default) or agencies'.
    #[serde(default)]
    payee: PayeeClass,
    /// Only this payee's.
    payee_id: Option<Uuid>,
    /// From this day to that one, both included.
    from: NaiveDate,
    to: NaiveDate,
    /// Only statements after this day and payee: the last of the page before.
    after_day: Option<NaiveDate>,
    after_payee_id: Option<Uuid>,
    /// How many, 500 unless told and at most.
    limit: Option<i64>,
}

impl StatementPageQuery {
    fn filter(&self) -> StatementFilter {
        // Not from before the first day: the index would be read from there.
        let after = (self.after_day.unwrap_or(self.from), self.after_payee_id.unwrap_or_default());
        StatementFilter { class: self.payee, payee_id: self.payee_id, from: self.from, to: self.to, after }
    }
}

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct LinesQuery {
    /// Whether the id is a streamer's (the default) or an agency's.
    #[serde(default)]
    payee: PayeeClass,
    /// Only lines after this streamer and version: the last of the page before.
    after: Option<StreamerId>,
    after_version: Option<i32>,
}

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct OrdersQuery {
    /// Whether the id is a streamer's (the default) or an agency's.
    #[serde(default)]
    payee: PayeeClass,
    /// Which line.
    streamer_id: StreamerId,
    contract_version: i32,
    /// Only orders after this partition and seq: the last of the page before.
    after_partition: Option<i16>,
    after_seq: Option<i64>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
struct StatementList {
    statements: Vec<StatementRow>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
struct LineList {
    lines: Vec<StatementLine>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
struct OrderList {
    orders: Vec<LineOrder>,
}

pub(super) fn router() -> Router<Arc<Settlement>> {
    Router::new()
        .route("/v1/statements/{payee_id}/{day}", get(get_statement))
        .route("/v1/finance/statements", get(list_statements))
        .route("/v1/finance/statements.csv", get(export_statements))
        .route("/v1/finance/statements/{payee_id}/{day}/lines", get(list_lines))
        .route("/v1/finance/statements/{payee_id}/{day}/orders", get(list_orders))
}

#[derive(OpenApi)]
#[openapi(
    paths(get_statement, list_statements, export_statements, list_lines, list_orders),
    components(schemas(
        StatementView,
        StatementStatus,
        StatementRow,
        StatementLine,
        LineOrder,
        StatementList,
        LineList,
        OrderList,
        PayeeClass,
        ItemKind,
        Micros,
        Coins,
        OrderId,
        StreamerId
    ))
)]
pub(super) struct Api;

/// One payee's day: final once the day is closed everywhere, a preview until then.
#[utoipa::path(
    get, path = "/v1/statements/{payee_id}/{day}", tag = "settlement",
    params(("payee_id" = Uuid, Path), ("day" = NaiveDate, Path), StatementQuery),
    responses((status = 200, body = StatementView))
)]
async fn get_statement(
    State(settlement): State<Arc<Settlement>>,
    _: FinanceReader,
    Path((payee_id, day)): Path<(Uuid, NaiveDate)>,
    Query(query): Query<StatementQuery>,
) -> Result<Json<StatementView>, Problem> {
    let statement = settlement.statement(Payee::of(query.payee, payee_id), day).await?;
    Ok(Json(StatementView::new((query.payee, payee_id), day, statement)))
}

/// Final statements by day and payee, a page of them.
#[utoipa::path(
    get, path = "/v1/finance/statements", tag = "settlement", params(StatementPageQuery),
    responses(
        (status = 200, body = StatementList),
        (status = 422, description = "limit-out-of-range"),
    )
)]
async fn list_statements(
    State(settlement): State<Arc<Settlement>>,
    _: FinanceReader,
    Query(query): Query<StatementPageQuery>,
) -> Result<Json<StatementList>, Problem> {
    let limit = edge::page_len(query.limit, STATEMENT_PAGE_MAX, STATEMENT_PAGE_MAX)?;
    Ok(Json(StatementList { statements: settlement.list_statements(query.filter(), limit).await? }))
}

/// The same as CSV, all at once, at most 20,000.
#[utoipa::path(
    get, path = "/v1/finance/statements.csv", tag = "settlement", params(StatementsQuery),
    responses(
        (status = 200, content_type = "text/csv", body = String),
        (status = 422, description = "too-many-statements"),
    )
)]
async fn export_statements(
    State(settlement): State<Arc<Settlement>>,
    _: FinanceReader,
    Query(query): Query<StatementsQuery>,
) -> Result<Response, Problem> {
    Ok(csv(settlement.statements_csv(query.filter()).await?, None))
}

/// The lines of one payee's day, one for each streamer and version of a contract, at most 500.
#[utoipa::path(
    get, path = "/v1/finance/statements/{payee_id}/{day}/lines", tag = "settlement",
    params(("payee_id" = Uuid, Path), ("day" = NaiveDate, Path), LinesQuery),
    responses((status = 200, body = LineList))
)]
async fn list_lines(
    State(settlement): State<Arc<Settlement>>,
    _: FinanceReader,
    Path((payee_id, day)): Path<(Uuid, NaiveDate)>,
    Query(query): Query<LinesQuery>,
) -> Result<Json<LineList>, Problem> {
    // Before every line there can be, of the nil streamer and the oldest default contract too.
    let first = (StreamerId::from_uuid(Uuid::nil()), i32::MIN);
    let after = (query.after.unwrap_or(first.0), query.after_version.unwrap_or(first.1));
    let lines = settlement.list_lines(Payee::of(query.payee, payee_id), day, after).await?;
    Ok(Json(LineList { lines }))
}

/// The orders of one line and what each earned the payee, in the order of the log, at most 500.
#[utoipa::path(
    get, path = "/v1/finance/statements/{payee_id}/{day}/orders", tag = "settlement",
    params(("payee_id" = Uuid, Path), ("day" = NaiveDate, Path), OrdersQuery),
    responses((status = 200, body = OrderList))
)]
async fn list_orders(
    State(settlement): State<Arc<Settlement>>,
    _: FinanceReader,
    Path((payee_id, day)): Path<(Uuid, NaiveDate)>,
    Query(query): Query<OrdersQuery>,
) -> Result<Json<OrderList>, Problem> {
    let OrdersQuery { payee, streamer_id, contract_version, after_partition, after_seq } = query;
    let line = LineKey { class: payee, payee_id, day, streamer_id, contract_version };
    let after = (after_partition.unwrap_or(-1), after_seq.unwrap_or(0));
    Ok(Json(OrderList { orders: settlement.list_orders(line, after).await? }))
}
