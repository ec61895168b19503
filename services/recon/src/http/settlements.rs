//! What channels have paid to us, by the banks' statements.

use super::Api;
use super::bills::PAGE_LEN_MAX;
use crate::app::daily_error::DailyError;
use crate::store::channel_settlements::{self, SettlementView};
use axum::extract::State;
use chrono::NaiveDate;
use edge::{FinanceReader, Json, Problem, ProblemDocument, Query};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Only what the run of this day matched.
    day: Option<NaiveDate>,
    channel: Option<String>,
    /// Only those that have no voucher yet.
    #[serde(default)]
    waiting: bool,
    /// Only those before this number; the newest where it is missing.
    before: Option<i64>,
    /// At most so many, from 1 to 500; 100 where it is missing.
    limit: Option<i64>,
}

/// A page of what channels have paid, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SettlementPage {
    settlements: Vec<SettlementView>,
    /// Ask for the next page with this as `before`.
    next_before: Option<i64>,
}

/// What channels have paid to us, newest first: each match of payments with lines of a bank's statement, what the channel
/// kept, and its voucher.
#[utoipa::path(
    get, path = "/v1/finance/channel-settlements", tag = "recon", params(Wanted),
    responses((status = 200, body = SettlementPage), (status = 422, body = ProblemDocument)),
    security(("bearer" = []))
)]
pub(super) async fn list_settlements(
    State(api): State<Api>,
    _reader: FinanceReader,
    Query(wanted): Query<Wanted>,
) -> Result<Json<SettlementPage>, Problem> {
    let limit = edge::page_len(wanted.limit, 100, PAGE_LEN_MAX)?;
    let of = channel_settlements::Wanted {
        run_day: wanted.day,
        channel: wanted.channel.as_deref(),
        is_waiting: wanted.waiting,
        before: wanted.before,
    };
    let listed = channel_settlements::list(&api.desk.db, of, limit).await.map_err(DailyError::Db)?;
    let is_full = i64::try_from(listed.len()).is_ok_and(|len| len == limit);
    let next_before = listed.last().map(|last| last.settlement_no).filter(|_| is_full);
    Ok(Json(SettlementPage { settlements: listed, next_before }))
}
