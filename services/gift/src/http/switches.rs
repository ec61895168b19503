//! Switches and limits that SREs set while gifts are sent: `/v1/switches`.

use super::State as Shared;
use crate::app::switches::SwitchState;
use crate::domain::switch::SwitchName;
use axum::extract::State;
use edge::{Json, Path, Problem, Sre};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// A switch and what it shall be on every node.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetSwitch {
    pub name: SwitchName,
    /// 0 and 1 are off and on; a limit is its number.
    pub value: i64,
}

/// Every switch, as it stands on the node that answers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SwitchList {
    pub switches: Vec<SwitchState>,
}

/// Every switch, as it stands on the node that answers.
#[utoipa::path(get, path = "/v1/switches", tag = "gift", responses((status = 200, body = SwitchList)))]
pub(super) async fn list_switches(State(state): State<Arc<Shared>>, _sre: Sre) -> Json<SwitchList> {
    Json(SwitchList { switches: state.switches.list() })
}

/// Sets a switch on every node.
#[utoipa::path(post, path = "/v1/switches", tag = "gift", request_body = SetSwitch,
    responses((status = 200, body = SwitchList), (status = 422, body = edge::ProblemDocument),
        (status = 503, body = edge::ProblemDocument)))]
pub(super) async fn set_switch(
    State(state): State<Arc<Shared>>,
    Sre { sub }: Sre,
    Json(SetSwitch { name, value }): Json<SetSwitch>,
) -> Result<Json<SwitchList>, Problem> {
    state.switches.set(name, Some(value), sub).await?;
    Ok(Json(SwitchList { switches: state.switches.list() }))
}

/// Leaves a switch to each node's configuration again.
#[utoipa::path(delete, path = "/v1/switches/{name}", tag = "gift", params(("name" = SwitchName, Path)),
    responses((status = 200, body = SwitchList), (status = 400, body = edge::ProblemDocument),
        (status = 503, body = edge::ProblemDocument)))]
pub(super) async fn clear_switch(
    State(state): State<Arc<Shared>>,
    Sre { sub }: Sre,
    Path(name): Path<SwitchName>,
) -> Result<Json<SwitchList>, Problem> {
    state.switches.set(name, None, sub).await?;
    Ok(Json(SwitchList { switches: state.switches.list() }))
}
