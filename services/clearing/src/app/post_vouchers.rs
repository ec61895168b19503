//! The one writer of `clearing.vouchers`, shared by the readers.
//!
//! Lock order: this writer's mutex first, a connection second, always. A reader takes the mutex before its
//! transaction begins and lets it go after the COMMIT, so with one connection nobody waits for the mutex while
//! holding the connection. Within a transaction: read offsets, periods, heads, vouchers, account days.

use crate::domain::draft::Drafts;
use crate::domain::movement::{Accountable, Terms};
use crate::domain::policy::Policy;
use crate::store::vouchers::VouchersTable;
use crate::store::{account_days, periods};
use chrono::{DateTime, NaiveDate, Utc};
use contracts::log::LogName;
use contracts::voucher::Voucher;
use ids::Partition;
use pg::Db;
use seqlog::{AppendError, Appender, ApplyError, RolledBack, Slice};
use sqlx::PgConnection;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::Mutex;

/// The logs that vouchers are made from.
pub const SOURCES: [LogName; 4] = [LogName::Payments, LogName::Entries, LogName::Items, LogName::Payouts];

/// What posting needs to know, fixed at start.
#[derive(Debug)]
pub struct Terminology {
    pub policy: Policy,
    pub terms: Terms,
}

/// The writer's handle: one per process.
pub type SharedWriter = Arc<Mutex<Writer>>;

/// The appender and what is known about its sources.
pub struct Writer {
    pub(super) db: Db,
    pub(super) appender: Appender<VouchersTable>,
    /// Up to when each source is posted whole, by partition.
    closed: BTreeMap<(Partition, LogName), DateTime<Utc>>,
    /// Partitions whose last COMMIT has an unknown outcome that could not be settled yet.
    unsettled: BTreeSet<Partition>,
    deposed: Vec<Partition>,
}

impl Writer {
    pub fn new(db: Db, appender: Appender<VouchersTable>) -> Writer {
        Writer { db, appender, closed: BTreeMap::new(), unsettled: BTreeSet::new(), deposed: Vec::new() }
    }

    /// Settles what an unknown COMMIT left open, before anything new is planned.
    ///
    /// # Errors
    /// Whatever the database says; nothing may be posted then.
    pub async fn settle(&mut self) -> Result<(), sqlx::Error> {
        if self.unsettled.is_empty() {
            return Ok(());
        }
        let partitions: Vec<Partition> = self.unsettled.iter().copied().collect();
        self.appender.recover(&partitions).await?;
        self.unsettled.clear();
        Ok(())
    }

    /// Holds what this node is to hold, and nothing else. Between two transactions.
    ///
    /// # Errors
    /// Whatever the database says; called again, it goes on.
    pub async fn follow(&mut self) -> Result<(), sqlx::Error> {
        self.settle().await?; // What is left must be known: its next owner reads it.
        self.appender.follow().await
    }

    /// Posts the rows of some slices, all in `tx`.
    ///
    /// # Errors
    /// [`ApplyError::Row`] names the row that cannot be posted; [`ApplyError::Deposed`]; [`ApplyError::Db`].
    pub async fn post_in_tx<R: Accountable>(
        &mut self,
        tx: &mut PgConnection,
        terminology: &Terminology,
        slices: &[Slice<R>],
    ) -> Result<(), ApplyError> {
        let mut drafts = Vec::new();
        let mut days = BTreeSet::new();
        for slice in slices {
            let of_slice = Drafts::of_rows(&slice.rows, &terminology.terms, &terminology.policy.rules);
            let draft = of_slice.map_err(|(seq, why)| ApplyError::Row {
                partition: slice.partition,
                seq,
                reason: why.to_string(),
            })?;
            if let Some(draft) = draft {
                days.extend(draft.days());
                drafts.push((slice.partition, draft));
            }
        }
        let posted = periods::lock_posting_days_in_tx(tx, &self.db, &days).await?;
        let stands = |day: NaiveDate| posted.get(&day).copied().unwrap_or(day);
        let clock = Utc::now();
        let mut vouchers: Vec<Voucher> = Vec::new();
        for (partition, draft) in drafts {
            let now = self.appender.head(partition).map_or(clock, |head| head.now(clock));
            vouchers.extend(draft.into_vouchers(now, stands));
        }
        account_days::add_in_tx(tx, &self.db, &vouchers).await?;
        let appended = self.appender.append(tx, vouchers).await;
        if let Err(AppendError::Deposed(lost)) = &appended {
            self.deposed.clone_from(lost);
        }
        Ok(appended?)
    }

    /// The COMMIT succeeded.
    pub fn committed(&mut self) {
        self.appender.committed();
    }

    /// The transaction did not commit, or nobody knows.
    pub async fn rolled_back(&mut self, partitions: &[Partition], outcome: RolledBack) -> Vec<Partition> {
        self.appender.discard();
        let mut lost = std::mem::take(&mut self.deposed);
        self.appender.drop_partitions(&lost);
        if outcome == RolledBack::Unknown {
            self.unsettled.extend(partitions);
            match self.settle().await {
                Ok(()) => lost.extend(partitions.iter().filter(|p| self.appender.head(**p).is_none())),
                Err(error) => tracing::warn!(%error, "an unknown commit is not settled yet"),
            }
        }
        lost
    }

    /// Everything of `source` decided before `until` is posted: the log closes as far as all its sources have.
    pub fn closed(&mut self, source: LogName, partition: Partition, until: DateTime<Utc>) {
        self.closed.insert((partition, source), until);
        let closed = SOURCES.map(|source| self.closed.get(&(partition, source)).copied());
        if let [Some(a), Some(b), Some(c), Some(d)] = closed {
            self.appender.close(partition, a.min(b).min(c).min(d));
        }
    }
}
