//! Who sent most in each room on an accounting day, and how many gifts it was given: folded from order rows, kept in
//! the cache, read from memory where a room is hot. Weak: where the cache has forgotten it, it is counted again from
//! the rows, under a new generation.

use crate::app::stage::short_id;
use crate::store::orders;
use arc_swap::ArcSwap;
use cache::{Cache, CacheError};
use chrono::{NaiveDate, Utc};
use contracts::log::AccountingZone;
use contracts::order::{Order, OrderKind};
use hotkey::{CounterSettings, Counters, HotCounts, HotError, HotRanks, HotSettings, HotTable};
use ids::{OrderId, RoomId, Uuid, ViewerId};
use pg::Db;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use utoipa::ToSchema;

/// Where the cache says which generation counts.
const GENERATION_KEY: &str = "gift-ranks-generation";
const GENERATION_TTL: Duration = Duration::from_secs(48 * 60 * 60);
/// Viewers of one day a rebuild reads at most; the long tail of a huge day starts at zero.
const REBUILD_ROWS_MAX: i64 = 500_000;
/// How long a count that could not be added up with the others lives: as long as theirs.
const COUNT_TTL: Duration = Duration::from_secs(48 * 60 * 60);
/// How long a stop waits for the cache to take what was counted last.
const DRAIN_MAX: Duration = Duration::from_secs(2);

/// One place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Rank {
    pub place: usize,
    /// A short id; not the viewer's own.
    pub viewer: String,
    pub coins: i64,
}

/// A room's ranking of one accounting day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RanksView {
    pub day: NaiveDate,
    /// Gifts delivered in the room on this day, refunded later or not; missing while the cache is away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gift_count: Option<i64>,
    pub ranks: Vec<Rank>,
}

/// The ranks as this process writes and reads them.
pub struct Ranks {
    cache: Cache,
    hot_ranks: HotRanks,
    hot_counts: HotCounts,
    counters: Counters,
    zone: AccountingZone,
    /// Which counting all nodes add to.
    generation: ArcSwap<String>,
    /// Something was not added: the counting is to be begun again.
    is_behind: AtomicBool,
}

/// What one room was given on one day.
#[derive(Default)]
struct Given {
    scores: HashMap<ViewerId, i64>,
    gifts: i64,
}

type GivenByRoom = HashMap<(NaiveDate, RoomId), Given>;

/// How ranks are read and counters written.
pub struct RanksSettings {
    /// Places that are served.
    pub len_max: usize,
    pub hot: HotSettings,
    pub counters: CounterSettings,
}

impl Ranks {
    /// Must run within a Tokio runtime.
    ///
    /// # Errors
    /// [`HotError`]: a setting out of its range, or a store that does not tell of changes.
    pub fn start(cache: Cache, zone: AccountingZone, settings: RanksSettings) -> Result<Ranks, HotError> {
        let generation = ArcSwap::from_pointee(Uuid::now_v7().to_string());
        Ok(Ranks {
            hot_ranks: HotRanks::start(&cache, settings.len_max, settings.hot.clone())?,
            hot_counts: HotCounts::start(&cache, settings.hot)?,
            counters: Counters::start(&cache, &settings.counters)?,
            cache,
            zone,
            generation,
            is_behind: AtomicBool::new(false),
        })
    }

    /// What is read most here, and what is served from memory.
    pub fn hot_tables(&self) -> Vec<HotTable> {
        vec![self.hot_ranks.table(), self.hot_counts.table()]
    }

    /// Writes what was counted last. Call it after the last row was folded in.
    pub async fn drain(&self) {
        if let Err(error) = self.counters.drain(DRAIN_MAX).await {
            tracing::debug!(%error, "rooms' counts stay behind");
        }
    }

    /// Adds to the counting that every node adds to; begins one from the table where there is none (the cache is
    /// new, or has forgotten everything) or where this node could not add to it. Call it before anything is folded
    /// in, then now and then. Rows committed meanwhile may be counted twice or not at all: ranks are a show.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn keep(&self, db: &Db) -> Result<(), sqlx::Error> {
        match self.cache.get(GENERATION_KEY).await {
            Err(error) => tracing::debug!(%error, "ranks wait for the cache"),
            Ok(Some(generation)) if !self.is_behind.load(Ordering::Relaxed) => {
                self.adopt(String::from_utf8_lossy(&generation).into_owned());
            }
            Ok(Some(_) | None) => self.rebuild(db).await?,
        }
        Ok(())
    }

    fn adopt(&self, generation: String) {
        if **self.generation.load() != generation {
            self.generation.store(Arc::new(generation));
        }
    }

    /// Counts today's orders from the table.
    async fn rebuild(&self, db: &Db) -> Result<(), sqlx::Error> {
        let day = self.zone.day_of(Utc::now());
        let mut given = GivenByRoom::new();
        for row in orders::list_ranks(db, day, REBUILD_ROWS_MAX).await? {
            let room = given.entry((day, row.room_id)).or_default();
            room.scores.insert(row.viewer_id, row.coins);
            room.gifts = room.gifts.saturating_add(row.gifts);
        }
        self.is_behind.store(false, Ordering::Relaxed);
        let generation = Uuid::now_v7().to_string();
        self.add(&generation, given).await;
        if let Err(error) = self.cache.set(GENERATION_KEY, generation.as_bytes(), GENERATION_TTL).await {
            tracing::debug!(%error, "ranks were not rebuilt and wait for the cache");
            self.is_behind.store(true, Ordering::Relaxed);
        }
        self.adopt(generation);
        Ok(())
    }

    /// Folds committed rows in: what was delivered, less what was refunded. What comes back counts on the day of the
    /// gift, whenever it comes.
    pub async fn fold(&self, db: &Db, rows: &[Order]) {
        let days = self.days_of_refunded(db, rows).await;
        let mut given = GivenByRoom::new();
        for row in rows {
            let coins = row.paid_coins.get().saturating_add(row.promo_coins.get());
            let by = match row.kind {
                OrderKind::Delivered => coins,
                OrderKind::RefundedDelivered => -coins,
                OrderKind::Refunding | OrderKind::ReturnedUndelivered => continue,
            };
            let day = days.get(&row.order_id).copied().unwrap_or(row.stamp.day);
            let room = given.entry((day, row.room_id)).or_default();
            let score = room.scores.entry(row.viewer_id).or_default();
            *score = score.saturating_add(by);
            if row.kind == OrderKind::Delivered {
                room.gifts = room.gifts.saturating_add(row.quantity.into());
            }
        }
        let generation = self.generation.load_full();
        self.add(&generation, given).await;
    }

    /// Refunds are rare: most batches ask nothing.
    async fn days_of_refunded(&self, db: &Db, rows: &[Order]) -> HashMap<OrderId, NaiveDate> {
        let refunded = rows.iter().filter(|row| row.kind == OrderKind::RefundedDelivered);
        let refunded: Vec<OrderId> = refunded.map(|row| row.order_id).collect();
        if refunded.is_empty() {
            return HashMap::new();
        }
        match orders::list_days(db, &refunded).await {
            Ok(days) => days,
            Err(error) => {
                tracing::debug!(%error, "ranks do not know the days of refunds; they are counted again");
                self.is_behind.store(true, Ordering::Relaxed);
                HashMap::new()
            }
        }
    }

    async fn add(&self, generation: &str, given: GivenByRoom) {
        for ((day, room_id), Given { scores, gifts }) in given {
            let scores: Vec<(String, i64)> =
                scores.into_iter().map(|(viewer_id, by)| (viewer_id.to_string(), by)).collect();
            let key = key_of(generation, day, room_id);
            let added = self.cache.rank_add_all(&key, &scores).await;
            self.hot_ranks.wrote(&key); // Also after a failure: it may have been added.
            let counted = self.count(&key, gifts).await;
            if let Err(error) = added.and(counted) {
                tracing::debug!(%error, %room_id, "ranks of a room are behind until they are counted again");
                self.is_behind.store(true, Ordering::Relaxed);
                metrics::counter!("largesse_gift_ranks_lost_total").increment(1);
            }
        }
    }

    /// Adds to a room's count: with those of all other rooms, soon. Fails only where that cannot be.
    async fn count(&self, key: &str, gifts: i64) -> Result<(), CacheError> {
        if gifts == 0 {
            return Ok(()); // Only refunds: they were gifts all the same.
        }
        match (self.counters.open(key), i32::try_from(gifts)) {
            (Ok(counter), Ok(by)) => counter.add(by),
            // More rooms at a time than one command carries, or more gifts than one addition does.
            (Err(_), _) | (_, Err(_)) => {
                self.cache.incr(key, gifts, COUNT_TTL).await?;
            }
        }
        Ok(())
    }

    /// What a room was given today. While the cache is away, the ranking is empty and the count is missing.
    pub async fn list(&self, room_id: RoomId) -> RanksView {
        let day = self.zone.day_of(Utc::now());
        let generation = self.generation.load_full();
        let key = key_of(&generation, day, room_id);
        let (top, count) = tokio::join!(self.hot_ranks.top(&key), self.hot_counts.get(&key));
        let ranks = top
            .unwrap_or_default()
            .iter()
            .filter(|(_, coins)| *coins > 0)
            .enumerate()
            .map(|(at, (viewer, coins))| {
                let viewer = viewer.parse().map(short_id).unwrap_or_default();
                Rank { place: at + 1, viewer, coins: *coins }
            })
            .collect();
        RanksView { day, gift_count: count.ok().map(Option::unwrap_or_default), ranks }
    }
}

/// Of a ranking and of a count alike: they stand on two shelves of the cache.
fn key_of(generation: &str, day: NaiveDate, room_id: RoomId) -> String {
    format!("gift/{generation}/{day}/{room_id}")
}
