//! Contracts: lists, files in and out, approval.

use super::csv;
use crate::app::Settlement;
use crate::app::import_contracts::{Decision, Imported};
use crate::app::make_contract::MakeContract;
use crate::domain::contract::{Contract, Promo, Terms};
use crate::store::contract_imports::{ContractImport, ImportState};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use chrono::Utc;
use edge::{FinanceChecker, FinanceMaker, FinanceReader, Json, Path, Problem, Query, RawBody};
use ids::{AgencyId, ContractImportId, StreamerId, Uuid};
use money::Ppm;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, OpenApi, ToSchema};

#[derive(Clone, Debug, Serialize, ToSchema)]
struct ContractList {
    contracts: Vec<Contract>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
struct ImportList {
    imports: Vec<ContractImport>,
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
struct ExportQuery {
    /// Only this streamer's.
    streamer_id: Option<StreamerId>,
    /// Only versions after this streamer's `after_version`: what the header `Largesse-Next` said.
    after: Option<StreamerId>,
    after_version: Option<i32>,
}

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct ImportQuery {
    /// Only imports in this state.
    state: Option<ImportState>,
    /// Only imports before this one: the last of the page before.
    before: Option<ContractImportId>,
}

pub(super) fn router() -> Router<Arc<Settlement>> {
    Router::new()
        .route("/v1/contracts", get(list_contracts).post(make_contract))
        .route("/v1/finance/contracts.csv", get(export_contracts))
        .route("/v1/finance/contract-imports", get(list_imports).post(import_contracts))
        .route("/v1/finance/contract-imports/{import_id}/approve", post(approve_import))
        .route("/v1/finance/contract-imports/{import_id}/refuse", post(refuse_import))
}

#[derive(OpenApi)]
#[openapi(
    paths(
        list_contracts,
        make_contract,
        export_contracts,
        list_imports,
        import_contracts,
        approve_import,
        refuse_import
    ),
    components(schemas(
        Contract,
        Terms,
        Promo,
        MakeContract,
        ContractList,
        ImportList,
        ContractImport,
        ImportState,
        Imported,
        Ppm,
        StreamerId,
        AgencyId,
        ContractImportId
    ))
)]
pub(super) struct Api;

/// Versions of contracts by streamer, oldest first, at most 500.
#[utoipa::path(
    get, path = "/v1/contracts", tag = "settlement", params(ContractQuery),
    responses((status = 200, body = ContractList))
)]
async fn list_contracts(
    State(settlement): State<Arc<Settlement>>,
    _: FinanceReader,
    Query(query): Query<ContractQuery>,
) -> Result<Json<ContractList>, Problem> {
    let contracts = settlement.list_contracts(query.streamer_id, query.after).await?;
    Ok(Json(ContractList { contracts }))
}

/// Asks for a new version of a streamer's contract. In force from its day on, once another person has approved it.
#[utoipa::path(
    post, path = "/v1/contracts", tag = "settlement", request_body = MakeContract,
    responses(
        (status = 201, body = Imported), (status = 409, description = "contracts-changed"),
        (status = 422, description = "shares-not-whole, agency-missing, tax-not-borne, contracts-refused"),
    )
)]
async fn make_contract(
    State(settlement): State<Arc<Settlement>>,
    FinanceMaker { sub }: FinanceMaker,
    Json(ask): Json<MakeContract>,
) -> Result<(StatusCode, Json<Imported>), Problem> {
    let today = settlement.zone.day_of(Utc::now());
    let imported = settlement.import_contract(&ask, &sub.to_string(), today).await?;
    Ok((StatusCode::CREATED, Json(imported)))
}

/// Streamers' own contracts as CSV, every version, in the columns that an import reads. Where there is more, the
/// header `Largesse-Next` is the query of the next page.
#[utoipa::path(
    get, path = "/v1/finance/contracts.csv", tag = "settlement", params(ExportQuery),
    responses((status = 200, content_type = "text/csv", body = String))
)]
async fn export_contracts(
    State(settlement): State<Arc<Settlement>>,
    _: FinanceReader,
    Query(query): Query<ExportQuery>,
) -> Result<Response, Problem> {
    let after = (query.after.unwrap_or(StreamerId::from_uuid(Uuid::nil())), query.after_version.unwrap_or(0));
    let (text, next) = settlement.export_contracts(query.streamer_id, after).await?;
    Ok(csv(text, next.map(|(streamer, version)| format!("after={streamer}&after_version={version}"))))
}

/// Imports, newest first, at most 200.
#[utoipa::path(
    get, path = "/v1/finance/contract-imports", tag = "settlement", params(ImportQuery),
    responses((status = 200, body = ImportList))
)]
async fn list_imports(
    State(settlement): State<Arc<Settlement>>,
    _: FinanceReader,
    Query(query): Query<ImportQuery>,
) -> Result<Json<ImportList>, Problem> {
    Ok(Json(ImportList { imports: settlement.list_imports(query.state, query.before).await? }))
}

/// Reads contracts from CSV (`streamer_id, valid_from, agency_id, streamer_ppm, agency_ppm, platform_ppm, tax_ppm,
/// promo`): all of the file waits for approval, or nothing of it. The same file again brings nothing new.
#[utoipa::path(
    post, path = "/v1/finance/contract-imports", tag = "settlement",
    request_body(content = String, content_type = "text/csv"),
    responses(
        (status = 201, body = Imported), (status = 409, description = "contracts-changed"),
        (status = 422, description = "contracts-refused: names line and column of all that is wrong"),
    )
)]
async fn import_contracts(
    State(settlement): State<Arc<Settlement>>,
    FinanceMaker { sub }: FinanceMaker,
    RawBody(bytes): RawBody,
) -> Result<(StatusCode, Json<Imported>), Problem> {
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Problem::malformed("body-not-utf8", "The file must be text in UTF-8."))?;
    let today = settlement.zone.day_of(Utc::now());
    let imported = settlement.import_contracts(text, &sub.to_string(), today).await?;
    Ok((StatusCode::CREATED, Json(imported)))
}

/// Puts an import in force; another person than the one who made it.
#[utoipa::path(
    post, path = "/v1/finance/contract-imports/{import_id}/approve", tag = "settlement",
    params(("import_id" = Uuid, Path)),
    responses(
        (status = 200, body = ContractImport), (status = 403, description = "maker-is-checker"),
        (status = 404, description = "no-such-import"), (status = 409, description = "import-decided"),
        (status = 422, description = "contracts-refused: what has begun meanwhile cannot be approved"),
    )
)]
async fn approve_import(
    State(settlement): State<Arc<Settlement>>,
    FinanceChecker { sub }: FinanceChecker,
    Path(import_id): Path<ContractImportId>,
) -> Result<Json<ContractImport>, Problem> {
    let today = settlement.zone.day_of(Utc::now());
    let decided = settlement.decide_import(import_id, Decision::Approve, &sub.to_string(), today).await?;
    Ok(Json(decided))
}

/// Refuses an import: nothing of it will ever be in force.
#[utoipa::path(
    post, path = "/v1/finance/contract-imports/{import_id}/refuse", tag = "settlement",
    params(("import_id" = Uuid, Path)),
    responses(
        (status = 200, body = ContractImport), (status = 404, description = "no-such-import"),
        (status = 409, description = "import-decided"),
    )
)]
async fn refuse_import(
    State(settlement): State<Arc<Settlement>>,
    FinanceChecker { sub }: FinanceChecker,
    Path(import_id): Path<ContractImportId>,
) -> Result<Json<ContractImport>, Problem> {
    let today = settlement.zone.day_of(Utc::now());
    Ok(Json(settlement.decide_import(import_id, Decision::Refuse, &sub.to_string(), today).await?))
}
