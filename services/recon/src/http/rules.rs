//! Rules of matching: versions, proposals, dry runs and decisions.

use super::Api;
use crate::app::change_rules::{self, DryRunView};
use crate::app::daily_error::DailyError;
use crate::domain::bill_line::BillScope;
use crate::store::matching_rules::{self, RulesState, RulesView};
use axum::extract::State;
use chrono::NaiveDate;
use edge::{FinanceChecker, FinanceMaker, FinanceReader, Json, Path, Problem, ProblemDocument, Query};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// Versions one answer holds.
const VERSIONS_MAX: i64 = 200;

/// Versions of rules, the newest of each scope first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RulesList {
    rules: Vec<RulesView>,
}

/// Every version of the matching rules.
#[utoipa::path(
    get, path = "/v1/finance/matching-rules", tag = "recon",
    responses((status = 200, body = RulesList)), security(("bearer" = []))
)]
pub(super) async fn list_rules(
    State(api): State<Api>,
    _reader: FinanceReader,
) -> Result<Json<RulesList>, Problem> {
    let rules = matching_rules::list(&api.desk.db, None, VERSIONS_MAX).await.map_err(DailyError::Db)?;
    Ok(Json(RulesList { rules }))
}

/// The next version of a scope's rules, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Proposing {
    scope: BillScope,
    /// With the next version's number in it.
    #[schema(value_type = Object)]
    rules: Value,
    reason: String,
}

/// Proposes the next version. Makers only.
#[utoipa::path(
    post, path = "/v1/finance/matching-rules", tag = "recon", request_body = Proposing,
    responses(
        (status = 201, body = RulesView), (status = 409, description = "matching-rules-not-next", body = ProblemDocument),
        (status = 422, description = "matching-rules-refused", body = ProblemDocument),
    ),
    security(("bearer" = []))
)]
pub(super) async fn propose_rules(
    State(api): State<Api>,
    maker: FinanceMaker,
    Json(body): Json<Proposing>,
) -> Result<(StatusCode, Json<RulesView>), Problem> {
    let by = (maker.sub, body.reason.as_str());
    let proposed = change_rules::propose(&api.desk.db, body.scope, &body.rules, by).await?;
    Ok((StatusCode::CREATED, Json(proposed)))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OnDay {
    day: NaiveDate,
    /// `channel` where it is missing.
    scope: Option<BillScope>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OfScope {
    /// `channel` where it is missing.
    scope: Option<BillScope>,
}

/// What a version would have done with a past day's lines. Keeps nothing.
#[utoipa::path(
    method(get, post), path = "/v1/finance/matching-rules/{version}/dry-run", tag = "recon",
    params(("version" = i32, Path), OnDay),
    responses((status = 200, body = DryRunView), (status = 404, body = ProblemDocument)),
    security(("bearer" = []))
)]
pub(super) async fn try_rules(
    State(api): State<Api>,
    _reader: FinanceReader,
    Path(version): Path<i32>,
    Query(on): Query<OnDay>,
) -> Result<Json<DryRunView>, Problem> {
    let scope = on.scope.unwrap_or(BillScope::Channel);
    let matching = api.daily.matching(on.day)?;
    Ok(Json(change_rules::try_out(&matching, (scope, version)).await?))
}

/// Puts a proposed version in force from the next run on. Checkers only, and never whoever proposed it.
#[utoipa::path(
    post, path = "/v1/finance/matching-rules/{version}/approve", tag = "recon",
    params(("version" = i32, Path), OfScope),
    responses(
        (status = 200, body = RulesView), (status = 403, description = "maker-is-checker", body = ProblemDocument),
        (status = 404, body = ProblemDocument),
    ),
    security(("bearer" = []))
)]
pub(super) async fn approve_rules(
    State(api): State<Api>,
    checker: FinanceChecker,
    Path(version): Path<i32>,
    Query(of): Query<OfScope>,
) -> Result<Json<RulesView>, Problem> {
    decide(&api, (of, version), RulesState::Approved, checker).await
}

/// Rejects a proposed version. Checkers only, and never whoever proposed it.
#[utoipa::path(
    post, path = "/v1/finance/matching-rules/{version}/reject", tag = "recon",
    params(("version" = i32, Path), OfScope),
    responses((status = 200, body = RulesView), (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument)),
    security(("bearer" = []))
)]
pub(super) async fn reject_rules(
    State(api): State<Api>,
    checker: FinanceChecker,
    Path(version): Path<i32>,
    Query(of): Query<OfScope>,
) -> Result<Json<RulesView>, Problem> {
    decide(&api, (of, version), RulesState::Rejected, checker).await
}

async fn decide(
    api: &Api,
    (of, version): (OfScope, i32),
    state: RulesState,
    checker: FinanceChecker,
) -> Result<Json<RulesView>, Problem> {
    let scope = of.scope.unwrap_or(BillScope::Channel);
    Ok(Json(change_rules::decide(&api.desk.db, (scope, version), state, checker.sub).await?))
}
