//! Accounting days: read with a shared lock by posting, changed with an exclusive one.

use crate::domain::period::{PeriodState, posting_day};
use chrono::NaiveDate;
use pg::Db;
use sqlx::PgConnection;
use std::collections::{BTreeMap, BTreeSet};

/// Days a late row may look ahead for an open one.
const DAYS_AHEAD_MAX: u32 = 400;

const ENSURE: &str = "
INSERT INTO {s}.periods (day) SELECT d FROM unnest($1::date[]) AS d ORDER BY d ON CONFLICT (day) DO NOTHING";

const LOCK_SHARED: &str = "
SELECT day, state FROM {s}.periods WHERE day = ANY ($1) ORDER BY day FOR SHARE";

/// The day whose books each accounting day stands in. Holds the states read until the transaction ends, so no
/// hard lock slips in between.
///
/// # Errors
/// Whatever the database says, or [`sqlx::Error::RowNotFound`] with no open day in 400.
pub async fn lock_posting_days_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    days: &BTreeSet<NaiveDate>,
) -> Result<BTreeMap<NaiveDate, NaiveDate>, sqlx::Error> {
    let mut states = BTreeMap::new();
    let mut wanted: Vec<NaiveDate> = days.iter().copied().collect();
    for _ in 0..DAYS_AHEAD_MAX {
        if wanted.is_empty() {
            break;
        }
        sqlx::query(db.sql(ENSURE)).bind(&wanted).execute(&mut *tx).await?;
        let rows: Vec<(NaiveDate, i16)> =
            sqlx::query_as(db.sql(LOCK_SHARED)).bind(&wanted).fetch_all(&mut *tx).await?;
        for (day, code) in rows {
            let state = PeriodState::of_code(code).ok_or(sqlx::Error::RowNotFound)?;
            states.insert(day, state);
        }
        wanted = days.iter().filter_map(|day| posting_day(*day, &states).err()).collect();
        wanted.dedup();
    }
    let stands = |day: &NaiveDate| posting_day(*day, &states).map(|posted| (*day, posted));
    days.iter().map(stands).collect::<Result<_, _>>().map_err(|_| sqlx::Error::RowNotFound)
}

const LOCK_EXCLUSIVE: &str = "SELECT state FROM {s}.periods WHERE day = $1 FOR UPDATE";

const SET: &str = "UPDATE {s}.periods SET state = $2, changed_at = now() WHERE day = $1";

/// Changes the state of a day; waits for every posting that holds it.
///
/// # Errors
/// Whatever the database says.
pub async fn set_state(db: &Db, day: NaiveDate, state: PeriodState) -> Result<(), sqlx::Error> {
    let mut tx = db.begin().await?;
    sqlx::query(db.sql(ENSURE)).bind(vec![day]).execute(&mut *tx).await?;
    sqlx::query(db.sql(LOCK_EXCLUSIVE)).bind(day).execute(&mut *tx).await?;
    sqlx::query(db.sql(SET)).bind(day).bind(state.code()).execute(&mut *tx).await?;
    tx.commit().await
}
