//! The tables `payout_batches` and `payout_lines`. States change by compare-and-set, figures never.

use crate::domain::payout::{Batch, BatchState, Line, LineState};
use crate::store::payouts::class_of_row;
use crate::store::unknown_code;
use ids::{PayoutBatchId, PayoutLineId, Uuid};
use pg::Db;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

const INSERT: &str = "
INSERT INTO {s}.payout_batches (batch_id, day, currency, line_count, gross_minor, tax_minor, net_minor, lines_hash,
    built_by, built_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

const INSERT_LINES: &str = "
INSERT INTO {s}.payout_lines (batch_id, line, line_id, payee_kind, payee_id, gross_minor, tax_minor, net_minor,
    rule_id, account_id)
SELECT $1, l.* FROM unnest($2::integer[], $3::uuid[], $4::smallint[], $5::uuid[], $6::bigint[], $7::bigint[],
    $8::bigint[], $9::integer[], $10::uuid[]) AS l";

const LOCK: &str = "SELECT * FROM {s}.payout_batches WHERE batch_id = $1 FOR UPDATE";

const FIND: &str = "SELECT * FROM {s}.payout_batches WHERE batch_id = $1";

const PAGE: &str = "
SELECT * FROM {s}.payout_batches
WHERE ($1::uuid IS NULL OR batch_id < $1) AND ($3::smallint IS NULL OR state = $3) ORDER BY batch_id DESC LIMIT $2";

const LINES: &str = "
SELECT l.*, a.holder, a.account_no, a.bank_code FROM {s}.payout_lines l JOIN {s}.payee_accounts a USING (account_id)
WHERE l.batch_id = $1 ORDER BY l.line";

const LINES_PAGE: &str = "
SELECT l.*, a.holder, a.account_no, a.bank_code FROM {s}.payout_lines l JOIN {s}.payee_accounts a USING (account_id)
WHERE l.batch_id = $1 AND l.line > $2 ORDER BY l.line LIMIT $3";

const MOVE_TO: &str = "
UPDATE {s}.payout_batches SET state = $3,
    approved_by = CASE WHEN $3 = 2 THEN $4 ELSE approved_by END,
    approved_at = CASE WHEN $3 = 2 THEN now() ELSE approved_at END,
    submitted_by = CASE WHEN $3 = 3 THEN $4 ELSE submitted_by END,
    submitted_at = CASE WHEN $3 = 3 THEN now() ELSE submitted_at END
WHERE batch_id = $1 AND state = $2";

const MOVE_LINES: &str = "
UPDATE {s}.payout_lines SET state = $3, ended_at = CASE WHEN $3 = 5 THEN now() ELSE ended_at END
WHERE batch_id = $1 AND state = $2";

const END_LINES: &str = "
UPDATE {s}.payout_lines l SET state = e.state, reason = e.reason, ended_at = now()
FROM unnest($2::integer[], $3::smallint[], $4::text[]) AS e (line, state, reason)
WHERE l.batch_id = $1 AND l.line = e.line AND l.state = 2";

const ANY_OPEN: &str = "SELECT EXISTS (SELECT FROM {s}.payout_lines WHERE batch_id = $1 AND state = 2)";

/// Stores a batch with its lines. `accounts` are the lines' accounts.
pub(crate) async fn insert_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    batch: &Batch,
    lines: &[(Line, Uuid)],
) -> Result<(), sqlx::Error> {
    fn column<T>(lines: &[(Line, Uuid)], of: impl Fn(&Line) -> T) -> Vec<T> {
        lines.iter().map(|(line, _)| of(line)).collect()
    }
    sqlx::query(db.sql(INSERT))
        .bind(batch.batch_id.uuid())
        .bind(batch.day)
        .bind(&batch.currency)
        .bind(batch.line_count)
        .bind(batch.gross_minor)
        .bind(batch.tax_minor)
        .bind(batch.net_minor)
        .bind(&batch.lines_hash)
        .bind(&batch.built_by)
        .bind(batch.built_at)
        .execute(&mut *tx)
        .await?;
    sqlx::query(db.sql(INSERT_LINES))
        .bind(batch.batch_id.uuid())
        .bind(column(lines, |line| line.line))
        .bind(column(lines, |line| line.line_id.uuid()))
        .bind(column(lines, |line| line.payee.code()))
        .bind(column(lines, |line| line.payee_id))
        .bind(column(lines, |line| line.gross_minor))
        .bind(column(lines, |line| line.tax_minor))
        .bind(column(lines, |line| line.net_minor))
        .bind(column(lines, |line| line.rule_id))
        .bind(lines.iter().map(|(_, account)| *account).collect::<Vec<_>>())
        .execute(tx)
        .await?;
    Ok(())
}

/// One batch, held until the transaction ends.
pub(crate) async fn lock_batch_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    batch_id: PayoutBatchId,
) -> Result<Option<Batch>, sqlx::Error> {
    let row = sqlx::query(db.sql(LOCK)).bind(batch_id.uuid()).fetch_optional(tx).await?;
    row.as_ref().map(batch_of_row).transpose()
}

/// One batch.
pub(crate) async fn find_batch(db: &Db, batch_id: PayoutBatchId) -> Result<Option<Batch>, sqlx::Error> {
    let row = sqlx::query(db.sql(FIND)).bind(batch_id.uuid()).fetch_optional(db.pool()).await?;
    row.as_ref().map(batch_of_row).transpose()
}

/// Batches in one state, or in any, newest first, before one of them.
pub(crate) async fn list_batches(
    db: &Db,
    state: Option<BatchState>,
    before: Option<PayoutBatchId>,
    limit: i64,
) -> Result<Vec<Batch>, sqlx::Error> {
    let before = before.map(PayoutBatchId::uuid);
    let list = sqlx::query(db.sql(PAGE)).bind(before).bind(limit).bind(state.map(BatchState::code));
    let rows = list.fetch_all(db.pool()).await?;
    rows.iter().map(batch_of_row).collect()
}

/// The lines of a batch, by their numbers.
pub(crate) async fn list_lines_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    batch_id: PayoutBatchId,
) -> Result<Vec<Line>, sqlx::Error> {
    let rows = sqlx::query(db.sql(LINES)).bind(batch_id.uuid()).fetch_all(tx).await?;
    rows.iter().map(line_of_row).collect()
}

/// Some lines of a batch, by their numbers: those after one of them, at most `limit`.
pub(crate) async fn list_lines_after(
    db: &Db,
    batch_id: PayoutBatchId,
    after: i32,
    limit: i64,
) -> Result<Vec<Line>, sqlx::Error> {
    let list = sqlx::query(db.sql(LINES_PAGE)).bind(batch_id.uuid()).bind(after).bind(limit);
    list.fetch_all(db.pool()).await?.iter().map(line_of_row).collect()
}

/// Moves a batch from one state to another; says whether it did. `by` is kept for approvals and submissions.
pub(crate) async fn move_batch_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    batch_id: PayoutBatchId,
    (from, to): (BatchState, BatchState),
    by: &str,
) -> Result<bool, sqlx::Error> {
    let moved = sqlx::query(db.sql(MOVE_TO)).bind(batch_id.uuid()).bind(from.code()).bind(to.code()).bind(by);
    Ok(moved.execute(tx).await?.rows_affected() == 1)
}

/// Moves every line of a batch that is in one state to another; says how many.
pub(crate) async fn move_lines_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    batch_id: PayoutBatchId,
    (from, to): (LineState, LineState),
) -> Result<u64, sqlx::Error> {
    let moved = sqlx::query(db.sql(MOVE_LINES)).bind(batch_id.uuid()).bind(from.code()).bind(to.code());
    Ok(moved.execute(tx).await?.rows_affected())
}

/// Ends submitted lines as the bank says; says how many.
pub(crate) async fn end_lines_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    batch_id: PayoutBatchId,
    ended: &[(i32, LineState, Option<String>)],
) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(db.sql(END_LINES))
        .bind(batch_id.uuid())
        .bind(ended.iter().map(|(line, ..)| *line).collect::<Vec<_>>())
        .bind(ended.iter().map(|(_, state, _)| state.code()).collect::<Vec<_>>())
        .bind(ended.iter().map(|(.., reason)| reason.clone()).collect::<Vec<_>>());
    Ok(done.execute(tx).await?.rows_affected())
}

/// Whether the bank has not said anything of some line yet.
pub(crate) async fn is_any_line_open_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    batch_id: PayoutBatchId,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(db.sql(ANY_OPEN)).bind(batch_id.uuid()).fetch_one(tx).await
}

fn batch_of_row(row: &PgRow) -> Result<Batch, sqlx::Error> {
    let state: i16 = row.try_get("state")?;
    Ok(Batch {
        batch_id: PayoutBatchId::from_uuid(row.try_get("batch_id")?),
        state: BatchState::of_code(state).ok_or_else(|| unknown_code("state", state))?,
        day: row.try_get("day")?,
        currency: row.try_get("currency")?,
        line_count: row.try_get("line_count")?,
        gross_minor: row.try_get("gross_minor")?,
        tax_minor: row.try_get("tax_minor")?,
        net_minor: row.try_get("net_minor")?,
        lines_hash: row.try_get("lines_hash")?,
        built_by: row.try_get("built_by")?,
        built_at: row.try_get("built_at")?,
        approved_by: row.try_get("approved_by")?,
        submitted_by: row.try_get("submitted_by")?,
    })
}

fn line_of_row(row: &PgRow) -> Result<Line, sqlx::Error> {
    let state: i16 = row.try_get("state")?;
    Ok(Line {
        line: row.try_get("line")?,
        line_id: PayoutLineId::from_uuid(row.try_get("line_id")?),
        state: LineState::of_code(state).ok_or_else(|| unknown_code("state", state))?,
        payee: class_of_row(row)?,
        payee_id: row.try_get("payee_id")?,
        gross_minor: row.try_get("gross_minor")?,
        tax_minor: row.try_get("tax_minor")?,
        net_minor: row.try_get("net_minor")?,
        rule_id: row.try_get("rule_id")?,
        holder: row.try_get("holder")?,
        account_no: row.try_get("account_no")?,
        bank_code: row.try_get("bank_code")?,
        reason: row.try_get("reason")?,
    })
}
