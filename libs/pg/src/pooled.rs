//! The pool as services use it: for one statement, one connection or one transaction, and each is told to whoever
//! watches.
//!
//! Owns what counts as the database's own failure. Must not hold anything back: that is the watcher's business, and
//! not done for the database, whose statements end in time by themselves.

use contracts::calls::{CallWatch, Went};
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgQueryResult, PgRow, PgTypeInfo};
use sqlx::{Database, Either, Execute, Executor, PgPool, Postgres, SqlStr, Transaction};
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How an error speaks of the database: `None` is no word of it.
pub fn went(error: &sqlx::Error) -> Option<Went> {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
            Some(Went::Badly)
        }
        // Nobody was asked: the pool is busy, or closed by ourselves.
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => None,
        sqlx::Error::Database(database) => {
            // 08: connection, 53: out of disk or memory, 57P: shut down, 58: the system below, XX: broken inside;
            // 25006: it takes no writes, as one that is no primary any more.
            let code = database.code().unwrap_or_default();
            let is_broken = ["08", "53", "57P", "58", "XX"].iter().any(|class| code.starts_with(class));
            Some(if is_broken || code == "25006" { Went::Badly } else { Went::Well })
        }
        _ => Some(Went::Well),
    }
}

/// Who hears of calls, if anybody does.
#[derive(Clone, Default)]
pub(crate) struct Watch(pub Option<Arc<dyn CallWatch>>);

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Watch" } else { "no watch" })
    }
}

impl Watch {
    pub fn call(&self) -> Call {
        Call { told: self.0.as_ref().map(|watch| (Arc::clone(watch), Instant::now())), answered: None }
    }
}

/// One call of the database under way. Dropped without an end or an answer, it says nothing.
#[must_use = "say how it ended"]
pub struct Call {
    /// Whom to tell, and when it began; missing once it is told.
    told: Option<(Arc<dyn CallWatch>, Instant)>,
    /// How long the first row took.
    answered: Option<Duration>,
}

impl Call {
    /// A part of the answer: an error may follow it, as where a connection breaks between rows.
    fn hear(&mut self, step: Option<&sqlx::Error>) {
        match (step, &self.told) {
            (None, Some((_, since))) => _ = self.answered.get_or_insert(since.elapsed()),
            (None, None) => {}
            (Some(_), _) => self.end(step),
        }
    }

    /// Says how it ended; only the first word counts.
    pub fn end(&mut self, failed: Option<&sqlx::Error>) {
        if let Some((watch, since)) = self.told.take()
            && let Some(went) = failed.map_or(Some(Went::Well), went)
        {
            watch.went(went, since.elapsed());
        }
    }
}

/// Rows that came and were not followed by an error were an answer, however long their reader took over them.
impl Drop for Call {
    fn drop(&mut self) {
        if let (Some((watch, _)), Some(took)) = (self.told.take(), self.answered) {
            watch.went(Went::Well, took);
        }
    }
}

/// The pool of a [`Db`](crate::Db), for one statement, connection or transaction: ask again for the next.
#[derive(Clone, Copy, Debug)]
pub struct Pooled<'p> {
    pub(crate) pool: &'p PgPool,
    pub(crate) watch: &'p Watch,
}

impl Pooled<'_> {
    /// A connection of its own.
    ///
    /// # Errors
    /// Whatever the database says, or that none came free in time.
    pub async fn acquire(self) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        let mut call = self.watch.call();
        let acquired = self.pool.acquire().await;
        call.end(acquired.as_ref().err());
        acquired
    }

    /// A transaction.
    ///
    /// # Errors
    /// The same.
    pub async fn begin(self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        let mut call = self.watch.call();
        let begun = self.pool.begin().await;
        call.end(begun.as_ref().err());
        begun
    }
}

impl Deref for Pooled<'_> {
    type Target = PgPool;

    fn deref(&self) -> &PgPool {
        self.pool
    }
}

impl<'p> Executor<'p> for Pooled<'_> {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let mut call = self.watch.call();
        self.pool.fetch_many(query).inspect(move |step| call.hear(step.as_ref().err())).boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let mut call = self.watch.call();
        let asked = self.pool.fetch_optional(query);
        Box::pin(async move {
            let answer = asked.await;
            call.end(answer.as_ref().err());
            answer
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<<Postgres as Database>::Statement, sqlx::Error>>
    where
        'p: 'e,
    {
        self.pool.prepare_with(sql, parameters)
    }
}
