//! The tables `contract_imports` and `contract_drafts`.

use crate::domain::contract_file::ContractLine;
use crate::store::contracts::{ppm_column, terms_of_row};
use crate::store::unknown_code;
use chrono::{DateTime, Utc};
use ids::{AgencyId, ContractImportId, StreamerId, Uuid};
use pg::Db;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use utoipa::ToSchema;

/// Whether an import is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImportState {
    Waiting,
    Approved,
    Refused,
}

impl ImportState {
    const fn code(self) -> i16 {
        match self {
            ImportState::Waiting => 1,
            ImportState::Approved => 2,
            ImportState::Refused => 3,
        }
    }
}

/// One file, or single contract, that brought something new.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ContractImport {
    pub import_id: ContractImportId,
    pub state: ImportState,
    pub contract_count: i64,
    pub created_by: String,
    pub created_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
}

const INSERT: &str = "INSERT INTO {s}.contract_imports (import_id, created_by) VALUES ($1, $2)";

const INSERT_DRAFTS: &str = "
INSERT INTO {s}.contract_drafts (import_id, line, streamer_id, valid_from, agency_id, streamer_ppm, agency_ppm,
    platform_ppm, tax_ppm, promo)
SELECT $1, d.* FROM unnest($2::integer[], $3::uuid[], $4::date[], $5::uuid[], $6::integer[], $7::integer[],
    $8::integer[], $9::integer[], $10::smallint[]) AS d";

const WAITING_OF_STREAMERS: &str =
    "SELECT * FROM {s}.contract_drafts WHERE is_open AND streamer_id = ANY($1)";

const DRAFTS: &str = "SELECT * FROM {s}.contract_drafts WHERE import_id = $1 ORDER BY line";

const FIND: &str = "
SELECT i.*, (SELECT count(*) FROM {s}.contract_drafts d WHERE d.import_id = i.import_id) AS contract_count
FROM {s}.contract_imports i WHERE i.import_id = $1";

const LOCK: &str = "SELECT created_by, state FROM {s}.contract_imports WHERE import_id = $1 FOR UPDATE";

const PAGE: &str = "
SELECT i.*, (SELECT count(*) FROM {s}.contract_drafts d WHERE d.import_id = i.import_id) AS contract_count
FROM {s}.contract_imports i
WHERE ($1::uuid IS NULL OR i.import_id < $1) AND ($3::smallint IS NULL OR i.state = $3)
ORDER BY i.import_id DESC LIMIT $2";

const DECIDE: &str = "
UPDATE {s}.contract_imports SET state = $2, decided_by = $3, decided_at = now()
WHERE import_id = $1 AND state = 1";

const CLOSE_DRAFTS: &str = "UPDATE {s}.contract_drafts SET is_open = false WHERE import_id = $1";

/// Stores an import and its drafts.
pub(crate) async fn insert_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    (import_id, created_by): (ContractImportId, &str),
    lines: &[ContractLine],
) -> Result<(), sqlx::Error> {
    fn column<T>(lines: &[ContractLine], of: impl Fn(&ContractLine) -> T) -> Vec<T> {
        lines.iter().map(of).collect()
    }
    sqlx::query(db.sql(INSERT)).bind(import_id.uuid()).bind(created_by).execute(&mut *tx).await?;
    sqlx::query(db.sql(INSERT_DRAFTS))
        .bind(import_id.uuid())
        .bind(column(lines, |line| line.line))
        .bind(column(lines, |line| line.streamer_id.uuid()))
        .bind(column(lines, |line| line.valid_from))
        .bind(column(lines, |line| line.terms.agency_id.map(AgencyId::uuid)))
        .bind(column(lines, |line| ppm_column(line.terms.streamer_ppm)))
        .bind(column(lines, |line| ppm_column(line.terms.agency_ppm)))
        .bind(column(lines, |line| ppm_column(line.terms.platform_ppm)))
        .bind(column(lines, |line| ppm_column(line.terms.tax_ppm)))
        .bind(column(lines, |line| line.terms.promo.code()))
        .execute(tx)
        .await?;
    Ok(())
}

/// Drafts of some streamers that wait.
pub(crate) async fn list_waiting_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    streamers: &[Uuid],
) -> Result<Vec<ContractLine>, sqlx::Error> {
    let rows = sqlx::query(db.sql(WAITING_OF_STREAMERS)).bind(streamers).fetch_all(tx).await?;
    rows.iter().map(line_of_row).collect()
}

/// The drafts of an import, by line.
pub(crate) async fn list_drafts_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    import_id: ContractImportId,
) -> Result<Vec<ContractLine>, sqlx::Error> {
    let rows = sqlx::query(db.sql(DRAFTS)).bind(import_id.uuid()).fetch_all(tx).await?;
    rows.iter().map(line_of_row).collect()
}

/// One import, held until the transaction ends: who made it, and its state.
pub(crate) async fn lock_import_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    import_id: ContractImportId,
) -> Result<Option<(String, ImportState)>, sqlx::Error> {
    let row = sqlx::query(db.sql(LOCK)).bind(import_id.uuid()).fetch_optional(tx).await?;
    row.map(|row| Ok((row.try_get("created_by")?, state_of_row(&row)?))).transpose()
}

/// Records who decided a waiting import, and how; its drafts wait no longer.
pub(crate) async fn decide_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    (import_id, state): (ContractImportId, ImportState),
    decided_by: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(db.sql(DECIDE))
        .bind(import_id.uuid())
        .bind(state.code())
        .bind(decided_by)
        .execute(&mut *tx)
        .await?;
    sqlx::query(db.sql(CLOSE_DRAFTS)).bind(import_id.uuid()).execute(tx).await?;
    Ok(())
}

/// One import.
pub(crate) async fn find_import(
    db: &Db,
    import_id: ContractImportId,
) -> Result<Option<ContractImport>, sqlx::Error> {
    let row = sqlx::query(db.sql(FIND)).bind(import_id.uuid()).fetch_optional(db.pool()).await?;
    row.as_ref().map(import_of_row).transpose()
}

/// Imports in one state, or in any, newest first, before one of them.
pub(crate) async fn list_imports(
    db: &Db,
    state: Option<ImportState>,
    before: Option<ContractImportId>,
    limit: i64,
) -> Result<Vec<ContractImport>, sqlx::Error> {
    let before = before.map(ContractImportId::uuid);
    let list = sqlx::query(db.sql(PAGE)).bind(before).bind(limit).bind(state.map(ImportState::code));
    let rows = list.fetch_all(db.pool()).await?;
    rows.iter().map(import_of_row).collect()
}

fn state_of_row(row: &PgRow) -> Result<ImportState, sqlx::Error> {
    match row.try_get("state")? {
        1_i16 => Ok(ImportState::Waiting),
        2 => Ok(ImportState::Approved),
        3 => Ok(ImportState::Refused),
        other => Err(unknown_code("state", other)),
    }
}

fn import_of_row(row: &PgRow) -> Result<ContractImport, sqlx::Error> {
    Ok(ContractImport {
        import_id: ContractImportId::from_uuid(row.try_get("import_id")?),
        state: state_of_row(row)?,
        contract_count: row.try_get("contract_count")?,
        created_by: row.try_get("created_by")?,
        created_at: row.try_get("created_at")?,
        decided_by: row.try_get("decided_by")?,
    })
}

fn line_of_row(row: &PgRow) -> Result<ContractLine, sqlx::Error> {
    Ok(ContractLine {
        line: row.try_get("line")?,
        streamer_id: StreamerId::from_uuid(row.try_get("streamer_id")?),
        valid_from: row.try_get("valid_from")?,
        terms: terms_of_row(row)?,
    })
}
