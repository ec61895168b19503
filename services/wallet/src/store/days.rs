//! Day tables of `entries`: made on demand, remembered in memory.

use chrono::{Days as DayCount, NaiveDate, NaiveTime};
use ids::{IdTime, Uuid, lowest_id};
use pg::Db;
use sqlx::AssertSqlSafe;
use std::collections::BTreeSet;

/// The day tables known to exist.
#[derive(Debug, Default)]
pub(crate) struct Days {
    known: BTreeSet<NaiveDate>,
    last_hit: Option<i64>,
}

const DAY_MS: i64 = 86_400_000;

/// Makers of day tables take turns, across processes: `IF NOT EXISTS` alone races.
const TAKE_TURNS: &str = "SELECT pg_advisory_xact_lock(hashtext('{s}.entries'))";

/// The lowest id of a UTC day.
fn first_id(day: NaiveDate) -> Uuid {
    lowest_id(day.and_time(NaiveTime::MIN).and_utc().timestamp_millis())
}

impl Days {
    /// Whether the day of an id has a table. Ids of one batch share a day or two, so the last hit is kept.
    pub fn covers(&mut self, time: IdTime) -> bool {
        let day_number = time.unix_ms.div_euclid(DAY_MS);
        if self.last_hit != Some(day_number) && self.known.contains(&time.day()) {
            self.last_hit = Some(day_number);
        }
        self.last_hit == Some(day_number)
    }

    /// Makes sure that `day` has a table. One transaction per new day, never inside another.
    pub async fn ensure(&mut self, db: &Db, day: NaiveDate) -> Result<(), sqlx::Error> {
        if self.known.contains(&day) {
            return Ok(());
        }
        let next = day.checked_add_days(DayCount::new(1)).unwrap_or(NaiveDate::MAX);
        let schema = db.schema();
        let make = format!(
            "CREATE TABLE IF NOT EXISTS {schema}.{} PARTITION OF {schema}.entries \
             FOR VALUES FROM ('{}') TO ('{}')",
            Days::table_of(day),
            first_id(day),
            first_id(next),
        );
        let mut tx = db.begin().await?;
        sqlx::query(db.sql(TAKE_TURNS)).execute(&mut *tx).await?;
        sqlx::query(AssertSqlSafe(make)).execute(&mut *tx).await?;
        tx.commit().await?;
        self.known.insert(day);
        Ok(())
    }

    /// The table of a day.
    pub fn table_of(day: NaiveDate) -> String {
        format!("entries_y{}", day.format("%Y%m%d"))
    }

    /// The day of a table.
    pub fn day_of(table: &str) -> Option<NaiveDate> {
        NaiveDate::parse_from_str(table.strip_prefix("entries_y")?, "%Y%m%d").ok()
    }

    /// Makes sure that the day before `today`, `today` and the day after have tables.
    pub async fn ensure_around(&mut self, db: &Db, today: NaiveDate) -> Result<(), sqlx::Error> {
        let before = today.checked_sub_days(DayCount::new(1));
        let after = today.checked_add_days(DayCount::new(1));
        for day in [before, Some(today), after].into_iter().flatten() {
            self.ensure(db, day).await?;
        }
        Ok(())
    }
}
