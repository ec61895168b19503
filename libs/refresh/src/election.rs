//! Who publishes a set: one of all nodes, by a lease row in PostgreSQL, or the only one there is.
//!
//! The lease saves work and the epoch fences: a deposed producer's announcements are of an older epoch, and are
//! passed over. The row also keeps what people ask for, so that it outlives every producer.

use crate::set_name::SetName;
use contracts::lane::Lane;
use pg::{Db, Migrator};
use sqlx::Row;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// The table of this crate, migrated into the schema of whoever publishes sets.
pub static MIGRATOR: LazyLock<Migrator> = LazyLock::new(|| {
    pg::migrator(&[
        (51, "sets", include_str!("../../../migrations/refresh/0051_sets.sql")),
        (130, "installation", include_str!("../../../migrations/refresh/0130_installation.sql")),
    ])
});

/// What people ask for, by hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Orders {
    /// The version every node shall run.
    pub pinned: Option<i64>,
    /// The version that may change as much as it does.
    pub approved: Option<i64>,
}

/// One thing a person asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Pin(i64),
    Unpin,
    Approve(i64),
}

/// The right to publish until the lease ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    pub epoch: i64,
    pub orders: Orders,
}

/// Why nobody can say who publishes.
#[derive(Debug, thiserror::Error)]
pub enum ElectionError {
    #[error("the lease could not be asked for")]
    Db(#[from] sqlx::Error),
    #[error("no producer has claimed this set yet")]
    NoProducer,
}

/// How one producer of a set is chosen.
#[async_trait::async_trait]
pub trait Election: Send + Sync {
    /// Takes or renews the lease for `lease`; `None` while another has it.
    async fn claim(&self, set: &SetName, lease: Duration) -> Result<Option<Claim>, ElectionError>;
    /// Gives the lease back, so that the next need not wait for its end.
    async fn release(&self, set: &SetName) -> Result<(), ElectionError>;
    /// Keeps what a person asks for; the producer sees it at its next look.
    async fn ask(&self, set: &SetName, order: Order, by: &str) -> Result<(), ElectionError>;
    /// The lane whose tables this is about.
    fn lane(&self) -> &Lane;
    /// Whether there may be other candidates, to be waited for while one of them speaks.
    fn has_rivals(&self) -> bool {
        true
    }
}

/// One process publishes: no database. What people ask for is forgotten when it ends.
#[derive(Debug)]
pub struct Alone {
    lane: Lane,
    epoch: i64,
    orders: Mutex<Orders>,
}

impl Alone {
    pub fn new(lane: &Lane) -> Alone {
        // The next start must have a higher epoch.
        let epoch = i64::try_from(crate::wire::now_ms()).unwrap_or(i64::MAX);
        Alone { lane: lane.clone(), epoch, orders: Mutex::default() }
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait::async_trait]
impl Election for Alone {
    async fn claim(&self, _: &SetName, _: Duration) -> Result<Option<Claim>, ElectionError> {
        Ok(Some(Claim { epoch: self.epoch, orders: *self.orders() }))
    }

    async fn release(&self, _: &SetName) -> Result<(), ElectionError> {
        Ok(())
    }

    async fn ask(&self, _: &SetName, order: Order, _: &str) -> Result<(), ElectionError> {
        let mut orders = self.orders();
        match order {
            Order::Pin(version) => orders.pinned = Some(version),
            Order::Unpin => orders.pinned = None,
            Order::Approve(version) => orders.approved = Some(version),
        }
        Ok(())
    }

    fn lane(&self) -> &Lane {
        &self.lane
    }

    fn has_rivals(&self) -> bool {
        false
    }
}

/// A lease row in PostgreSQL, judged by the database's clock alone. One statement for each renewal.
#[derive(Clone, Debug)]
pub struct PgLease {
    db: Db,
    node: String,
    instance: Uuid,
}

impl PgLease {
    /// An election among all nodes that use this schema. It must be migrated by [`MIGRATOR`].
    ///
    /// `node` is unique among live nodes and the same after a restart: a node takes over from itself at once, and from
    /// another when its lease has ended.
    pub fn new(db: Db, node: &str) -> PgLease {
        PgLease { db, node: node.to_owned(), instance: Uuid::now_v7() }
    }
}

const CLAIM: &str = "
INSERT INTO {s}.refresh_sets AS held (set_name, epoch, instance, node, leased_until)
VALUES ($1, 1, $2, $3, clock_timestamp() + $4 * interval '1 millisecond')
ON CONFLICT (set_name) DO UPDATE SET
    epoch = held.epoch + CASE WHEN held.instance = excluded.instance THEN 0 ELSE 1 END,
    instance = excluded.instance, node = excluded.node, leased_until = excluded.leased_until
WHERE held.instance = excluded.instance OR held.node = excluded.node OR held.leased_until < clock_timestamp()
RETURNING epoch, pinned_version, approved_version";

const RELEASE: &str =
    "UPDATE {s}.refresh_sets SET leased_until = clock_timestamp() WHERE set_name = $1 AND instance = $2";

const ASK: &str = "
UPDATE {s}.refresh_sets SET
    pinned_version = CASE WHEN $2 THEN $3 ELSE pinned_version END,
    approved_version = CASE WHEN $2 THEN approved_version ELSE $3 END,
    asked_by = $4, asked_at = clock_timestamp()
WHERE set_name = $1";

#[async_trait::async_trait]
impl Election for PgLease {
    async fn claim(&self, set: &SetName, lease: Duration) -> Result<Option<Claim>, ElectionError> {
        let claimed = sqlx::query(self.db.sql(CLAIM))
            .bind(set.as_str())
            .bind(self.instance)
            .bind(&self.node)
            .bind(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX))
            .fetch_optional(self.db.pool())
            .await?;
        let read = |row: sqlx::postgres::PgRow| -> Result<Claim, sqlx::Error> {
            let orders =
                Orders { pinned: row.try_get("pinned_version")?, approved: row.try_get("approved_version")? };
            Ok(Claim { epoch: row.try_get("epoch")?, orders })
        };
        Ok(claimed.map(read).transpose()?)
    }

    async fn release(&self, set: &SetName) -> Result<(), ElectionError> {
        let release = sqlx::query(self.db.sql(RELEASE)).bind(set.as_str()).bind(self.instance);
        release.execute(self.db.pool()).await?;
        Ok(())
    }

    async fn ask(&self, set: &SetName, order: Order, by: &str) -> Result<(), ElectionError> {
        let (is_pin, version) = match order {
            Order::Pin(version) => (true, Some(version)),
            Order::Unpin => (true, None),
            Order::Approve(version) => (false, Some(version)),
        };
        let ask = sqlx::query(self.db.sql(ASK)).bind(set.as_str()).bind(is_pin).bind(version).bind(by);
        let asked = ask.execute(self.db.pool()).await?;
        if asked.rows_affected() == 0 { Err(ElectionError::NoProducer) } else { Ok(()) }
    }

    fn lane(&self) -> &Lane {
        self.db.lane()
    }
}
