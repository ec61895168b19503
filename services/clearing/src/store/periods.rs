//! Accounting days: read with a shared lock by posting, changed with an exclusive one.
//!
//! Lock order: the table (closing only), then days' rows in the order of days. Whoever posts makes missing days before
//! it holds any row, so that it never waits for the table with a row in its hand.

use crate::domain::period::{Origin, PeriodState, posting_day};
use chrono::{DateTime, NaiveDate, Utc};
use pg::{Db, ReadDb};
use sqlx::PgConnection;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Days a late row may look ahead for an open one.
const DAYS_AHEAD_MAX: u32 = 400;

// A day before a closed one that nobody has made is closed with it: nothing slips in under its balances.
const ENSURE: &str = "
INSERT INTO {s}.periods (day, state)
SELECT d, CASE WHEN EXISTS (SELECT FROM {s}.periods p WHERE p.state = 3 AND p.day > d) THEN 3 ELSE 1 END
FROM unnest($1::date[]) AS d ORDER BY d ON CONFLICT (day) DO NOTHING";

// A late row may have many locked days before it: they come at once.
const READ: &str = "
SELECT day, state FROM {s}.periods WHERE day >= (SELECT min(d) FROM unnest($1::date[]) AS d) ORDER BY day LIMIT 400";

const LOCK_SHARED: &str = "
SELECT day, state FROM {s}.periods WHERE day = ANY ($1) ORDER BY day FOR SHARE";

/// The day whose books what logs bring of each accounting day stands in. Holds the states read until the transaction
/// ends, so no lock slips in between.
///
/// # Errors
/// Whatever the database says, or [`sqlx::Error::RowNotFound`] with no open day in 400.
pub async fn lock_posting_days_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    days: &BTreeSet<NaiveDate>,
) -> Result<BTreeMap<NaiveDate, NaiveDate>, sqlx::Error> {
    lock_days_in_tx(tx, db, days, Origin::Logs).await
}

/// The day whose books an adjustment by finance of `day` stands in: the day itself, or the first after it that is not
/// closed. Held as by [`lock_posting_days_in_tx`].
///
/// # Errors
/// The same.
pub async fn lock_adjustment_day_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    day: NaiveDate,
) -> Result<NaiveDate, sqlx::Error> {
    let found = lock_days_in_tx(tx, db, &BTreeSet::from([day]), Origin::Finance).await?;
    found.get(&day).copied().ok_or(sqlx::Error::RowNotFound)
}

/// Finds where every day stands without holding any, then holds each day and where it stands, and looks again: a day
/// that was locked in between sends its rows on. Days that are passed over need no hold: none of them can open again.
async fn lock_days_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    days: &BTreeSet<NaiveDate>,
    origin: Origin,
) -> Result<BTreeMap<NaiveDate, NaiveDate>, sqlx::Error> {
    let (mut states, mut held) = (BTreeMap::new(), BTreeSet::new());
    for _ in 0..DAYS_AHEAD_MAX {
        let missing: Vec<NaiveDate> =
            days.iter().filter_map(|day| posting_day(*day, origin, &states).err()).collect();
        if !missing.is_empty() {
            states.extend(read_in_tx(tx, db, &missing).await?);
            continue;
        }
        let stands = |day: &NaiveDate| posting_day(*day, origin, &states).map(|posted| (*day, posted));
        let stands: BTreeMap<NaiveDate, NaiveDate> =
            days.iter().map(stands).collect::<Result<_, _>>().map_err(|_| sqlx::Error::RowNotFound)?;
        let to_hold: BTreeSet<NaiveDate> = stands
            .iter()
            .flat_map(|(day, posted)| [*day, *posted])
            .filter(|day| !held.contains(day))
            .collect();
        if to_hold.is_empty() {
            return Ok(stands);
        }
        let wanted: Vec<NaiveDate> = to_hold.iter().copied().collect();
        let rows = sqlx::query_as(db.sql(LOCK_SHARED)).bind(wanted).fetch_all(&mut *tx).await?;
        states.extend(states_of(rows)?);
        held.extend(to_hold);
    }
    Err(sqlx::Error::RowNotFound)
}

/// The states of some days and of those behind them; days that nobody has made are made.
async fn read_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    days: &[NaiveDate],
) -> Result<Vec<(NaiveDate, PeriodState)>, sqlx::Error> {
    let found = states_of(sqlx::query_as(db.sql(READ)).bind(days).fetch_all(&mut *tx).await?)?;
    if days.iter().all(|day| found.iter().any(|(known, _)| known == day)) {
        return Ok(found);
    }
    sqlx::query(db.sql(ENSURE)).bind(days).execute(&mut *tx).await?;
    states_of(sqlx::query_as(db.sql(READ)).bind(days).fetch_all(tx).await?)
}

fn states_of(rows: Vec<(NaiveDate, i16)>) -> Result<Vec<(NaiveDate, PeriodState)>, sqlx::Error> {
    let state = |(day, code)| PeriodState::of_code(code).map(|state| (day, state));
    rows.into_iter()
        .map(state)
        .collect::<Option<_>>()
        .ok_or_else(|| sqlx::Error::Decode("unknown state".into()))
}

const LOCK_TABLE: &str = "LOCK TABLE {s}.periods IN SHARE ROW EXCLUSIVE MODE";

const LOCK_EXCLUSIVE: &str = "
SELECT day, state FROM {s}.periods WHERE day = ANY ($1) ORDER BY day FOR UPDATE";

const SET: &str = "UPDATE {s}.periods SET state = $2, changed_at = now() WHERE day = ANY ($1)";

/// Keeps others from making days until the transaction ends, and lets each of its statements take so long: closing
/// reads a whole day.
///
/// # Errors
/// Whatever the database says.
pub async fn lock_table_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    statement_max: Duration,
) -> Result<(), sqlx::Error> {
    let limit_ms = statement_max.as_millis().to_string();
    sqlx::query("SELECT set_config('statement_timeout', $1, true)").bind(limit_ms).execute(&mut *tx).await?;
    sqlx::query(db.sql(LOCK_TABLE)).execute(tx).await.map(drop)
}

/// The states of some days, made where they are missing and held against every posting.
///
/// # Errors
/// Whatever the database says.
pub async fn lock_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    days: &[NaiveDate],
) -> Result<Vec<(NaiveDate, PeriodState)>, sqlx::Error> {
    sqlx::query(db.sql(ENSURE)).bind(days).execute(&mut *tx).await?;
    states_of(sqlx::query_as(db.sql(LOCK_EXCLUSIVE)).bind(days).fetch_all(tx).await?)
}

/// Sets the state of days that are held.
///
/// # Errors
/// Whatever the database says.
pub async fn set_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    days: &[NaiveDate],
    state: PeriodState,
) -> Result<(), sqlx::Error> {
    sqlx::query(db.sql(SET)).bind(days).bind(state.code()).execute(tx).await.map(drop)
}

const STATES: &str = "SELECT day, state FROM {s}.periods WHERE day BETWEEN $1 AND $2 ORDER BY day";

/// The states of the days there are.
///
/// # Errors
/// Whatever the database says.
pub async fn list_states(
    db: &Db,
    (first, last): (NaiveDate, NaiveDate),
) -> Result<Vec<(NaiveDate, PeriodState)>, sqlx::Error> {
    states_of(sqlx::query_as(db.sql(STATES)).bind(first).bind(last).fetch_all(db.pool()).await?)
}

const EARLIER: &str =
    "SELECT day, state FROM {s}.periods WHERE day < $1 AND state <> 3 ORDER BY day LIMIT $2";

/// Days before `first` that are not closed, at most `limit`.
///
/// # Errors
/// Whatever the database says.
pub async fn list_earlier_not_closed_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    first: NaiveDate,
    limit: i64,
) -> Result<Vec<(NaiveDate, PeriodState)>, sqlx::Error> {
    states_of(sqlx::query_as(db.sql(EARLIER)).bind(first).bind(limit).fetch_all(tx).await?)
}

/// A day of the list of periods: day, state, when that changed, and the latest closing's version, vouchers and instant.
pub type PeriodRow = (NaiveDate, i16, DateTime<Utc>, Option<i32>, Option<i64>, Option<DateTime<Utc>>);

const LIST: &str = "
SELECT p.day, p.state, p.changed_at, c.version, c.voucher_count, c.closed_at
FROM {s}.periods p
LEFT JOIN LATERAL (SELECT * FROM {s}.day_closings c WHERE c.day = p.day ORDER BY version DESC LIMIT 1) c ON true
WHERE $1::date IS NULL OR p.day < $1 ORDER BY p.day DESC LIMIT $2";

/// Days, newest first, before one of them.
///
/// # Errors
/// Whatever the database says.
pub async fn list(db: &ReadDb, before: Option<NaiveDate>, limit: i64) -> Result<Vec<PeriodRow>, sqlx::Error> {
    db.fetch_all_as(sqlx::query(db.sql(LIST)).bind(before).bind(limit)).await
}
