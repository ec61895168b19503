//! The handles: values, counters and ranks that are served from memory while they are hot.

use crate::clock;
use crate::core::{Core, Left};
use crate::heat::{BY_HAND_MAX, ByHand};
use crate::hot_map::HotKey;
use crate::line::{Family, Line};
use crate::settings::{HotError, HotSettings};
use crate::table::HotTable;
use cache::{Cache, CacheError};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// What all handles share: a core and its tasks, which end with the last handle.
struct Engine {
    core: Arc<Core>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Engine {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Engine {
    fn start(family: Family, cache: &Cache, settings: HotSettings) -> Result<Engine, HotError> {
        settings.check()?;
        clock::start()?;
        let core = Arc::new(Core::new(family, cache, settings));
        core.arm().map_err(HotError::Cache)?;
        let tasks = vec![
            tokio::spawn(crate::task::keep_time(Arc::downgrade(&core))),
            tokio::spawn(crate::task::listen(Arc::downgrade(&core))),
        ];
        Ok(Engine { core, tasks })
    }

    /// What `see` makes of a value in memory, or what must be awaited.
    #[inline(always)]
    fn see<R>(&self, key: &str, see: impl FnOnce(&Line) -> R) -> Result<R, Option<Arc<HotKey>>> {
        let mut seen = None;
        let left = self.core.look(key, |line| seen = Some(see(line)));
        match (seen, left) {
            (Some(seen), Left::Nothing) => Ok(seen),
            (seen, left) => self.rest(seen, left),
        }
    }

    #[cold]
    fn rest<R>(&self, seen: Option<R>, left: Left) -> Result<R, Option<Arc<HotKey>>> {
        match left {
            Left::Refresh(key) => {
                self.core.refresh(&key);
                seen.ok_or(Some(key))
            }
            Left::Fetch(key) => Err(Some(key)),
            Left::Nothing | Left::Read => seen.ok_or(None),
        }
    }

    async fn read(&self, key: &str, hot: Option<Arc<HotKey>>) -> Result<Line, CacheError> {
        match hot {
            Some(hot) => self.core.fetch(&hot).await,
            None => self.core.family.read(&self.core.cache, key).await,
        }
    }

    fn by_hand(&self, key: &str, said: Option<ByHand>) -> Result<(), HotError> {
        let max = self.core.settings.key_bytes_max;
        if key.is_empty() || key.len() > max {
            return Err(HotError::BadKey { max });
        }
        let room = self.core.heat().set_by_hand(key, said);
        room.map_err(|()| HotError::TooManyByHand { max: BY_HAND_MAX })
    }
}

macro_rules! by_hand {
    () => {
        /// Makes a key hot for good, or lets it be judged by its rate again; from the next tick on.
        ///
        /// # Errors
        /// [`HotError::TooManyByHand`], [`HotError::BadKey`].
        pub fn pin(&self, key: &str) -> Result<(), HotError> {
            self.engine.by_hand(key, Some(ByHand::Pinned))
        }

        /// Keeps a key from ever being hot; from the next tick on.
        ///
        /// # Errors
        /// As [`Self::pin`].
        pub fn deny(&self, key: &str) -> Result<(), HotError> {
            self.engine.by_hand(key, Some(ByHand::Denied))
        }

        /// Shows a key in the table whether it is hot or not.
        ///
        /// # Errors
        /// As [`Self::pin`].
        pub fn watch(&self, key: &str) -> Result<(), HotError> {
            self.engine.by_hand(key, Some(ByHand::Watched))
        }

        /// Takes back what was said of a key by hand.
        ///
        /// # Errors
        /// [`HotError::BadKey`].
        pub fn judge(&self, key: &str) -> Result<(), HotError> {
            self.engine.by_hand(key, None)
        }

        /// The live table: hot keys, keys said by hand, and what is warming up, the hottest first.
        pub fn table(&self) -> HotTable {
            crate::table::of(&self.engine.core)
        }

        /// Says that a key was changed from here: the next read on this node sees the change even before the
        /// store tells of it. Call it after the write was answered.
        pub fn wrote(&self, key: &str) {
            self.engine.core.changed(key);
        }
    };
}

/// Values of a cache, from memory while they are hot. Clones share everything.
#[derive(Clone)]
pub struct HotValues {
    engine: Arc<Engine>,
}

impl HotValues {
    /// Starts the detection and the tasks of one set of hot values, in the cache's lane. Must run within a
    /// Tokio runtime.
    ///
    /// # Errors
    /// [`HotError::BadSetting`]; [`HotError::Cache`] for a store without tracking.
    pub fn start(cache: &Cache, settings: HotSettings) -> Result<HotValues, HotError> {
        let engine = Engine::start(Family::Values, cache, settings)?;
        Ok(HotValues { engine: Arc::new(engine) })
    }

    /// A value: from memory if it is hot, and else from the cache. Staleness: see the crate's page. Where
    /// `Bytes` are wanted, `Bytes::from_owner` makes them without a copy.
    ///
    /// # Errors
    /// [`CacheError`], as [`Cache::get`].
    pub async fn get(&self, key: &str) -> Result<Option<Arc<[u8]>>, CacheError> {
        let hot = match self.engine.see(key, Line::value) {
            Ok(value) => return Ok(value),
            Err(hot) => hot,
        };
        // Boxed: whoever awaits a hit does not carry the room for a miss.
        Ok(Box::pin(self.engine.read(key, hot)).await?.value())
    }

    /// Shows a value that is in memory to `see`, without copying it or counting references, and without
    /// waiting: the fastest way to read. `None`: it is not there; call [`HotValues::get`], which will count
    /// the read again only if the key is hot.
    #[inline]
    pub fn peek<R>(&self, key: &str, see: impl FnOnce(Option<&[u8]>) -> R) -> Option<R> {
        let look = |line: &Line| match line {
            Line::Value(value) => Some(see(value.as_deref())),
            Line::Count(_) | Line::Ranks(_) => None,
        };
        self.engine.see(key, look).unwrap_or_default()
    }

    /// Keeps a value, as [`Cache::set`]; reads on this node see it once this has answered.
    ///
    /// # Errors
    /// [`CacheError`]; it may have been kept.
    pub async fn set(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), CacheError> {
        let set = self.engine.core.cache.set(key, value, ttl).await;
        self.wrote(key); // Also after a failure: it may have been kept.
        set
    }

    /// Forgets a value, as [`Cache::remove`]; reads on this node see it once this has answered.
    ///
    /// # Errors
    /// [`CacheError`]; it may be forgotten.
    pub async fn remove(&self, key: &str) -> Result<(), CacheError> {
        let removed = self.engine.core.cache.remove(key).await;
        self.wrote(key);
        removed
    }

    by_hand!();
}

/// Counters of a cache, read from memory while they are hot. Clones share everything.
#[derive(Clone)]
pub struct HotCounts {
    engine: Arc<Engine>,
}

impl HotCounts {
    /// As [`HotValues::start`].
    ///
    /// # Errors
    /// As [`HotValues::start`].
    pub fn start(cache: &Cache, settings: HotSettings) -> Result<HotCounts, HotError> {
        let engine = Engine::start(Family::Counts, cache, settings)?;
        Ok(HotCounts { engine: Arc::new(engine) })
    }

    /// A counter's value, as [`Cache::count`].
    ///
    /// # Errors
    /// [`CacheError`].
    pub async fn get(&self, key: &str) -> Result<Option<i64>, CacheError> {
        let hot = match self.engine.see(key, Line::count) {
            Ok(count) => return Ok(count),
            Err(hot) => hot,
        };
        Ok(Box::pin(self.engine.read(key, hot)).await?.count())
    }

    by_hand!();
}

/// The tops of ranks, from memory while they are hot. Clones share everything.
#[derive(Clone)]
pub struct HotRanks {
    engine: Arc<Engine>,
}

/// Members of a rank that may be asked for.
pub const RANKS_LEN_MAX: usize = 1_000;

impl HotRanks {
    /// As [`HotValues::start`], for the highest `len` of each rank.
    ///
    /// # Errors
    /// As [`HotValues::start`]; [`HotError::BadSetting`] also for a `len` of none or over [`RANKS_LEN_MAX`].
    pub fn start(cache: &Cache, len: usize, settings: HotSettings) -> Result<HotRanks, HotError> {
        if !(1..=RANKS_LEN_MAX).contains(&len) {
            return Err(HotError::BadSetting { name: "len" });
        }
        let engine = Engine::start(Family::Ranks { len }, cache, settings)?;
        Ok(HotRanks { engine: Arc::new(engine) })
    }

    /// The highest scores of a rank, as [`Cache::rank_top`] with the length given at the start.
    ///
    /// # Errors
    /// [`CacheError`].
    pub async fn top(&self, key: &str) -> Result<Arc<[(String, i64)]>, CacheError> {
        let hot = match self.engine.see(key, Line::ranks) {
            Ok(ranks) => return Ok(ranks),
            Err(hot) => hot,
        };
        Ok(Box::pin(self.engine.read(key, hot)).await?.ranks())
    }

    by_hand!();
}
