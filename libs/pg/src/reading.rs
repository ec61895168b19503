//! Reads that may be stale: a handle over the read URL that can do nothing but read.
//!
//! It has no pool and no transaction to give away, and its connections are read-only where there is a read
//! URL, so that nothing that decides about money can use it by mistake.

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Execute, Executor, FromRow, PgPool, Postgres};
use std::sync::Arc;

/// One service's tables, as some standby knows them, or the primary where no read URL is set.
#[derive(Clone, Debug)]
pub struct ReadDb {
    pool: PgPool,
    schema: Arc<str>,
}

impl ReadDb {
    pub(crate) fn new(pool: PgPool, schema: Arc<str>) -> ReadDb {
        ReadDb { pool, schema }
    }

    /// Fills the schema into a statement, as [`crate::Db::sql`] does.
    pub fn sql(&self, text: &'static str) -> AssertSqlSafe<String> {
        AssertSqlSafe(text.replace("{s}", &self.schema))
    }

    /// Every row of a query.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn fetch_all<'q>(
        &self,
        query: impl Execute<'q, Postgres> + 'q,
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        (&self.pool).fetch_all(query).await
    }

    /// The row of a query, if there is one.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn fetch_optional<'q>(
        &self,
        query: impl Execute<'q, Postgres> + 'q,
    ) -> Result<Option<PgRow>, sqlx::Error> {
        (&self.pool).fetch_optional(query).await
    }

    /// Every row of a query as a type of ours.
    ///
    /// # Errors
    /// Whatever the database says, or a row that does not fit the type.
    pub async fn fetch_all_as<'q, T: for<'r> FromRow<'r, PgRow>>(
        &self,
        query: impl Execute<'q, Postgres> + 'q,
    ) -> Result<Vec<T>, sqlx::Error> {
        self.fetch_all(query).await?.iter().map(T::from_row).collect()
    }
}
