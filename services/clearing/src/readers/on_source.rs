//! The reader of one source log: payments, entries, items or payouts. They differ only in their rows.

use crate::app::post_vouchers::{SharedWriter, Terminology, Writer};
use crate::domain::movement::Accountable;
use chrono::{DateTime, Utc};
use contracts::log::{LogName, LogRow};
use ids::Partition;
use seqlog::{ApplyError, Handler, Ownership, RolledBack, Slice};
use sqlx::PgConnection;
use std::marker::PhantomData;
use std::sync::Arc;
use tokio::sync::OwnedMutexGuard;

/// Posts the rows of one source through the shared writer.
pub struct OnSource<R> {
    writer: SharedWriter,
    terminology: Arc<Terminology>,
    ownership: Ownership,
    /// Held from before the transaction begins until after its end.
    held: Option<OwnedMutexGuard<Writer>>,
    rows: PhantomData<R>,
}

impl<R: Accountable> OnSource<R> {
    pub fn new(writer: SharedWriter, terminology: Arc<Terminology>, ownership: Ownership) -> OnSource<R> {
        OnSource { writer, terminology, ownership, held: None, rows: PhantomData }
    }
}

#[async_trait::async_trait]
impl<R: Accountable> Handler for OnSource<R> {
    type Row = R;

    fn name(&self) -> &'static str {
        match <R as LogRow>::LOG {
            LogName::Payments => "clearing.payments",
            LogName::Entries => "clearing.entries",
            LogName::Orders => "clearing.orders",
            LogName::Items => "clearing.items",
            LogName::Payouts => "clearing.payouts",
            LogName::Vouchers => "clearing.vouchers",
        }
    }

    fn partitions(&self) -> Option<Vec<Partition>> {
        Some(self.ownership.holdings().partitions())
    }

    async fn before_apply(&mut self) -> Result<(), sqlx::Error> {
        let mut writer = Arc::clone(&self.writer).lock_owned().await;
        let settled = writer.settle().await;
        self.held = Some(writer);
        settled
    }

    async fn apply_in_tx(&mut self, tx: &mut PgConnection, slices: &[Slice<R>]) -> Result<(), ApplyError> {
        let Some(writer) = self.held.as_mut() else {
            return Err(sqlx::Error::PoolClosed.into()); // `before_apply` always comes first.
        };
        writer.post_in_tx(tx, &self.terminology, slices).await
    }

    async fn committed(&mut self) {
        if let Some(mut writer) = self.held.take() {
            writer.committed();
        }
    }

    async fn rolled_back(
        &mut self,
        partitions: &[Partition],
        outcome: RolledBack,
    ) -> Result<Vec<Partition>, sqlx::Error> {
        match self.held.take() {
            Some(mut writer) => Ok(writer.rolled_back(partitions, outcome).await),
            None => Ok(Vec::new()),
        }
    }

    async fn closed(&mut self, partition: Partition, until: DateTime<Utc>) {
        self.writer.lock().await.closed(<R as LogRow>::LOG, partition, until);
    }
}
