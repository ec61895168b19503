//! What one service does with the rows of another's log, and why a batch of them may not be done.

use chrono::{DateTime, Utc};
use contracts::log::{LogRow, Seq};
use ids::Partition;
use sqlx::PgConnection;

/// Consecutive rows of one partition.
#[derive(Clone, Debug)]
pub struct Slice<R> {
    pub partition: Partition,
    pub rows: Vec<R>,
}

/// Why a batch was not applied. The transaction is rolled back in every case.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// This row can never be applied: its partition stops.
    #[error("row {seq} of partition {partition} cannot be applied: {reason}")]
    Row { partition: Partition, seq: Seq, reason: String },
    /// The handler's own log was taken over: these partitions are someone else's now.
    #[error("deposed in partitions {0:?}")]
    Deposed(Vec<Partition>),
    /// Something outside the database is not here yet. The batch is begun once more at once, so that the handler can
    /// wait for it in `before_apply`, while no transaction is open.
    #[error("what the batch needs is not here yet")]
    NotYet,
    #[error("the database failed")]
    Db(#[from] sqlx::Error),
}

impl From<crate::AppendError> for ApplyError {
    fn from(error: crate::AppendError) -> ApplyError {
        match error {
            crate::AppendError::Deposed(partitions) => ApplyError::Deposed(partitions),
            crate::AppendError::Db(source) => ApplyError::Db(source),
        }
    }
}

/// What one reader does with the rows of another service's log.
#[async_trait::async_trait]
pub trait Handler: Send + Sync {
    type Row: LogRow;

    /// The reader's name in `read_offsets` and in queue names. Part of the stored format.
    fn name(&self) -> &'static str;

    /// The partitions to read, where they come and go with what the handler's own writer holds; `None` where they
    /// stay those the reader began with. Asked after every turn.
    fn partitions(&self) -> Option<Vec<Partition>> {
        None
    }

    /// Called before the transaction of a batch begins, while no connection is held: the place to wait for what was
    /// [`ApplyError::NotYet`] there, and to take a lock that several readers share. It is let go in `committed` or
    /// `rolled_back`, one of which always follows.
    ///
    /// # Errors
    /// Whatever the database says; the batch is not begun then, and `rolled_back` is called.
    async fn before_apply(&mut self) -> Result<(), sqlx::Error> {
        Ok(())
    }

    /// The effect of some rows, all of it in `tx`. Slices come in partition order, rows in seq order.
    async fn apply_in_tx(
        &mut self,
        tx: &mut PgConnection,
        slices: &[Slice<Self::Row>],
    ) -> Result<(), ApplyError>;

    /// The transaction committed.
    async fn committed(&mut self) {}

    /// The transaction did not commit, or nobody knows: forget what was planned and reload what is held of
    /// these partitions. Returns partitions that are no longer ours. Where it fails, or offsets cannot be read after
    /// it, it is called again.
    async fn rolled_back(
        &mut self,
        _partitions: &[Partition],
        _outcome: RolledBack,
    ) -> Result<Vec<Partition>, sqlx::Error> {
        Ok(Vec::new())
    }

    /// Every row of the partition decided before `until` has been applied, and no such row will come.
    async fn closed(&mut self, _partition: Partition, _until: DateTime<Utc>) {}

    /// Called every turn, with rows or without; outside any transaction.
    async fn turn(&mut self) -> Result<(), ApplyError> {
        Ok(())
    }
}

/// Whether a transaction certainly did not happen; the greater is the graver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RolledBack {
    Certainly,
    /// The COMMIT's outcome is unknown.
    Unknown,
}
