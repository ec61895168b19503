//! The gap pull over HTTP: rows of this process's logs for readers elsewhere, and for people who look closely.
//!
//! `GET /internal/logs/{log}/{partition}?after=SEQ&limit=N` with an internal token, or an SRE's. Any process
//! that reaches the owning service's tables can serve it.

use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, extract::State};
use contracts::entry::Entry;
use contracts::item::Item;
use contracts::log::{LogName, LogRow, Seq};
use contracts::order::Order;
use contracts::payment::Payment;
use contracts::payout::Payout;
use contracts::voucher::Voucher;
use edge::{InternalOrSre, Path, Problem, Query};
use ids::Partition;
use seqlog::LogSource;
use serde::Deserialize;
use std::sync::Arc;

/// Rows one answer carries, unless asked for fewer.
const ROWS_DEFAULT: i64 = 500;

/// Every log, as this process reads it.
#[derive(Clone)]
pub struct Logs {
    pub payments: Arc<dyn LogSource<Payment>>,
    pub entries: Arc<dyn LogSource<Entry>>,
    pub orders: Arc<dyn LogSource<Order>>,
    pub items: Arc<dyn LogSource<Item>>,
    pub payouts: Arc<dyn LogSource<Payout>>,
    pub vouchers: Arc<dyn LogSource<Voucher>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct From {
    after: Seq,
    limit: Option<i64>,
}

/// The routes, for an edge to wrap.
pub fn router(logs: Logs) -> Router {
    Router::new().route("/internal/logs/{log}/{partition}", get(read)).with_state(logs)
}

async fn read(
    State(logs): State<Logs>,
    _asker: InternalOrSre,
    Path((log, partition)): Path<(String, i64)>,
    Query(from): Query<From>,
) -> Result<Response, Problem> {
    let unknown = || Problem::not_found("no-such-log", "There is no such log or partition.");
    let log: LogName = log.parse().map_err(|_| unknown())?;
    let partition = Partition::try_new(partition).map_err(|_| unknown())?;
    match log {
        LogName::Payments => page(&*logs.payments, partition, &from).await,
        LogName::Entries => page(&*logs.entries, partition, &from).await,
        LogName::Orders => page(&*logs.orders, partition, &from).await,
        LogName::Items => page(&*logs.items, partition, &from).await,
        LogName::Payouts => page(&*logs.payouts, partition, &from).await,
        LogName::Vouchers => page(&*logs.vouchers, partition, &from).await,
    }
}

async fn page<R: LogRow>(
    source: &dyn LogSource<R>,
    partition: Partition,
    from: &From,
) -> Result<Response, Problem> {
    let limit = from.limit.unwrap_or(ROWS_DEFAULT);
    match source.read_after(partition, from.after.max(0), limit).await {
        Ok(page) => Ok(Json(page).into_response()),
        Err(error) => {
            tracing::warn!(%error, "a pull was not answered");
            let unavailable = axum::http::StatusCode::SERVICE_UNAVAILABLE;
            Err(Problem::new(unavailable, "log-unavailable", "The log cannot be read now; try again."))
        }
    }
}
