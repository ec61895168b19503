//! Where rows come from: the owning service's table, directly or over HTTP.

use crate::heads;
use contracts::log::{LogName, LogRow, Page, Seq};
use ids::Partition;
use pg::Db;
use sqlx::Postgres;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use std::future::Future;

/// The most rows one pull answers.
pub const PULL_ROWS_MAX: i64 = 2_000;

/// An insert with everything it binds.
pub type Insert = Query<'static, Postgres, PgArguments>;

/// The table of one log: the only SQL a service writes for its log's rows.
pub trait LogTable: Clone + Send + Sync + 'static {
    type Row: LogRow;

    /// The bulk insert of numbered rows (`INSERT … SELECT … FROM unnest(…)`), which becomes part of the statement
    /// that advances the heads. Must do nothing else, and return nothing.
    ///
    /// # Errors
    /// A row that cannot be encoded.
    fn insert(&self, db: &Db, rows: &[Self::Row]) -> Result<Insert, sqlx::Error>;

    /// Rows of a partition with a seq above `after`, in order, at most `limit`.
    fn read_after(
        &self,
        db: &Db,
        partition: Partition,
        after: Seq,
        limit: i64,
    ) -> impl Future<Output = Result<Vec<Self::Row>, sqlx::Error>> + Send;
}

/// Why a pull failed. Always transient: the reader tries again.
#[derive(Debug, thiserror::Error)]
#[error("rows of {log} could not be pulled: {reason}")]
pub struct PullError {
    pub log: LogName,
    pub reason: String,
}

/// Rows of another service's log, on demand.
#[async_trait::async_trait]
pub trait LogSource<R: LogRow>: Send + Sync {
    /// Rows above `after`, at most `limit` (itself at most 2,000), with epochs and the head.
    async fn read_after(&self, partition: Partition, after: Seq, limit: i64) -> Result<Page<R>, PullError>;
}

/// A log's own table as a source.
#[derive(Clone)]
pub struct TableSource<T> {
    db: Db,
    table: T,
}

impl<T: LogTable> TableSource<T> {
    pub fn new(db: Db, table: T) -> TableSource<T> {
        TableSource { db, table }
    }

    async fn page(&self, partition: Partition, after: Seq, limit: i64) -> Result<Page<T::Row>, PullError> {
        let failed = |error: sqlx::Error| PullError { log: T::Row::LOG, reason: error.to_string() };
        let elsewhere =
            |place| PullError { log: T::Row::LOG, reason: format!("partition {partition} lies at {place}") };
        // The head is read first: rows that commit in between are simply more than it promises.
        let head = heads::find_mark(&self.db, T::Row::LOG, partition).await.map_err(failed)?;
        let head = head.map_err(elsewhere)?;
        let limit = limit.clamp(1, PULL_ROWS_MAX);
        let rows = self.table.read_after(&self.db, partition, after, limit).await.map_err(failed)?;
        let epochs = heads::list_epochs(&self.db, T::Row::LOG, partition, after).await.map_err(failed)?;
        Ok(Page { rows, epochs, head })
    }
}

#[async_trait::async_trait]
impl<T: LogTable> LogSource<T::Row> for TableSource<T> {
    async fn read_after(
        &self,
        partition: Partition,
        after: Seq,
        limit: i64,
    ) -> Result<Page<T::Row>, PullError> {
        self.page(partition, after, limit).await
    }
}
