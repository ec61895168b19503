//! The table `payout_requests`.

use crate::domain::payee_money::PayeeKey;
use crate::store::payouts::class_of_row;
use crate::store::unknown_code;
use contracts::payout::PayeeClass;
use ids::{PayoutBatchId, PayoutRequestId, Uuid};
use pg::Db;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use utoipa::ToSchema;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestState {
    Open,
    InBatch,
    Cancelled,
}

/// Money a payee asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PayoutRequest {
    pub request_id: PayoutRequestId,
    pub payee: PayeeClass,
    pub payee_id: Uuid,
    pub amount_minor: i64,
    pub state: RequestState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_id: Option<PayoutBatchId>,
}

impl PayoutRequest {
    pub(crate) const fn key(&self) -> PayeeKey {
        PayeeKey { class: self.payee, id: self.payee_id }
    }
}

const FIND: &str = "SELECT * FROM {s}.payout_requests WHERE request_id = $1";

const PAGE: &str = "
SELECT * FROM {s}.payout_requests WHERE ($1::uuid IS NULL OR request_id < $1) ORDER BY request_id DESC LIMIT $2";

const INSERT: &str = "
INSERT INTO {s}.payout_requests (request_id, payee_kind, payee_id, amount_minor, requested_by)
VALUES ($1, $2, $3, $4, $5)";

const CANCEL: &str = "UPDATE {s}.payout_requests SET state = 3 WHERE request_id = $1 AND state = 1";

const PAYEES: &str = "
SELECT DISTINCT payee_kind, payee_id FROM {s}.payout_requests WHERE state = 1
ORDER BY payee_kind, payee_id LIMIT $1";

const OPEN: &str = "
SELECT r.* FROM {s}.payout_requests r
JOIN unnest($1::smallint[], $2::uuid[]) AS k (kind, id) ON r.payee_kind = k.kind AND r.payee_id = k.id
WHERE r.state = 1 ORDER BY r.payee_kind, r.payee_id, r.request_id";

const PUT_IN_BATCH: &str = "
UPDATE {s}.payout_requests SET state = 2, batch_id = $1 WHERE request_id = ANY($2) AND state = 1";

const REOPEN: &str = "UPDATE {s}.payout_requests SET state = 1, batch_id = NULL WHERE batch_id = $1";

/// One request.
pub(crate) async fn find_request_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    request_id: PayoutRequestId,
) -> Result<Option<PayoutRequest>, sqlx::Error> {
    let row = sqlx::query(db.sql(FIND)).bind(request_id.uuid()).fetch_optional(tx).await?;
    row.as_ref().map(request_of_row).transpose()
}

/// Requests, newest first, before one of them.
pub(crate) async fn list_requests(
    db: &Db,
    before: Option<PayoutRequestId>,
    limit: i64,
) -> Result<Vec<PayoutRequest>, sqlx::Error> {
    let before = before.map(PayoutRequestId::uuid);
    let rows = sqlx::query(db.sql(PAGE)).bind(before).bind(limit).fetch_all(db.pool()).await?;
    rows.iter().map(request_of_row).collect()
}

/// Stores an open request.
pub(crate) async fn insert_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    request: &PayoutRequest,
    requested_by: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(db.sql(INSERT))
        .bind(request.request_id.uuid())
        .bind(request.payee.code())
        .bind(request.payee_id)
        .bind(request.amount_minor)
        .bind(requested_by)
        .execute(tx)
        .await?;
    Ok(())
}

/// Cancels an open request; says whether it did.
pub(crate) async fn cancel_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    request_id: PayoutRequestId,
) -> Result<bool, sqlx::Error> {
    Ok(sqlx::query(db.sql(CANCEL)).bind(request_id.uuid()).execute(tx).await?.rows_affected() == 1)
}

/// Payees with open requests, in the order of their keys.
pub(crate) async fn list_payees_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    limit: i64,
) -> Result<Vec<PayeeKey>, sqlx::Error> {
    let rows = sqlx::query(db.sql(PAYEES)).bind(limit).fetch_all(tx).await?;
    rows.iter().map(|row| Ok(PayeeKey { class: class_of_row(row)?, id: row.try_get("payee_id")? })).collect()
}

/// Open requests of some payees.
pub(crate) async fn list_open_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    keys: &[PayeeKey],
) -> Result<Vec<PayoutRequest>, sqlx::Error> {
    let rows = sqlx::query(db.sql(OPEN))
        .bind(keys.iter().map(|key| key.class.code()).collect::<Vec<_>>())
        .bind(keys.iter().map(|key| key.id).collect::<Vec<_>>())
        .fetch_all(tx)
        .await?;
    rows.iter().map(request_of_row).collect()
}

/// Puts open requests in a batch; says how many.
pub(crate) async fn put_in_batch_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    batch_id: PayoutBatchId,
    requests: &[Uuid],
) -> Result<u64, sqlx::Error> {
    let put = sqlx::query(db.sql(PUT_IN_BATCH)).bind(batch_id.uuid()).bind(requests);
    Ok(put.execute(tx).await?.rows_affected())
}

/// Opens the requests of a batch again.
pub(crate) async fn reopen_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    batch_id: PayoutBatchId,
) -> Result<(), sqlx::Error> {
    sqlx::query(db.sql(REOPEN)).bind(batch_id.uuid()).execute(tx).await?;
    Ok(())
}

fn request_of_row(row: &PgRow) -> Result<PayoutRequest, sqlx::Error> {
    let state = match row.try_get("state")? {
        1_i16 => RequestState::Open,
        2 => RequestState::InBatch,
        3 => RequestState::Cancelled,
        other => return Err(unknown_code("state", other)),
    };
    Ok(PayoutRequest {
        request_id: PayoutRequestId::from_uuid(row.try_get("request_id")?),
        payee: class_of_row(row)?,
        payee_id: row.try_get("payee_id")?,
        amount_minor: row.try_get("amount_minor")?,
        state,
        batch_id: row.try_get::<Option<Uuid>, _>("batch_id")?.map(PayoutBatchId::from_uuid),
    })
}
