//! What is open, by age, over HTTP.

use super::Api;
use crate::app::desk_error::DeskError;
use crate::store::ageing::{self, AgeGroup};
use axum::extract::State;
use chrono::{DateTime, Utc};
use edge::{FinanceReader, Json, Problem};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// All breaks that are not closed, in groups of those that are alike.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Ages {
    as_of: DateTime<Utc>,
    groups: Vec<AgeGroup>,
}

/// Breaks that are not closed, counted by kind, severity, state and age in days.
#[utoipa::path(
    get, path = "/v1/finance/break-ages", tag = "recon", responses((status = 200, body = Ages)),
    security(("bearer" = []))
)]
pub(super) async fn list_ages(State(api): State<Api>, _reader: FinanceReader) -> Result<Json<Ages>, Problem> {
    let as_of = Utc::now();
    let groups = ageing::list_groups(&api.desk.db, as_of).await.map_err(DeskError::Db)?;
    Ok(Json(Ages { as_of, groups }))
}
