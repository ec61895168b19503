//! Limits changed while gifts come in: `/internal/quotas`, for SREs. A change holds on every node and over restarts,
//! until it is changed again or taken away.

use crate::app::limits::Limits;
use crate::domain::allowance::{Allowance, Bounded, scope_of};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, put};
use edge::{Json, Path, Problem, Sre};
use guard::Scope;
use ids::Uuid;
use serde::Serialize;
use std::sync::Arc;

/// One limit that was set by hand.
#[derive(Debug, Serialize)]
struct Limit {
    scope: &'static str,
    /// Missing where it holds for every one that has no limit of its own.
    id: Option<Uuid>,
    #[serde(flatten)]
    allowance: Allowance,
}

/// Every limit that was set by hand, as the node that answers follows it.
#[derive(Debug, Serialize)]
struct LimitList {
    limits: Vec<Limit>,
}

pub(crate) fn router(limits: Arc<Limits>) -> Router {
    Router::new()
        .route("/internal/quotas", get(list))
        .route("/internal/quotas/{scope}", put(set).delete(unset))
        .route("/internal/quotas/{scope}/{id}", put(set_for).delete(unset_for))
        .with_state(limits)
}

async fn list(_sre: Sre, State(limits): State<Arc<Limits>>) -> Json<LimitList> {
    let limit = |(bounded, allowance): (Bounded, Allowance)| Limit {
        scope: bounded.scope.as_str(),
        id: bounded.id,
        allowance,
    };
    Json(LimitList { limits: limits.list().into_iter().map(limit).collect() })
}

/// What every viewer or tenant may send, or every room may receive, from now on.
async fn set(
    sre: Sre,
    State(limits): State<Arc<Limits>>,
    Path(scope): Path<String>,
    Json(allowance): Json<Allowance>,
) -> Result<Json<Allowance>, Problem> {
    let bounded = Bounded { scope: known(&scope)?, id: None };
    limits.set(bounded, Some(allowance), sre.sub).await?;
    Ok(Json(allowance))
}

/// Every one may again what each node's configuration says.
async fn unset(
    sre: Sre,
    State(limits): State<Arc<Limits>>,
    Path(scope): Path<String>,
) -> Result<StatusCode, Problem> {
    limits.set(Bounded { scope: known(&scope)?, id: None }, None, sre.sub).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What one of them may, whatever the others may.
async fn set_for(
    sre: Sre,
    State(limits): State<Arc<Limits>>,
    Path((scope, id)): Path<(String, Uuid)>,
    Json(allowance): Json<Allowance>,
) -> Result<Json<Allowance>, Problem> {
    limits.set(one(&scope, id)?, Some(allowance), sre.sub).await?;
    Ok(Json(allowance))
}

/// One of them follows the others again.
async fn unset_for(
    sre: Sre,
    State(limits): State<Arc<Limits>>,
    Path((scope, id)): Path<(String, Uuid)>,
) -> Result<StatusCode, Problem> {
    limits.set(one(&scope, id)?, None, sre.sub).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn known(scope: &str) -> Result<Scope, Problem> {
    let problem =
        || Problem::not_found("no-such-quota", "There are quotas of a viewer, of a room and of a tenant.");
    scope_of(scope).ok_or_else(problem)
}

fn one(scope: &str, id: Uuid) -> Result<Bounded, Problem> {
    if id.is_nil() {
        // Stored, it would mean every one of them.
        return Err(Problem::rejected("bad-quota", "Nobody has the nil id.".to_owned()));
    }
    Ok(Bounded { scope: known(scope)?, id: Some(id) })
}
