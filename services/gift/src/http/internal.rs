//! Internal routes: the orders keeper for other gift nodes, by their internal token. Viewers never reach them.

use crate::readers::desk::ReportDesk;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use contracts::log::Held;
use contracts::show::{Durable, REPORTS_MAX, Reports, ShowReports};
use edge::{Internal, Problem};
use seqlog::Holdings;
use std::sync::Arc;

/// The largest body of one request: 512 reports fit many times.
const BODY_BYTES_MAX: usize = 256 * 1024;

#[derive(Clone)]
struct Keeping {
    desk: Arc<ReportDesk>,
    holdings: Holdings,
}

pub(crate) fn router(desk: Arc<ReportDesk>, holdings: Holdings) -> Router {
    Router::new()
        .route("/internal/gift/kept", get(kept))
        .route("/internal/gift/show-reports", post(take_reports))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Keeping { desk, holdings })
}

/// What this node's keeper holds, from memory.
async fn kept(_peer: Internal, State(keeping): State<Keeping>) -> Json<Held> {
    Json(Held { held: keeping.holdings.list() })
}

/// Takes reports in; answers which of their orders are durable. The others are to be sent again.
async fn take_reports(
    _peer: Internal,
    State(keeping): State<Keeping>,
    edge::Json(body): edge::Json<Reports>,
) -> Result<Json<Durable>, Problem> {
    if body.reports.len() > REPORTS_MAX {
        return Err(Problem::rejected("too-many-reports", format!("At most {REPORTS_MAX} at once.")));
    }
    // One that came to the wrong node stays unacknowledged, and its sender asks again who keeps it.
    let (ours, _): (Vec<_>, Vec<_>) =
        body.reports.into_iter().partition(|report| keeping.desk.keeps(report.order_id.partition()));
    Ok(Json(Durable { durable: keeping.desk.report(ours).await }))
}
