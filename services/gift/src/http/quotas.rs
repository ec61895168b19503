//! Quotas changed while gifts come in: `/internal/quotas`, for SREs. A change holds on this node until it stops; what
//! shall hold everywhere and after a restart belongs into the configuration, too.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::put;
use edge::{Json, Path, Problem, Sre};
use guard::{Quotas, Rate, RateError, Scope};
use ids::Uuid;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// Gifts in a second, and how many of them may come at once.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Allowance {
    /// 0 means any number.
    per_s: u32,
    /// At least 1, where `per_s` is.
    burst: u32,
}

pub(crate) fn router(quotas: Arc<Quotas>) -> Router {
    Router::new()
        .route("/internal/quotas/{scope}", put(set))
        .route("/internal/quotas/{scope}/{id}", put(set_for).delete(unset_for))
        .with_state(quotas)
}

/// What every viewer or tenant may send, or every room may receive, from now on.
async fn set(
    sre: Sre,
    State(quotas): State<Arc<Quotas>>,
    Path(scope): Path<String>,
    Json(allowance): Json<Allowance>,
) -> Result<Json<Allowance>, Problem> {
    let scope = scope_of(&scope)?;
    quotas.set(scope, rate_of(allowance)?);
    tracing::info!(sre = %sre.sub, scope = scope.as_str(), ?allowance, "a quota was changed");
    Ok(Json(allowance))
}

/// What one of them may, whatever the others may.
async fn set_for(
    sre: Sre,
    State(quotas): State<Arc<Quotas>>,
    Path((scope, id)): Path<(String, Uuid)>,
    Json(allowance): Json<Allowance>,
) -> Result<Json<Allowance>, Problem> {
    let scope = scope_of(&scope)?;
    quotas.set_for(scope, id.as_u128(), rate_of(allowance)?).map_err(bad_rate)?;
    tracing::info!(sre = %sre.sub, scope = scope.as_str(), %id, ?allowance, "one quota was changed");
    Ok(Json(allowance))
}

/// One of them follows the others again.
async fn unset_for(
    sre: Sre,
    State(quotas): State<Arc<Quotas>>,
    Path((scope, id)): Path<(String, Uuid)>,
) -> Result<StatusCode, Problem> {
    let scope = scope_of(&scope)?;
    quotas.unset_for(scope, id.as_u128());
    tracing::info!(sre = %sre.sub, scope = scope.as_str(), %id, "one quota follows the others again");
    Ok(StatusCode::NO_CONTENT)
}

fn scope_of(name: &str) -> Result<Scope, Problem> {
    match name {
        "viewer" => Ok(Scope::Viewer),
        "room" => Ok(Scope::Room),
        "tenant" => Ok(Scope::Tenant),
        _ => Err(Problem::not_found(
            "no-such-quota",
            "There are quotas of a viewer, of a room and of a tenant.",
        )),
    }
}

fn rate_of(Allowance { per_s, burst }: Allowance) -> Result<Option<Rate>, Problem> {
    if per_s == 0 {
        return Ok(None);
    }
    Rate::try_new(per_s, Duration::from_secs(1), burst).map(Some).map_err(bad_rate)
}

fn bad_rate(error: RateError) -> Problem {
    Problem::rejected("bad-quota", format!("The quota cannot be set: {error}."))
}
