//! Settlement's routes, all for finance. Turns requests into acts and their answers into JSON, and nothing else.

use crate::app::Settlement;
use crate::app::make_contract::MakeContract;
use crate::app::make_statement::{StatedPayee, StatementStatus, StatementView};
use crate::domain::contract::{Contract, Promo, Terms};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use chrono::{NaiveDate, Utc};
use edge::{Finance, Json, Path, Problem, Query};
use ids::{AgencyId, StreamerId, Uuid};
use money::{Micros, Ppm};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, OpenApi, ToSchema};

#[derive(Clone, Debug, Serialize, ToSchema)]
struct ContractList {
    contracts: Vec<Contract>,
}

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct ContractQuery {
    /// Only this streamer's. The nil id: the default contract.
    streamer_id: Option<StreamerId>,
    /// Only streamers after this one: the last of the page before.
    after: Option<StreamerId>,
}

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct StatementQuery {
    /// Whether the id is a streamer's (the default) or an agency's.
    #[serde(default)]
    payee: StatedPayee,
}

pub(crate) fn router(settlement: Arc<Settlement>) -> Router {
    Router::new()
        .route("/v1/contracts", get(list_contracts).post(make_contract))
        .route("/v1/statements/{payee_id}/{day}", get(get_statement))
        .with_state(settlement)
}

/// Settlement's part of the API's description.
#[derive(OpenApi)]
#[openapi(
    paths(list_contracts, make_contract, get_statement),
    components(schemas(
        Contract,
        Terms,
        Promo,
        MakeContract,
        ContractList,
        StatementView,
        StatementStatus,
        StatedPayee,
        Micros,
        Ppm,
        StreamerId,
        AgencyId
    ))
)]
struct Api;

/// What `/openapi.json` says of settlement.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

/// Versions of contracts by streamer, oldest first, at most 500.
#[utoipa::path(
    get, path = "/v1/contracts", tag = "settlement", params(ContractQuery),
    responses((status = 200, body = ContractList))
)]
async fn list_contracts(
    State(settlement): State<Arc<Settlement>>,
    _: Finance,
    Query(query): Query<ContractQuery>,
) -> Result<Json<ContractList>, Problem> {
    let contracts = settlement.list_contracts(query.streamer_id, query.after).await?;
    Ok(Json(ContractList { contracts }))
}

/// Makes a new version of a streamer's contract, from today on at the earliest.
#[utoipa::path(
    post, path = "/v1/contracts", tag = "settlement", request_body = MakeContract,
    responses(
        (status = 201, body = Contract), (status = 409, description = "contract-overlaps"),
        (status = 422, description = "shares-not-whole, agency-missing, tax-not-borne, contract-begins-in-the-past"),
    )
)]
async fn make_contract(
    State(settlement): State<Arc<Settlement>>,
    Finance { sub }: Finance,
    Json(ask): Json<MakeContract>,
) -> Result<(StatusCode, Json<Contract>), Problem> {
    let today = settlement.zone.day_of(Utc::now());
    let contract = settlement.make_contract(ask, sub.to_string(), today).await?;
    Ok((StatusCode::CREATED, Json(contract)))
}

/// One payee's day: final once the day is closed everywhere, a preview until then.
#[utoipa::path(
    get, path = "/v1/statements/{payee_id}/{day}", tag = "settlement",
    params(("payee_id" = Uuid, Path), ("day" = NaiveDate, Path), StatementQuery),
    responses((status = 200, body = StatementView))
)]
async fn get_statement(
    State(settlement): State<Arc<Settlement>>,
    _: Finance,
    Path((payee_id, day)): Path<(Uuid, NaiveDate)>,
    Query(query): Query<StatementQuery>,
) -> Result<Json<StatementView>, Problem> {
    let statement = settlement.statement(query.payee.of(payee_id), day).await?;
    Ok(Json(StatementView::new((query.payee, payee_id), day, statement)))
}
