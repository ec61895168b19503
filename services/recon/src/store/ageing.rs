//! Open breaks counted by kind, severity, state and age.

use crate::domain::break_state::BreakState;
use crate::domain::severity::Severity;
use chrono::{DateTime, TimeDelta, Utc};
use pg::Db;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use utoipa::ToSchema;

/// How old a break is, as finance ages what is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub enum Age {
    #[serde(rename = "0-1")]
    Days0To1,
    #[serde(rename = "2-3")]
    Days2To3,
    #[serde(rename = "4-7")]
    Days4To7,
    #[serde(rename = "8-30")]
    Days8To30,
    #[serde(rename = "over-30")]
    Over30Days,
}

impl Age {
    /// In whole days since the break was found: the number that [`GROUPS`] gives it.
    const ALL: [Age; 5] = [Age::Days0To1, Age::Days2To3, Age::Days4To7, Age::Days8To30, Age::Over30Days];
}

/// Open breaks that are alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgeGroup {
    pub kind: String,
    pub severity: Severity,
    pub state: BreakState,
    pub age: Age,
    pub count: i64,
    /// Those of them that should be closed by now.
    pub overdue_count: i64,
    /// Coins in question, of all of them.
    pub coins: i64,
}

/// Whole days after which a break is of the next age.
const AGES_BEGIN: [i64; 4] = [2, 4, 8, 31];

/// One scan of what is not closed; as many rows as kinds, severities, states and ages make.
const GROUPS: &str = "
SELECT kind, severity, state, CASE WHEN detected_at > $2 THEN 0 WHEN detected_at > $3 THEN 1
        WHEN detected_at > $4 THEN 2 WHEN detected_at > $5 THEN 3 ELSE 4 END AS age,
    count(*) AS count, count(*) FILTER (WHERE due_at < $1) AS overdue_count, sum(coins)::bigint AS coins
FROM {s}.breaks WHERE state <> 7 GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4";

/// What is open at `now`, in groups.
///
/// # Errors
/// Whatever the database says, or a row that this program does not understand.
pub async fn list_groups(db: &Db, now: DateTime<Utc>) -> Result<Vec<AgeGroup>, sqlx::Error> {
    let reading = db.reading();
    let mut groups = sqlx::query(reading.sql(GROUPS)).bind(now);
    for days in AGES_BEGIN {
        groups = groups.bind(now - TimeDelta::days(days)); // Here and not there: once, and not for each row.
    }
    let rows = reading.fetch_all(groups).await?;
    let one = |row: &sqlx::postgres::PgRow| {
        let age =
            usize::try_from(row.try_get::<i32, _>("age")?).ok().and_then(|at| Age::ALL.get(at).copied());
        Ok(AgeGroup {
            kind: row.try_get("kind")?,
            severity: Severity::of_code(row.try_get("severity")?).ok_or(sqlx::Error::RowNotFound)?,
            state: BreakState::of_code(row.try_get("state")?).ok_or(sqlx::Error::RowNotFound)?,
            age: age.ok_or(sqlx::Error::RowNotFound)?,
            count: row.try_get("count")?,
            overdue_count: row.try_get("overdue_count")?,
            coins: row.try_get("coins")?,
        })
    };
    rows.iter().map(one).collect()
}
