//! Rules of matching: versions that one person proposes and another decides.

use crate::domain::bill_line::BillScope;
use chrono::{DateTime, Utc};
use ids::Uuid;
use pg::Db;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use utoipa::ToSchema;

/// Where a version stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RulesState {
    Proposed,
    /// The newest approved version is in force.
    Approved,
    Rejected,
}

impl RulesState {
    const ALL: [RulesState; 3] = [RulesState::Proposed, RulesState::Approved, RulesState::Rejected];

    /// The number in the column `state`. Part of the stored format.
    pub const fn code(self) -> i16 {
        match self {
            RulesState::Proposed => 1,
            RulesState::Approved => 2,
            RulesState::Rejected => 3,
        }
    }
}

/// One version of one scope's rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RulesView {
    pub scope: BillScope,
    pub version: i32,
    #[schema(value_type = Object)]
    pub rules: Value,
    pub state: RulesState,
    /// Missing for what came with the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maker_id: Option<Uuid>,
    pub reason: String,
    pub proposed_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checker_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<DateTime<Utc>>,
}

const LIST: &str = "
SELECT * FROM {s}.matching_rules WHERE $1::smallint IS NULL OR scope = $1 ORDER BY scope, version DESC LIMIT $2";

/// Versions, the newest of each scope first.
///
/// # Errors
/// Whatever the database says.
pub async fn list(db: &Db, scope: Option<BillScope>, limit: i64) -> Result<Vec<RulesView>, sqlx::Error> {
    let list = sqlx::query(db.sql(LIST)).bind(scope.map(BillScope::code)).bind(limit);
    list.fetch_all(db.pool()).await?.iter().map(rules_of_row).collect()
}

const FIND: &str = "SELECT * FROM {s}.matching_rules WHERE scope = $1 AND version = $2";

/// One version.
///
/// # Errors
/// Whatever the database says.
pub async fn find(db: &Db, scope: BillScope, version: i32) -> Result<Option<RulesView>, sqlx::Error> {
    let find = sqlx::query(db.sql(FIND)).bind(scope.code()).bind(version);
    find.fetch_optional(db.pool()).await?.as_ref().map(rules_of_row).transpose()
}

const IN_FORCE: &str = "
SELECT * FROM {s}.matching_rules WHERE scope = $1 AND state = 2 ORDER BY version DESC LIMIT 1";

/// The version in force.
///
/// # Errors
/// Whatever the database says.
pub async fn find_in_force(db: &Db, scope: BillScope) -> Result<Option<RulesView>, sqlx::Error> {
    let find = sqlx::query(db.sql(IN_FORCE)).bind(scope.code());
    find.fetch_optional(db.pool()).await?.as_ref().map(rules_of_row).transpose()
}

const PROPOSE: &str = "
INSERT INTO {s}.matching_rules (scope, version, rules, maker_id, reason) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING RETURNING *";

/// Proposes a version; `None` where it is there, or another one is undecided.
///
/// # Errors
/// Whatever the database says.
pub async fn propose_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    (scope, version): (BillScope, i32),
    rules: &Value,
    (maker_id, reason): (Uuid, &str),
) -> Result<Option<RulesView>, sqlx::Error> {
    let propose = sqlx::query(db.sql(PROPOSE))
        .bind(scope.code())
        .bind(version)
        .bind(rules.clone())
        .bind(maker_id)
        .bind(reason.to_owned());
    propose.fetch_optional(tx).await?.as_ref().map(rules_of_row).transpose()
}

const DECIDE: &str = "
UPDATE {s}.matching_rules SET state = $3, checker_id = $4, decided_at = $5
WHERE scope = $1 AND version = $2 AND state = 1 RETURNING *";

/// Decides a version; `None` where it is decided already.
///
/// # Errors
/// Whatever the database says: a constraint where the checker is the maker.
pub async fn decide_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    (scope, version): (BillScope, i32),
    (state, checker_id): (RulesState, Uuid),
    now: DateTime<Utc>,
) -> Result<Option<RulesView>, sqlx::Error> {
    let decide = sqlx::query(db.sql(DECIDE))
        .bind(scope.code())
        .bind(version)
        .bind(state.code())
        .bind(checker_id)
        .bind(now);
    decide.fetch_optional(tx).await?.as_ref().map(rules_of_row).transpose()
}

fn rules_of_row(row: &PgRow) -> Result<RulesView, sqlx::Error> {
    let (scope, state): (i16, i16) = (row.try_get("scope")?, row.try_get("state")?);
    let state = RulesState::ALL.into_iter().find(|known| known.code() == state);
    Ok(RulesView {
        scope: BillScope::of_code(scope).ok_or(sqlx::Error::RowNotFound)?,
        version: row.try_get("version")?,
        rules: row.try_get("rules")?,
        state: state.ok_or(sqlx::Error::RowNotFound)?,
        maker_id: row.try_get("maker_id")?,
        reason: row.try_get("reason")?,
        proposed_at: row.try_get("proposed_at")?,
        checker_id: row.try_get("checker_id")?,
        decided_at: row.try_get("decided_at")?,
    })
}
