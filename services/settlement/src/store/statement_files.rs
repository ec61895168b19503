//! Every line of the statements of some days, page by page: what a workbook of statements is made of.

use crate::domain::earning::Earning;
use crate::store::earnings::earning_of_row;
use crate::store::statement_lines::{StatementFilter, StatementLine};
use chrono::NaiveDate;
use ids::{StreamerId, Uuid};
use pg::Db;
use sqlx::Row;

/// A line with the statement it is of, and its place: day, payee, streamer, contract version.
pub(crate) type LinePlace = (NaiveDate, Uuid, Uuid, i32);

const LINES: &str = "
SELECT e.day, e.payee_id, e.streamer_id, e.contract_version, sum(e.gross_micro)::bigint AS gross_micro,
    sum(e.share_micro)::bigint AS share_micro, sum(e.clawback_micro)::bigint AS clawback_micro,
    sum(e.settled_count)::bigint AS settled_count, sum(e.reversed_count)::bigint AS reversed_count
FROM {s}.earnings e
WHERE e.payee_kind = $1 AND ($2::uuid IS NULL OR e.payee_id = $2) AND e.day BETWEEN $3 AND $4
    AND (e.day, e.payee_id, e.streamer_id, e.contract_version) > ($5, $6, $7, $8)
    AND EXISTS (SELECT FROM {s}.statements s
                WHERE s.payee_kind = e.payee_kind AND s.payee_id = e.payee_id AND s.day = e.day)
GROUP BY e.day, e.payee_id, e.streamer_id, e.contract_version
ORDER BY e.day, e.payee_id, e.streamer_id, e.contract_version LIMIT $9";

/// Lines of final statements, after one of them.
pub(crate) async fn list_lines(
    db: &Db,
    filter: StatementFilter,
    after: LinePlace,
    limit: i64,
) -> Result<Vec<(NaiveDate, Uuid, StatementLine)>, sqlx::Error> {
    let rows = sqlx::query(db.sql(LINES))
        .bind(filter.class.code())
        .bind(filter.payee_id)
        .bind(filter.from)
        .bind(filter.to)
        .bind(after.0)
        .bind(after.1)
        .bind(after.2)
        .bind(after.3)
        .bind(limit)
        .fetch_all(db.pool())
        .await?;
    rows.iter()
        .map(|row| {
            let Earning { gross, share, clawback, settled_count, reversed_count } = earning_of_row(row)?;
            let line = StatementLine {
                streamer_id: StreamerId::from_uuid(row.try_get("streamer_id")?),
                contract_version: row.try_get("contract_version")?,
                gross_micro: gross,
                share_micro: share,
                clawback_micro: clawback,
                settled_count,
                reversed_count,
            };
            Ok((row.try_get("day")?, row.try_get("payee_id")?, line))
        })
        .collect()
}
