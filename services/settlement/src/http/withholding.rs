//! Rules of withholding: in force, to be, and proposed.

use crate::app::Settlement;
use crate::app::change_withholding::ProposeWithholding;
use crate::app::import_contracts::Decision;
use crate::domain::withholding_terms::{BracketTerms, MethodTerms, WithholdingTerms};
use crate::store::withholding_proposals::{ProposalState, WithholdingProposal, WithholdingRuleView};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use chrono::Utc;
use edge::{FinanceChecker, FinanceMaker, FinanceReader, Json, Path, Problem};
use ids::Uuid;
use serde::Serialize;
use std::sync::Arc;
use utoipa::{OpenApi, ToSchema};

/// Rules and proposals, the newest first, at most 200 of each.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct WithholdingList {
    rules: Vec<WithholdingRuleView>,
    proposals: Vec<WithholdingProposal>,
}

pub(super) fn router() -> Router<Arc<Settlement>> {
    Router::new()
        .route("/v1/finance/withholding-rules", get(list_rules))
        .route("/v1/finance/withholding-proposals", post(propose_rule))
        .route("/v1/finance/withholding-proposals/{proposal_id}/approve", post(approve_rule))
        .route("/v1/finance/withholding-proposals/{proposal_id}/refuse", post(refuse_rule))
}

#[derive(OpenApi)]
#[openapi(
    paths(list_rules, propose_rule, approve_rule, refuse_rule),
    components(schemas(
        WithholdingList,
        WithholdingRuleView,
        WithholdingProposal,
        ProposalState,
        ProposeWithholding,
        WithholdingTerms,
        MethodTerms,
        BracketTerms
    ))
)]
pub(super) struct Api;

/// What is withheld of payouts: rules in force or to be, by kind of payee and day, and proposals of others.
#[utoipa::path(
    get, path = "/v1/finance/withholding-rules", tag = "settlement",
    responses((status = 200, body = WithholdingList))
)]
async fn list_rules(
    State(settlement): State<Arc<Settlement>>,
    _: FinanceReader,
) -> Result<Json<WithholdingList>, Problem> {
    let (rules, proposals) = settlement.list_withholding().await?;
    Ok(Json(WithholdingList { rules, proposals }))
}

/// Proposes a rule from a day to come on; another person approves it. The same id again is the same proposal.
#[utoipa::path(
    post, path = "/v1/finance/withholding-proposals", tag = "settlement", request_body = ProposeWithholding,
    responses(
        (status = 201, body = WithholdingProposal),
        (status = 409, description = "rule-day-taken, proposal-reused"),
        (status = 422, description = "withholding-rule-refused, day-not-to-come, reason-missing"),
    )
)]
async fn propose_rule(
    State(settlement): State<Arc<Settlement>>,
    FinanceMaker { sub }: FinanceMaker,
    Json(ask): Json<ProposeWithholding>,
) -> Result<(StatusCode, Json<WithholdingProposal>), Problem> {
    let today = settlement.zone.day_of(Utc::now());
    let kept = settlement.propose_withholding(&ask, &sub.to_string(), today).await?;
    Ok((StatusCode::CREATED, Json(kept)))
}

/// Puts a proposed rule in force from its day on; another person than the one who proposed it.
#[utoipa::path(
    post, path = "/v1/finance/withholding-proposals/{proposal_id}/approve", tag = "settlement",
    params(("proposal_id" = Uuid, Path)),
    responses(
        (status = 200, body = WithholdingProposal), (status = 403, description = "maker-is-checker"),
        (status = 404, description = "no-such-proposal"),
        (status = 409, description = "proposal-decided, rule-day-taken"),
        (status = 422, description = "day-not-to-come"),
    )
)]
async fn approve_rule(
    State(settlement): State<Arc<Settlement>>,
    FinanceChecker { sub }: FinanceChecker,
    Path(proposal_id): Path<Uuid>,
) -> Result<Json<WithholdingProposal>, Problem> {
    let today = settlement.zone.day_of(Utc::now());
    let by = sub.to_string();
    Ok(Json(settlement.decide_withholding(proposal_id, Decision::Approve, &by, today).await?))
}

/// Refuses a proposed rule: it will never be in force.
#[utoipa::path(
    post, path = "/v1/finance/withholding-proposals/{proposal_id}/refuse", tag = "settlement",
    params(("proposal_id" = Uuid, Path)),
    responses(
        (status = 200, body = WithholdingProposal), (status = 404, description = "no-such-proposal"),
        (status = 409, description = "proposal-decided"),
    )
)]
async fn refuse_rule(
    State(settlement): State<Arc<Settlement>>,
    FinanceChecker { sub }: FinanceChecker,
    Path(proposal_id): Path<Uuid>,
) -> Result<Json<WithholdingProposal>, Problem> {
    let today = settlement.zone.day_of(Utc::now());
    let by = sub.to_string();
    Ok(Json(settlement.decide_withholding(proposal_id, Decision::Refuse, &by, today).await?))
}
