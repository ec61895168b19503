//! The audit trail over HTTP: read, and verified.

use super::Api;
use crate::app::desk_error::DeskError;
use crate::app::verify_trail::verify_trail;
use crate::domain::chain::Anchor;
use crate::store::audit::{self, StepView};
use axum::extract::State;
use edge::{FinanceReader, Json, Problem, ProblemDocument, Query};
use serde::{Deserialize, Serialize};
use trail::Verified;
use utoipa::{IntoParams, ToSchema};

/// Rows one page may hold.
const PAGE_LEN_MAX: i64 = 500;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Only rows about this, such as a break's id.
    subject: Option<String>,
    /// Only rows before this seq; the newest where it is missing.
    before: Option<i64>,
    /// At most so many, from 1 to 500; 100 where it is missing.
    limit: Option<i64>,
}

/// A page of the trail, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Steps {
    steps: Vec<StepView>,
}

/// The trail, newest first.
#[utoipa::path(
    get, path = "/v1/finance/audit", tag = "recon", params(Wanted),
    responses((status = 200, body = Steps), (status = 422, body = ProblemDocument)),
    security(("bearer" = []))
)]
pub(super) async fn list_steps(
    State(api): State<Api>,
    _reader: FinanceReader,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Steps>, Problem> {
    let limit = wanted.limit.unwrap_or(100);
    if !(1..=PAGE_LEN_MAX).contains(&limit) {
        let detail = format!("limit is from 1 to {PAGE_LEN_MAX}");
        return Err(Problem::rejected("limit-out-of-range", detail).with("field", "limit"));
    }
    let steps = audit::list_steps(&api.desk.db, wanted.subject.as_deref(), wanted.before, limit).await;
    Ok(Json(Steps { steps: steps.map_err(DeskError::Db)? }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Against {
    /// A row known from elsewhere, as `seq:hash`.
    anchor: Option<String>,
}

/// Verifies the whole trail. 200 with a `fault` is the answer that it was tampered with.
#[utoipa::path(
    get, path = "/v1/finance/audit/verification", tag = "recon", params(Against),
    responses((status = 200, body = Verified), (status = 422, body = ProblemDocument)),
    security(("bearer" = []))
)]
pub(super) async fn verify(
    State(api): State<Api>,
    _reader: FinanceReader,
    Query(against): Query<Against>,
) -> Result<Json<Verified>, Problem> {
    let anchors = match against.anchor {
        None => Vec::new(),
        Some(text) => vec![text.parse::<Anchor>().map_err(|_| {
            Problem::rejected("anchor-malformed", "An anchor is a seq, a colon, and 64 hexadecimal digits.")
        })?],
    };
    Ok(Json(verify_trail(&api.desk.db, anchors).await.map_err(DeskError::Db)?))
}
