//! Migrations: the same files for the live schema and for a shadow run's.

use crate::{Db, PgError};
use contracts::lane::Lane;
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Executor};

/// Brings one service's schema up to date: the files of each migrator in turn, unqualified table names,
/// `search_path` set to the schema. Forward only. A shadow schema loses the constraints that refuse its ids.
///
/// # Errors
/// [`PgError::Schema`] or [`PgError::Migrate`]; what ran before stays and is not run again.
pub async fn migrate(db: &Db, migrators: &[&Migrator]) -> Result<(), PgError> {
    let schema = db.schema().to_owned();
    let failed = |source: sqlx::Error| PgError::Schema { schema: schema.clone(), source };
    let mut connection = db.pool().acquire().await.map_err(failed)?;
    let prepare = format!("CREATE SCHEMA IF NOT EXISTS {schema}; SET search_path = {schema}");
    connection.execute(sqlx::raw_sql(AssertSqlSafe(prepare))).await.map_err(failed)?;
    let mut outcome = Ok(());
    for migrator in migrators {
        // One table of versions serves all migrators of a schema.
        let mut files = Migrator::with_migrations(migrator.iter().cloned().collect());
        files.set_ignore_missing(true);
        outcome = files.run(&mut *connection).await;
        if outcome.is_err() {
            break;
        }
    }
    if outcome.is_ok() && *db.lane() != Lane::Live {
        let drop = DROP_LIVE_ONLY.replace("{s}", &schema);
        connection.execute(sqlx::raw_sql(AssertSqlSafe(drop))).await.map_err(failed)?;
    }
    connection.execute(sqlx::raw_sql("RESET search_path")).await.map_err(failed)?;
    outcome.map_err(|source| PgError::Migrate { schema, source })
}

const DROP_LIVE_ONLY: &str = "
DO $$ DECLARE found record; BEGIN
  FOR found IN SELECT c.conname, c.conrelid::regclass AS relation FROM pg_constraint c
    JOIN pg_namespace n ON n.oid = c.connamespace
    WHERE n.nspname = '{s}' AND c.conname LIKE '%\\_live\\_ids\\_are\\_v7' AND c.conislocal AND c.coninhcount = 0
  LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', found.relation, found.conname); END LOOP;
END $$";
