//! Limits that an SRE sets while gifts are sent: on every node, over restarts, and in its memory, so that a send reads
//! no database. Each node counts for itself.

use crate::app::published::{Place, PublishError, Published};
use crate::domain::allowance::{Allowance, Bounded, scope_of};
use crate::store::limits;
use contracts::class::{Classed, ErrorClass};
use guard::{OVERRIDES_MAX, Quotas, Rate, RateError, Scope};
use ids::Uuid;
use pg::Db;
use refresh::{DataSet, LoadError, RowTable, Rows, Rules, SnapshotSource, Table, Versioned};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// The set's name: gift publishes it, and any service may read it.
pub const LIMITS_SET: &str = "gift-limits";

/// The one table of the set: by scope and id.
const LIMITS: &str = "limits";

/// One version of what was set by hand.
#[derive(Clone, Debug, Default)]
pub struct LimitsView {
    rows: Table<(String, Uuid), Allowance>,
    /// The same as quotas take them: scopes in their order, of which `None` is left to the configuration.
    scopes: [Option<Option<Rate>>; 3],
    own: Vec<((Scope, u128), Option<Rate>)>,
}

impl DataSet for LimitsView {
    fn table_mut(&mut self, name: &str) -> Option<&mut dyn RowTable> {
        (name == LIMITS).then_some(&mut self.rows)
    }

    fn finish(&mut self) -> Result<(), String> {
        (self.scopes, self.own) = Default::default();
        for ((scope, id), allowance) in self.rows.iter() {
            let Some(at) = Scope::ALL.iter().position(|known| known.as_str() == scope) else {
                return Err(format!("{scope} has no limits"));
            };
            let rate = allowance.rate().map_err(|error| format!("{scope} {id}: {error}"))?;
            match id.is_nil() {
                true => self.scopes[at] = Some(rate),
                false => self.own.push(((Scope::ALL[at], id.as_u128()), rate)),
            }
        }
        if self.own.len() > OVERRIDES_MAX {
            return Err(RateError::TooManyOverrides.to_string());
        }
        Ok(())
    }
}

/// Why a limit was not set.
#[derive(Debug, thiserror::Error)]
pub enum LimitError {
    #[error("the limit cannot be set: {0}")]
    Bad(#[from] RateError),
    #[error("the database failed")]
    Db(#[from] sqlx::Error),
    #[error(transparent)]
    Set(#[from] PublishError),
}

impl Classed for LimitError {
    fn class(&self) -> ErrorClass {
        match self {
            LimitError::Bad(_) => ErrorClass::Rejected,
            LimitError::Db(_) => ErrorClass::Transient,
            LimitError::Set(error) => error.class(),
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            LimitError::Bad(_) => "bad-quota",
            LimitError::Db(_) => "database-unavailable",
            LimitError::Set(error) => error.slug(),
        }
    }
}

struct LimitSource {
    db: Db,
}

#[async_trait::async_trait]
impl SnapshotSource<Rows> for LimitSource {
    async fn load(&self, known_version: i64) -> Result<Option<Versioned<Rows>>, LoadError> {
        if limits::read_version(&self.db).await.map_err(LoadError::new)? <= known_version {
            return Ok(None);
        }
        let (version, limits) = limits::list(&self.db).await.map_err(LoadError::new)?;
        let mut rows = Rows::new();
        rows.table(LIMITS)?;
        for (Bounded { scope, id }, allowance) in limits {
            rows.put(LIMITS, &(scope.as_str(), id.unwrap_or_default()), &allowance)?;
        }
        Ok(Some(Versioned { version, value: rows }))
    }
}

/// The limits of this node, and the quotas that they bound.
pub struct Limits {
    db: Db,
    set: Published<LimitsView>,
    quotas: Arc<Quotas>,
    /// What a scope without a limit follows.
    configured: [Option<Rate>; 3],
    /// What the quotas follow now.
    followed: Mutex<Option<Arc<Versioned<LimitsView>>>>,
}

impl Limits {
    /// Takes part in publishing the limits, and bounds `quotas` by them. As `quotas` is now, it is configured.
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn begin(place: &Place<'_>, quotas: Arc<Quotas>) -> Result<Limits, PublishError> {
        let source = Arc::new(LimitSource { db: place.db.clone() });
        let set = Published::begin(place, LIMITS_SET, source, Rules::none()).await?;
        let configured = Scope::ALL.map(|scope| quotas.of_scope(scope));
        let limits = Limits { db: place.db.clone(), set, quotas, configured, followed: Mutex::default() };
        limits.follow_latest();
        Ok(limits)
    }

    /// Follows every change of the set until `stopped`.
    pub async fn follow(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        let mut status = self.set.subscribe();
        while !*stopped.borrow() {
            self.follow_latest();
            tokio::select! {
                _ = stopped.changed() => return,
                changed = status.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Bounds the quotas by what the set says now.
    fn follow_latest(&self) {
        // The set is looked at under the lock, so that whoever comes last has the latest.
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        let view = self.set.view();
        if followed.as_ref().is_some_and(|known| Arc::ptr_eq(known, &view)) {
            return;
        }
        let by_hand = view.value.scopes;
        let scopes = std::array::from_fn(|at| by_hand[at].unwrap_or(self.configured[at]));
        match self.quotas.set_all(scopes, view.value.own.iter().copied()) {
            Ok(()) => *followed = Some(view),
            Err(error) => tracing::error!(%error, "limits that were accepted cannot be followed"),
        }
    }

    /// Everything that was set by hand, as this node follows it, in the order of scopes and ids.
    pub fn list(&self) -> Vec<(Bounded, Allowance)> {
        let view = self.set.view();
        let row = |((scope, id), allowance): (&(String, Uuid), &Arc<Allowance>)| {
            Some((Bounded::of(scope_of(scope)?, *id), **allowance))
        };
        let mut rows: Vec<(Bounded, Allowance)> = view.value.rows.iter().filter_map(row).collect();
        rows.sort_unstable_by_key(|(bounded, _)| *bounded);
        rows
    }

    /// Sets a limit on every node, or with `None` takes it away; this node follows it when this returns.
    ///
    /// # Errors
    /// [`LimitError`]; nothing is stored except in `NotRefreshed`.
    pub async fn set(
        &self,
        bounded: Bounded,
        allowance: Option<Allowance>,
        by: Uuid,
    ) -> Result<(), LimitError> {
        allowance.map(Allowance::rate).transpose()?;
        let mut tx = self.db.begin().await?;
        let version = limits::next_version_in_tx(&mut tx, &self.db).await?;
        limits::set_in_tx(&mut tx, &self.db, (bounded, allowance), by).await?;
        let own = limits::count_own_in_tx(&mut tx, &self.db).await?;
        if usize::try_from(own).is_ok_and(|own| own > OVERRIDES_MAX) {
            tx.rollback().await?;
            return Err(RateError::TooManyOverrides.into());
        }
        tx.commit().await?;
        tracing::info!(scope = bounded.scope.as_str(), id = ?bounded.id, ?allowance, %by, "a limit is set by hand");
        self.set.see(version).await?;
        self.follow_latest();
        Ok(())
    }

    /// The set by hand.
    pub fn control(&self) -> refresh::Control {
        self.set.control()
    }
}
