//! The handle: a pool, a schema, a lane.

use crate::ReadDb;
use crate::pooled::{Call, Pooled, Watch};
use contracts::calls::CallWatch;
use contracts::lane::Lane;
use sqlx::{AssertSqlSafe, PgPool, Postgres, Transaction};
use std::sync::Arc;

/// One service's tables in one lane.
#[derive(Clone, Debug)]
pub struct Db {
    pool: PgPool,
    schema: Arc<str>,
    lane: Lane,
    waits: metrics::Counter,
    /// Where reads that may be stale go, if not here.
    reads: Option<PgPool>,
    watch: Watch,
}

impl Db {
    /// The tables of `service` in `lane`. The schema is the service's name, behind the lane's prefix.
    pub fn new(pool: PgPool, service: &str, lane: &Lane) -> Db {
        let schema = format!("{}{service}", lane.prefix());
        let waits = metrics::counter!("largesse_db_pool_waits_total", "schema" => schema.clone());
        Db { pool, schema: schema.into(), lane: lane.clone(), waits, reads: None, watch: Watch::default() }
    }

    /// The same tables, with reads that may be stale sent to `reads`.
    #[must_use]
    pub fn with_reads(self, reads: Option<PgPool>) -> Db {
        Db { reads, ..self }
    }

    /// The same tables; `watch` hears how each call of the database goes. Not of reads that a standby answers.
    #[must_use]
    pub fn watched_by(self, watch: Arc<dyn CallWatch>) -> Db {
        Db { watch: Watch(Some(watch)), ..self }
    }

    /// A call of the database that is made on a connection of one's own, to be told how it ended.
    pub fn call(&self) -> Call {
        self.watch.call()
    }

    /// A handle for reads that may be stale: pages of finance, histories, drill-downs. Nothing that
    /// decides may use it.
    pub fn reading(&self) -> ReadDb {
        ReadDb::new(self.reads.as_ref().unwrap_or(&self.pool).clone(), Arc::clone(&self.schema))
    }

    /// The pool, for one statement: ask again for the next.
    pub fn pool(&self) -> Pooled<'_> {
        if self.pool.num_idle() == 0 && self.pool.size() >= self.pool.options().get_max_connections() {
            self.waits.increment(1); // Whoever asks now waits for another to finish.
        }
        Pooled { pool: &self.pool, watch: &self.watch }
    }

    pub fn schema(&self) -> &str {
        &self.schema
    }

    pub fn lane(&self) -> &Lane {
        &self.lane
    }

    /// Fills the schema into a statement: `{s}` becomes this handle's schema. `text` is ours, never a user's.
    pub fn sql(&self, text: &'static str) -> AssertSqlSafe<String> {
        AssertSqlSafe(text.replace("{s}", &self.schema))
    }

    /// Opens a transaction. Whoever opens it closes it, in the same function.
    ///
    /// # Errors
    /// Whatever the database says; nothing has happened then.
    pub async fn begin(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        self.pool().begin().await
    }
}
