//! The one writer of `settlement.payouts` on this node: carries decided moves into the log, each once, in the order in
//! which each payee's were decided.
//!
//! A move is decided by whoever asks, on any node, and stored with the balances it explains; a log has one writer for
//! each partition. So moves wait in `moves_due` until the writer of their partition takes them, in one transaction
//! with the append.

use crate::store::payouts::{PayoutsTable, is_any_due, take_due_in_tx};
use chrono::{DateTime, Utc};
use contracts::log::AccountingZone;
use ids::Partition;
use pg::Db;
use seqlog::{AppendError, Appender};
use std::collections::BTreeMap;

/// Moves that one transaction carries.
const BATCH_MOVES_MAX: i64 = 1_000;

/// The writer.
pub(crate) struct MoveLogger {
    db: Db,
    appender: Appender<PayoutsTable>,
    zone: AccountingZone,
    /// Partitions whose last COMMIT has an unknown outcome.
    unsettled: Vec<Partition>,
}

impl MoveLogger {
    pub fn new(db: Db, appender: Appender<PayoutsTable>, zone: AccountingZone) -> MoveLogger {
        MoveLogger { db, appender, zone, unsettled: Vec::new() }
    }

    /// Holds what this node is to hold, and carries everything that waits there.
    ///
    /// # Errors
    /// Whatever the database says; called again, it goes on.
    pub async fn turn(&mut self) -> Result<(), sqlx::Error> {
        if !self.unsettled.is_empty() {
            self.appender.recover(&self.unsettled).await?;
            self.unsettled.clear();
        }
        self.appender.follow().await?;
        loop {
            let held: Vec<Partition> = self.appender.partitions().collect();
            if held.is_empty() || !is_any_due(&self.db, &held).await? {
                return Ok(());
            }
            self.carry(&held).await?;
        }
    }

    async fn carry(&mut self, held: &[Partition]) -> Result<(), sqlx::Error> {
        let clock = Utc::now();
        let nows: BTreeMap<Partition, DateTime<Utc>> =
            held.iter().filter_map(|p| Some((*p, self.appender.head(*p)?.now(clock)))).collect();
        let now = |partition| nows.get(&partition).copied().unwrap_or(clock);
        let mut tx = self.db.begin().await?;
        let taken = take_due_in_tx(&mut tx, &self.db, held, BATCH_MOVES_MAX, (now, self.zone)).await;
        let appended = match taken {
            Ok(rows) => self.appender.append(&mut tx, rows).await,
            Err(error) => Err(error.into()),
        };
        match appended {
            Ok(()) => match tx.commit().await {
                Ok(()) => {
                    self.appender.committed();
                    Ok(())
                }
                Err(error) => {
                    // Whether it committed is asked of the head, before anything else is written.
                    self.unsettled = held.to_vec();
                    self.appender.discard();
                    Err(error)
                }
            },
            Err(error) => {
                let _ = tx.rollback().await; // A lost connection rolls back by itself.
                self.appender.discard();
                match error {
                    AppendError::Deposed(lost) => {
                        self.appender.drop_partitions(&lost);
                        Ok(())
                    }
                    AppendError::Db(error) => Err(error),
                }
            }
        }
    }

    /// Promises that nothing will be decided before now, and says how far the log is. Once a second.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn save_marks(&mut self) -> Result<(), sqlx::Error> {
        self.appender.close_all(Utc::now());
        self.appender.save_marks().await.map(drop)
    }

    /// Lets go of everything.
    pub async fn release(&mut self) {
        if let Err(error) = self.appender.release().await {
            tracing::warn!(%error, "leases were not released; they run out by themselves");
        }
    }
}
