//! Switches that were set by hand, and the version that moves with every change of them.

use crate::domain::switch::SwitchName;
use ids::Uuid;
use pg::Db;
use sqlx::{PgConnection, Row};

/// Reads the version: the one statement a look costs.
pub async fn read_version(db: &Db) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(db.sql("SELECT version FROM {s}.switch_versions")).fetch_one(db.pool()).await
}

const LIST: &str = "
SELECT v.version, s.name, s.value FROM {s}.switch_versions v LEFT JOIN {s}.switches s ON true ORDER BY s.name";

/// Every row with the version they are of, in one statement and so of one moment.
pub async fn list(db: &Db) -> Result<(i64, Vec<(String, i64)>), sqlx::Error> {
    let rows = sqlx::query(db.sql(LIST)).fetch_all(db.pool()).await?;
    let mut version = 0;
    let mut values = Vec::new();
    for row in rows {
        version = row.try_get("version")?;
        let name: Option<String> = row.try_get("name")?;
        if let Some(name) = name {
            values.push((name, row.try_get("value")?));
        }
    }
    Ok((version, values))
}

const NEXT: &str = "UPDATE {s}.switch_versions SET version = version + 1 RETURNING version";

/// Takes the next version; other writers wait until this transaction ends.
pub async fn next_version_in_tx(tx: &mut PgConnection, db: &Db) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(db.sql(NEXT)).fetch_one(tx).await
}

const SET: &str = "
INSERT INTO {s}.switches (name, value, changed_by) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET value = $2, changed_by = $3, changed_at = now()";

const CLEAR: &str = "DELETE FROM {s}.switches WHERE name = $1";

/// Sets a switch by hand, or with `None` leaves it to the configuration again.
pub async fn set_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    (name, value): (SwitchName, Option<i64>),
    by: Uuid,
) -> Result<(), sqlx::Error> {
    let name = name.as_str();
    match value {
        Some(value) => sqlx::query(db.sql(SET)).bind(name).bind(value).bind(by).execute(tx).await?,
        None => sqlx::query(db.sql(CLEAR)).bind(name).execute(tx).await?,
    };
    Ok(())
}
