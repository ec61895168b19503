//! The lines of refund cases: each sent to the wallet under its own request id, and its outcome kept once.

use crate::domain::refund_case::NewLine;
use chrono::{DateTime, Utc};
use contracts::entry::Funds;
use ids::{OrderId, RequestId, StreamerId, Uuid, ViewerId};
use money::Coins;
use pg::Db;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use utoipa::ToSchema;

/// A line as finance sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LineView {
    /// The file's line; from 1 in other cases.
    pub line: i32,
    pub order_id: OrderId,
    pub viewer_id: ViewerId,
    pub streamer_id: StreamerId,
    /// Missing: all that is left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount_coins: Option<Coins>,
    /// What it would have given back when it was asked for.
    pub asked_coins: Coins,
    pub reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Uuid>,
    /// `accepted`, or why nothing came back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    pub paid_coins: Coins,
    pub promo_coins: Coins,
    pub attempts: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
}

/// A line whose refund is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineDue {
    pub case_id: Uuid,
    pub line: i32,
    pub order_id: OrderId,
    pub viewer_id: ViewerId,
    pub amount_coins: Option<Coins>,
    pub request_id: RequestId,
    pub attempts: i32,
}

/// How sending one went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The wallet has decided, for good.
    Ended { outcome: String, funds: Funds },
    /// Nobody knows; it is sent again.
    Unanswered { why: String, next_at: DateTime<Utc> },
}

const INSERT: &str = "
INSERT INTO {s}.refund_lines (case_id, line, order_id, viewer_id, streamer_id, amount_coins, asked_coins, reason)
SELECT $1, * FROM unnest($2::integer[], $3::uuid[], $4::uuid[], $5::uuid[], $6::bigint[], $7::bigint[], $8::text[])";

/// Stores the lines of a new case.
pub async fn insert_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    case_id: Uuid,
    lines: &[NewLine],
) -> Result<(), sqlx::Error> {
    sqlx::query(db.sql(INSERT))
        .bind(case_id)
        .bind(lines.iter().map(|line| line.line).collect::<Vec<_>>())
        .bind(lines.iter().map(|line| line.order_id.uuid()).collect::<Vec<_>>())
        .bind(lines.iter().map(|line| line.viewer_id.uuid()).collect::<Vec<_>>())
        .bind(lines.iter().map(|line| line.streamer_id.uuid()).collect::<Vec<_>>())
        .bind(lines.iter().map(|line| line.amount_coins.map(Coins::get)).collect::<Vec<_>>())
        .bind(lines.iter().map(|line| line.asked_coins.get()).collect::<Vec<_>>())
        .bind(lines.iter().map(|line| line.reason.as_str()).collect::<Vec<_>>())
        .execute(tx)
        .await?;
    Ok(())
}

const OWNERS: &str = "SELECT line, order_id FROM {s}.refund_lines WHERE case_id = $1 ORDER BY line";

/// The orders of a case, by line.
pub async fn list_orders_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    case_id: Uuid,
) -> Result<Vec<(i32, OrderId)>, sqlx::Error> {
    let rows = sqlx::query(db.sql(OWNERS)).bind(case_id).fetch_all(tx).await?;
    rows.iter().map(|row| Ok((row.try_get("line")?, OrderId::from_uuid(row.try_get("order_id")?)))).collect()
}

const INTEND: &str = "
UPDATE {s}.refund_lines l SET request_id = i.request_id, next_at = now()
FROM unnest($2::integer[], $3::uuid[]) AS i (line, request_id) WHERE l.case_id = $1 AND l.line = i.line";

/// Gives each line the request id it is sent under, with the approval.
pub async fn intend_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    case_id: Uuid,
    requests: &[(i32, RequestId)],
) -> Result<(), sqlx::Error> {
    sqlx::query(db.sql(INTEND))
        .bind(case_id)
        .bind(requests.iter().map(|(line, _)| *line).collect::<Vec<_>>())
        .bind(requests.iter().map(|(_, request_id)| request_id.uuid()).collect::<Vec<_>>())
        .execute(tx)
        .await?;
    Ok(())
}

const LIST_DUE: &str = "
SELECT case_id, line, order_id, viewer_id, amount_coins, request_id, attempts FROM {s}.refund_lines
WHERE outcome IS NULL AND request_id IS NOT NULL AND next_at <= now() ORDER BY next_at, case_id, line LIMIT $1";

/// Lines to be sent now, those that wait longest first.
pub async fn list_due(db: &Db, limit: i64) -> Result<Vec<LineDue>, sqlx::Error> {
    let rows = sqlx::query(db.sql(LIST_DUE)).bind(limit).fetch_all(db.pool()).await?;
    let due = |row: &PgRow| {
        Ok(LineDue {
            case_id: row.try_get("case_id")?,
            line: row.try_get("line")?,
            order_id: OrderId::from_uuid(row.try_get("order_id")?),
            viewer_id: ViewerId::from_uuid(row.try_get("viewer_id")?),
            amount_coins: amount_of(row)?,
            request_id: RequestId::from_uuid(row.try_get("request_id")?),
            attempts: row.try_get("attempts")?,
        })
    };
    rows.iter().map(due).collect()
}

const SAVE: &str = "
UPDATE {s}.refund_lines l SET outcome = a.outcome, paid_coins = a.paid, promo_coins = a.promo,
    last_error = a.error, next_at = coalesce(a.next_at, l.next_at), attempts = l.attempts + 1,
    ended_at = CASE WHEN a.outcome IS NULL THEN NULL ELSE now() END
FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::timestamptz[])
    AS a (case_id, line, outcome, paid, promo, error, next_at)
WHERE l.case_id = a.case_id AND l.line = a.line AND l.outcome IS NULL";

/// Keeps how sending went. A line that has its outcome keeps it.
pub async fn save_sent(db: &Db, sent: &[(LineDue, Sent)]) -> Result<(), sqlx::Error> {
    fn column<T>(sent: &[(LineDue, Sent)], of: impl Fn(&Sent) -> T) -> Vec<T> {
        sent.iter().map(|(_, sent)| of(sent)).collect()
    }
    let funds = |sent: &Sent| match sent {
        Sent::Ended { funds, .. } => *funds,
        Sent::Unanswered { .. } => Funds::default(),
    };
    sqlx::query(db.sql(SAVE))
        .bind(sent.iter().map(|(line, _)| line.case_id).collect::<Vec<_>>())
        .bind(sent.iter().map(|(line, _)| line.line).collect::<Vec<_>>())
        .bind(column(sent, |sent| match sent {
            Sent::Ended { outcome, .. } => Some(outcome.clone()),
            Sent::Unanswered { .. } => None,
        }))
        .bind(column(sent, |sent| funds(sent).paid_coins.get()))
        .bind(column(sent, |sent| funds(sent).promo_coins.get()))
        .bind(column(sent, |sent| match sent {
            Sent::Ended { .. } => None,
            Sent::Unanswered { why, .. } => Some(why.clone()),
        }))
        .bind(column(sent, |sent| match sent {
            Sent::Ended { .. } => None,
            Sent::Unanswered { next_at, .. } => Some(*next_at),
        }))
        .execute(db.pool())
        .await?;
    Ok(())
}

const LIST: &str = "
SELECT * FROM {s}.refund_lines WHERE case_id = $1 AND line > $2 ORDER BY line LIMIT $3";

/// Lines of a case, after one of them.
pub async fn list(db: &Db, case_id: Uuid, (after, limit): (i32, i64)) -> Result<Vec<LineView>, sqlx::Error> {
    let rows = sqlx::query(db.sql(LIST)).bind(case_id).bind(after).bind(limit).fetch_all(db.pool()).await?;
    rows.iter().map(line_of).collect()
}

fn amount_of(row: &PgRow) -> Result<Option<Coins>, sqlx::Error> {
    let amount: Option<i64> = row.try_get("amount_coins")?;
    amount.map(|coins| Coins::try_new(coins).map_err(|e| sqlx::Error::Decode(e.into()))).transpose()
}

fn line_of(row: &PgRow) -> Result<LineView, sqlx::Error> {
    let coins =
        |column: &str| Coins::try_new(row.try_get(column)?).map_err(|e| sqlx::Error::Decode(e.into()));
    Ok(LineView {
        line: row.try_get("line")?,
        order_id: OrderId::from_uuid(row.try_get("order_id")?),
        viewer_id: ViewerId::from_uuid(row.try_get("viewer_id")?),
        streamer_id: StreamerId::from_uuid(row.try_get("streamer_id")?),
        amount_coins: amount_of(row)?,
        asked_coins: coins("asked_coins")?,
        reason: row.try_get("reason")?,
        request_id: row.try_get("request_id")?,
        outcome: row.try_get("outcome")?,
        paid_coins: coins("paid_coins")?,
        promo_coins: coins("promo_coins")?,
        attempts: row.try_get("attempts")?,
        last_error: row.try_get("last_error")?,
        ended_at: row.try_get("ended_at")?,
    })
}
