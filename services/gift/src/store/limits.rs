//! Limits that were set by hand, and the version that moves with every change of them.

use crate::domain::allowance::{Allowance, Bounded, scope_of};
use ids::Uuid;
use pg::Db;
use sqlx::{PgConnection, Row};

/// Reads the version: the one statement a look costs.
pub async fn read_version(db: &Db) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(db.sql("SELECT version FROM {s}.limit_versions")).fetch_one(db.pool()).await
}

const LIST: &str = "
SELECT v.version, l.scope, l.id, l.per_s, l.burst
FROM {s}.limit_versions v LEFT JOIN {s}.limits l ON true ORDER BY l.scope, l.id";

/// Every row with the version they are of, in one statement and so of one moment. What names a scope or has a number
/// that this program does not know is a row of nobody's.
pub async fn list(db: &Db) -> Result<(i64, Vec<(Bounded, Allowance)>), sqlx::Error> {
    let rows = sqlx::query(db.sql(LIST)).fetch_all(db.pool()).await?;
    let mut version = 0;
    let mut limits = Vec::new();
    for row in rows {
        version = row.try_get("version")?;
        let scope: Option<String> = row.try_get("scope")?;
        let Some(scope) = scope.as_deref().and_then(scope_of) else { continue };
        let id: Uuid = row.try_get("id")?;
        let number = |column: &str| -> Result<Option<u32>, sqlx::Error> {
            Ok(u32::try_from(row.try_get::<i64, _>(column)?).ok())
        };
        if let (Some(per_s), Some(burst)) = (number("per_s")?, number("burst")?) {
            limits.push((Bounded::of(scope, id), Allowance { per_s, burst }));
        }
    }
    Ok((version, limits))
}

const NEXT: &str = "UPDATE {s}.limit_versions SET version = version + 1 RETURNING version";

/// Takes the next version; other writers wait until this transaction ends.
pub async fn next_version_in_tx(tx: &mut PgConnection, db: &Db) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(db.sql(NEXT)).fetch_one(tx).await
}

const SET: &str = "
INSERT INTO {s}.limits (scope, id, per_s, burst, changed_by) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (scope, id) DO UPDATE SET per_s = $3, burst = $4, changed_by = $5, changed_at = now()";

const CLEAR: &str = "DELETE FROM {s}.limits WHERE scope = $1 AND id = $2";

/// Sets a limit by hand, or with `None` takes it away.
pub async fn set_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    (bounded, allowance): (Bounded, Option<Allowance>),
    by: Uuid,
) -> Result<(), sqlx::Error> {
    let (scope, id) = (bounded.scope.as_str(), bounded.id.unwrap_or_default());
    match allowance {
        Some(Allowance { per_s, burst }) => {
            let set = sqlx::query(db.sql(SET)).bind(scope).bind(id);
            set.bind(i64::from(per_s)).bind(i64::from(burst)).bind(by).execute(tx).await?
        }
        None => sqlx::query(db.sql(CLEAR)).bind(scope).bind(id).execute(tx).await?,
    };
    Ok(())
}

const COUNT: &str = "SELECT count(*) FROM {s}.limits WHERE id <> $1";

/// How many have a limit of their own.
pub async fn count_own_in_tx(tx: &mut PgConnection, db: &Db) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(db.sql(COUNT)).bind(Uuid::nil()).fetch_one(tx).await
}
