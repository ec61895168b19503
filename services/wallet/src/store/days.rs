//! Day tables of `entries`: made on demand, remembered in memory.

use chrono::{Days as DayCount, NaiveDate, NaiveTime};
use ids::{IdTime, Uuid, lowest_id};
use pg::Db;
use sqlx::AssertSqlSafe;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// The day tables known to exist.
#[derive(Debug, Default)]
pub(crate) struct Days {
    known: BTreeSet<NaiveDate>,
    last_hit: Option<i64>,
}

const DAY_MS: i64 = 86_400_000;

/// Whoever makes a day table or takes one out of the log does it alone, across processes: `IF NOT EXISTS` races, and a
/// table that is taken out waits for every statement that might see it. So nobody waits inside a statement.
const TAKE_TURN: &str = "SELECT pg_try_advisory_xact_lock(hashtext('{s}.entries'))";

/// How long a maker of a table that is needed now waits for its turn, and how often it looks.
const TURN_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(20);

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
    ///
    /// # Errors
    /// Whatever the database says; or somebody else was at it for too long, where trying again may help.
    pub async fn ensure(&mut self, db: &Db, day: NaiveDate) -> Result<(), sqlx::Error> {
        let began = Instant::now();
        while !self.try_ensure(db, day).await? {
            if began.elapsed() > TURN_WITHIN {
                let reason = format!("the table of {day} waits for another day's to be made or retired");
                return Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, reason)));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// The same, without waiting: false where somebody else is at it.
    async fn try_ensure(&mut self, db: &Db, day: NaiveDate) -> Result<bool, sqlx::Error> {
        if self.known.contains(&day) {
            return Ok(true);
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
        if !sqlx::query_scalar(db.sql(TAKE_TURN)).fetch_one(&mut *tx).await? {
            tx.rollback().await?;
            return Ok(false);
        }
        sqlx::query(AssertSqlSafe(make)).execute(&mut *tx).await?;
        tx.commit().await?;
        self.known.insert(day);
        Ok(true)
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
    ///
    /// # Errors
    /// As of [`Days::ensure`].
    pub async fn ensure_around(&mut self, db: &Db, today: NaiveDate) -> Result<(), sqlx::Error> {
        for day in around(today) {
            self.ensure(db, day).await?;
        }
        Ok(())
    }

    /// The same from time to time: what somebody else's turn keeps it from is for the next time.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn tend_around(&mut self, db: &Db, today: NaiveDate) -> Result<(), sqlx::Error> {
        for day in around(today) {
            self.try_ensure(db, day).await?;
        }
        Ok(())
    }
}

fn around(today: NaiveDate) -> impl Iterator<Item = NaiveDate> {
    let before = today.checked_sub_days(DayCount::new(1));
    let after = today.checked_add_days(DayCount::new(1));
    [before, Some(today), after].into_iter().flatten()
}
