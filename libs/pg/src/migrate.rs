//! Migrations: the same files for the live schema and for a shadow run's.

use crate::{Db, PgError};
use contracts::lane::Lane;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, Executor, SqlSafeStr};

/// A folder of `migrations/` as part of the program: version, description and text of each file.
///
/// Instead of `sqlx::migrate!`, which builds all of sqlx a second time for the compiler.
pub fn migrator(files: &[(i64, &'static str, &'static str)]) -> Migrator {
    let migration = |(version, description, text): &(i64, &'static str, &'static str)| {
        Migration::new(*version, (*description).into(), MigrationType::Simple, text.into_sql_str(), false)
    };
    Migrator::with_migrations(files.iter().map(migration).collect())
}

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

/// The versions of `migrators` that a schema does not have, in order: what `migrate` would run.
///
/// # Errors
/// Whatever the database says; a schema that is not there lacks everything and is no error.
pub async fn missing_migrations(db: &Db, migrators: &[&Migrator]) -> Result<Vec<i64>, sqlx::Error> {
    let is_there: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(format!("{}._sqlx_migrations", db.schema()))
        .fetch_one(db.pool())
        .await?;
    let mut applied: Vec<i64> = Vec::new();
    if is_there {
        let list = db.sql("SELECT version FROM {s}._sqlx_migrations WHERE success");
        applied = sqlx::query_scalar(list).fetch_all(db.pool()).await?;
    }
    let known = migrators.iter().flat_map(|migrator| migrator.iter()).map(|file| file.version);
    Ok(known.filter(|version| !applied.contains(version)).collect())
}

/// Checks that one service's schema is as new as this program needs, and changes nothing. A newer one will do:
/// migrations only add while an older program may still run.
///
/// # Errors
/// [`PgError::Behind`], [`PgError::Differs`]; [`PgError::Schema`] where it cannot be read.
pub async fn check_migrated(db: &Db, migrators: &[&Migrator]) -> Result<(), PgError> {
    let schema = db.schema().to_owned();
    let failed = |source: sqlx::Error| PgError::Schema { schema: schema.clone(), source };
    let table = format!("{schema}._sqlx_migrations");
    let is_there: Option<String> = sqlx::query_scalar("SELECT to_regclass($1)::text")
        .bind(&table)
        .fetch_one(db.pool())
        .await
        .map_err(failed)?;
    let applied: Vec<(i64, Vec<u8>)> = match is_there {
        None => Vec::new(),
        Some(_) => sqlx::query_as(db.sql("SELECT version, checksum FROM {s}._sqlx_migrations WHERE success"))
            .fetch_all(db.pool())
            .await
            .map_err(failed)?,
    };
    for migration in migrators.iter().flat_map(|migrator| migrator.iter()) {
        match applied.iter().find(|(version, _)| *version == migration.version) {
            Some((_, checksum)) if checksum.as_slice() == migration.checksum.as_ref() => {}
            Some(_) => return Err(PgError::Differs { schema, version: migration.version }),
            None => return Err(PgError::Behind { schema, version: migration.version }),
        }
    }
    Ok(())
}

const DROP_LIVE_ONLY: &str = "
DO $$ DECLARE found record; BEGIN
  FOR found IN SELECT c.conname, c.conrelid::regclass AS relation FROM pg_constraint c
    JOIN pg_namespace n ON n.oid = c.connamespace
    WHERE n.nspname = '{s}' AND c.conname LIKE '%\\_live\\_ids\\_are\\_v7' AND c.conislocal AND c.coninhcount = 0
  LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', found.relation, found.conname); END LOOP;
END $$";
