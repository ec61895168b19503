//! What clearing asks before it closes a period. Between processes of one system only.

use super::Api;
use crate::app::desk_error::DeskError;
use crate::store::closing::{Range, compared_until, count_open, list_not_run};
use axum::extract::State;
use chrono::{DateTime, NaiveDate, Utc};
use edge::{Internal, Json, Problem, Query};
use ids::Uuid;
use serde::{Deserialize, Serialize};

/// Some days, and the instants they begin and end at in the accounting zone of whoever asks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Days {
    first: NaiveDate,
    last: NaiveDate,
    begins_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
}

/// How some days stand.
#[derive(Serialize)]
pub(super) struct Closing {
    open_breaks: i64,
    critical_breaks: i64,
    /// The first ten critical ones.
    critical: Vec<Uuid>,
    /// Everything before this instant is compared; null until every pair of logs has been.
    compared_until: Option<DateTime<Utc>>,
    /// Days that no daily run has finished since their last file came in.
    days_not_run: Vec<NaiveDate>,
}

/// Open breaks of some days, how far minutes are compared, and which days no run has been through.
pub(super) async fn get_closing(
    State(api): State<Api>,
    _asker: Internal,
    Query(days): Query<Days>,
) -> Result<Json<Closing>, Problem> {
    let Days { first, last, begins_at, ends_at } = days;
    let db = &api.desk.db;
    let range = Range { first, last, begins_at, ends_at };
    let said = tokio::try_join!(count_open(db, range), compared_until(db), list_not_run(db, range));
    let ((open_breaks, critical_breaks, critical), compared_until, days_not_run) =
        said.map_err(DeskError::Db)?;
    Ok(Json(Closing { open_breaks, critical_breaks, critical, compared_until, days_not_run }))
}
