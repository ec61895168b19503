//! Who sent most in each room on an accounting day: folded from order rows, kept in the cache. Weak: where the cache
//! has forgotten it, it is counted again from the rows, under a new generation.

use crate::app::stage::short_id;
use crate::store::orders;
use arc_swap::ArcSwap;
use cache::Cache;
use chrono::{NaiveDate, Utc};
use contracts::log::AccountingZone;
use contracts::order::{Order, OrderKind};
use ids::{RoomId, Uuid, ViewerId};
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
    pub ranks: Vec<Rank>,
}

/// The ranks as this process writes and reads them.
pub struct Ranks {
    cache: Cache,
    zone: AccountingZone,
    /// Which counting all nodes add to.
    generation: ArcSwap<String>,
    /// Something was not added: the counting is to be begun again.
    is_behind: AtomicBool,
    len_max: usize,
}

type Scores = HashMap<(NaiveDate, RoomId), HashMap<ViewerId, i64>>;

impl Ranks {
    pub fn new(cache: Cache, zone: AccountingZone, len_max: usize) -> Ranks {
        let generation = ArcSwap::from_pointee(Uuid::now_v7().to_string());
        Ranks { cache, zone, generation, is_behind: AtomicBool::new(false), len_max }
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
        let mut scores = Scores::new();
        for row in orders::list_ranks(db, day, REBUILD_ROWS_MAX).await? {
            scores.entry((day, row.room_id)).or_default().insert(row.viewer_id, row.coins);
        }
        self.is_behind.store(false, Ordering::Relaxed);
        let generation = Uuid::now_v7().to_string();
        self.add(&generation, scores).await;
        if let Err(error) = self.cache.set(GENERATION_KEY, generation.as_bytes(), GENERATION_TTL).await {
            tracing::debug!(%error, "ranks were not rebuilt and wait for the cache");
            self.is_behind.store(true, Ordering::Relaxed);
        }
        self.adopt(generation);
        Ok(())
    }

    /// Folds committed rows in: what was delivered, less what was refunded.
    pub async fn fold(&self, rows: &[Order]) {
        let mut scores = Scores::new();
        for row in rows {
            let coins = row.paid_coins.get().saturating_add(row.promo_coins.get());
            let by = match row.kind {
                OrderKind::Delivered => coins,
                OrderKind::RefundedDelivered => -coins,
                OrderKind::Refunding | OrderKind::ReturnedUndelivered => continue,
            };
            let score =
                scores.entry((row.stamp.day, row.room_id)).or_default().entry(row.viewer_id).or_default();
            *score = score.saturating_add(by);
        }
        let generation = self.generation.load_full();
        self.add(&generation, scores).await;
    }

    async fn add(&self, generation: &str, scores: Scores) {
        for ((day, room_id), viewers) in scores {
            let scores: Vec<(String, i64)> =
                viewers.into_iter().map(|(viewer_id, by)| (viewer_id.to_string(), by)).collect();
            let key = key_of(generation, day, room_id);
            if let Err(error) = self.cache.rank_add_all(&key, &scores).await {
                tracing::debug!(%error, %room_id, "ranks of a room are behind until they are counted again");
                self.is_behind.store(true, Ordering::Relaxed);
                metrics::counter!("largesse_gift_ranks_lost_total").increment(1);
            }
        }
    }

    /// Today's ranking of a room; empty while the cache is away.
    pub async fn list(&self, room_id: RoomId) -> RanksView {
        let day = self.zone.day_of(Utc::now());
        let generation = self.generation.load_full();
        let top =
            self.cache.rank_top(&key_of(&generation, day, room_id), self.len_max).await.unwrap_or_default();
        let ranks = top
            .into_iter()
            .filter(|(_, coins)| *coins > 0)
            .enumerate()
            .map(|(at, (viewer, coins))| {
                let viewer = viewer.parse().map(short_id).unwrap_or_default();
                Rank { place: at + 1, viewer, coins }
            })
            .collect();
        RanksView { day, ranks }
    }
}

fn key_of(generation: &str, day: NaiveDate, room_id: RoomId) -> String {
    format!("gift/{generation}/{day}/{room_id}")
}
