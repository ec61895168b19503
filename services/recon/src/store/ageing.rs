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
    /// The oldest first: by the number of instants of [`AGES_BEGIN`] that the break was found after.
    const ALL: [Age; 5] = [Age::Over30Days, Age::Days8To30, Age::Days4To7, Age::Days2To3, Age::Days0To1];
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
    /// Of those about money outside, in minor units.
    pub amount_minor: i64,
}

/// Whole days after which a break is of an age, the oldest first.
const AGES_BEGIN: [i64; 4] = [31, 8, 4, 2];

/// One scan of what is not closed; as many rows as kinds, severities, states and ages make. In no order: PostgreSQL
/// thinks that there are as many groups as breaks, and would sort the breaks.
const GROUPS: &str = "
SELECT kind, severity, state, width_bucket(detected_at, $2::timestamptz[]) AS bucket, count(*) AS count,
    count(*) FILTER (WHERE due_at < $1) AS overdue_count, sum(coins)::bigint AS coins,
    coalesce(sum(amount_minor), 0)::bigint AS amount_minor
FROM {s}.breaks WHERE state <> 7 GROUP BY 1, 2, 3, 4";

/// What is open at `now`, in groups.
///
/// # Errors
/// Whatever the database says, or a row that this program does not understand.
pub async fn list_groups(db: &Db, now: DateTime<Utc>) -> Result<Vec<AgeGroup>, sqlx::Error> {
    let begins: Vec<_> = AGES_BEGIN.iter().map(|days| now - TimeDelta::days(*days)).collect();
    let reading = db.reading();
    let list = sqlx::query(reading.sql(GROUPS)).bind(now).bind(begins);
    let rows = reading.fetch_all(list).await?;
    let one = |row: &sqlx::postgres::PgRow| {
        let bucket = usize::try_from(row.try_get::<i32, _>("bucket")?).ok();
        Ok(AgeGroup {
            kind: row.try_get("kind")?,
            severity: Severity::of_code(row.try_get("severity")?).ok_or(sqlx::Error::RowNotFound)?,
            state: BreakState::of_code(row.try_get("state")?).ok_or(sqlx::Error::RowNotFound)?,
            age: bucket.and_then(|at| Age::ALL.get(at).copied()).ok_or(sqlx::Error::RowNotFound)?,
            count: row.try_get("count")?,
            overdue_count: row.try_get("overdue_count")?,
            coins: row.try_get("coins")?,
            amount_minor: row.try_get("amount_minor")?,
        })
    };
    let mut groups: Vec<AgeGroup> = rows.iter().map(one).collect::<Result<_, sqlx::Error>>()?;
    groups.sort_by(|a, b| {
        let place = |of: &AgeGroup| (of.severity.code(), of.state.code(), of.age);
        a.kind.cmp(&b.kind).then_with(|| place(a).cmp(&place(b)))
    });
    Ok(groups)
}
