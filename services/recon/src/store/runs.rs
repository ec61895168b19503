//! Runs and their steps. What a step did and that it is done commit together.

use chrono::{DateTime, NaiveDate, Utc};
use ids::{Partition, Uuid};
use pg::Db;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use utoipa::ToSchema;

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    Queued,
    Running,
    Done,
    /// It could not be done for so long that somebody must look.
    Failed,
}

impl RunState {
    const ALL: [RunState; 4] = [RunState::Queued, RunState::Running, RunState::Done, RunState::Failed];

    /// The number in the column `state`. Part of the stored format.
    pub const fn code(self) -> i16 {
        match self {
            RunState::Queued => 1,
            RunState::Running => 2,
            RunState::Done => 3,
            RunState::Failed => 4,
        }
    }
}

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub run_id: Uuid,
    pub day: NaiveDate,
    pub state: RunState,
    pub requested_by: String,
    pub requested_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub attempts: i32,
    pub last_error: Option<String>,
    pub report_sha256: Option<Vec<u8>>,
}

/// What a step is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// The logs of one partition.
    Logs(Partition),
    /// Bills and statements.
    Bills,
}

impl StepKind {
    const fn as_str(self) -> &'static str {
        match self {
            StepKind::Logs(_) => "logs",
            StepKind::Bills => "bills",
        }
    }

    /// Every step of a run, in order.
    pub fn plan() -> Vec<StepKind> {
        Partition::all().map(StepKind::Logs).chain([StepKind::Bills]).collect()
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT run_id, day, state, requested_by, requested_at, started_at, ended_at, attempts, last_error, \
             report_sha256 FROM {s}.recon_runs ",
            $rest
        )
    };
}

const INSERT: &str = "
INSERT INTO {s}.recon_runs (run_id, day, requested_by) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";

const PLAN: &str = "
INSERT INTO {s}.run_steps (run_id, step_no, kind, partition)
SELECT $1, p.* FROM unnest($2::integer[], $3::text[], $4::smallint[]) AS p ON CONFLICT DO NOTHING";

/// Asks for a run, with its steps; changes nothing where it is there.
///
/// # Errors
/// Whatever the database says.
pub async fn insert(db: &Db, run_id: Uuid, day: NaiveDate, requested_by: &str) -> Result<(), sqlx::Error> {
    let plan = StepKind::plan();
    let partition = |kind: &StepKind| match kind {
        StepKind::Logs(partition) => Some(partition.number()),
        StepKind::Bills => None,
    };
    let mut tx = db.begin().await?;
    let done = sqlx::query(db.sql(INSERT)).bind(run_id).bind(day).bind(requested_by.to_owned());
    if done.execute(&mut *tx).await?.rows_affected() == 1 {
        sqlx::query(db.sql(PLAN))
            .bind(run_id)
            .bind((1_i32..).take(plan.len()).collect::<Vec<_>>())
            .bind(plan.iter().map(|kind| kind.as_str()).collect::<Vec<_>>())
            .bind(plan.iter().map(partition).collect::<Vec<_>>())
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await
}

const FIND: &str = select!("WHERE run_id = $1");

/// One run.
///
/// # Errors
/// Whatever the database says.
pub async fn find(db: &Db, run_id: Uuid) -> Result<Option<Run>, sqlx::Error> {
    let row = sqlx::query(db.sql(FIND)).bind(run_id).fetch_optional(db.pool()).await?;
    row.as_ref().map(run_of_row).transpose()
}

const LIST: &str = select!(
    "WHERE ($1::date IS NULL OR day = $1) AND ($2::uuid IS NULL OR (requested_at, run_id) <
        (SELECT requested_at, run_id FROM {s}.recon_runs WHERE run_id = $2))
     ORDER BY requested_at DESC, run_id DESC LIMIT $3"
);

/// Runs, the newest first.
///
/// # Errors
/// Whatever the database says.
pub async fn list(
    db: &Db,
    day: Option<NaiveDate>,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Run>, sqlx::Error> {
    let list = sqlx::query(db.sql(LIST)).bind(day).bind(before).bind(limit);
    list.fetch_all(db.pool()).await?.iter().map(run_of_row).collect()
}

const NEXT: &str = select!("WHERE state IN (1, 2) AND next_at <= $1 ORDER BY requested_at, run_id LIMIT 1");

/// The run to be worked on.
///
/// # Errors
/// Whatever the database says.
pub async fn find_next(db: &Db, now: DateTime<Utc>) -> Result<Option<Run>, sqlx::Error> {
    let row = sqlx::query(db.sql(NEXT)).bind(now).fetch_optional(db.pool()).await?;
    row.as_ref().map(run_of_row).transpose()
}

const NEWEST_DONE: &str =
    select!("WHERE day = $1 AND state = 3 ORDER BY requested_at DESC, run_id DESC LIMIT 1");

/// The newest run of a day that is done.
///
/// # Errors
/// Whatever the database says.
pub async fn find_newest_done(db: &Db, day: NaiveDate) -> Result<Option<Run>, sqlx::Error> {
    let row = sqlx::query(db.sql(NEWEST_DONE)).bind(day).fetch_optional(db.pool()).await?;
    row.as_ref().map(run_of_row).transpose()
}

fn run_of_row(row: &PgRow) -> Result<Run, sqlx::Error> {
    let state: i16 = row.try_get("state")?;
    let state = RunState::ALL.into_iter().find(|known| known.code() == state);
    Ok(Run {
        run_id: row.try_get("run_id")?,
        day: row.try_get("day")?,
        state: state.ok_or(sqlx::Error::RowNotFound)?,
        requested_by: row.try_get("requested_by")?,
        requested_at: row.try_get("requested_at")?,
        started_at: row.try_get("started_at")?,
        ended_at: row.try_get("ended_at")?,
        attempts: row.try_get("attempts")?,
        last_error: row.try_get("last_error")?,
        report_sha256: row.try_get("report_sha256")?,
    })
}

const START: &str = "
UPDATE {s}.recon_runs SET state = 2, started_at = coalesce(started_at, $2) WHERE run_id = $1 AND state = 1";

/// Says that a run is at work.
///
/// # Errors
/// Whatever the database says.
pub async fn start(db: &Db, run_id: Uuid, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    sqlx::query(db.sql(START)).bind(run_id).bind(now).execute(db.pool()).await.map(drop)
}

const PUT_OFF: &str = "
UPDATE {s}.recon_runs SET attempts = attempts + 1, last_error = $2, next_at = $3 WHERE run_id = $1 AND state IN (1, 2)";

/// Says why a step was not taken, and when it is tried again.
///
/// # Errors
/// Whatever the database says.
pub async fn put_off(db: &Db, run_id: Uuid, why: &str, next_at: DateTime<Utc>) -> Result<(), sqlx::Error> {
    let put_off = sqlx::query(db.sql(PUT_OFF)).bind(run_id).bind(why.to_owned()).bind(next_at);
    put_off.execute(db.pool()).await.map(drop)
}

const GIVE_UP: &str = "
UPDATE {s}.recon_runs SET state = 4, last_error = $2, ended_at = $3 WHERE run_id = $1 AND state IN (1, 2)";

/// Gives a run up.
///
/// # Errors
/// Whatever the database says.
pub async fn give_up(db: &Db, run_id: Uuid, why: &str, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    let give_up = sqlx::query(db.sql(GIVE_UP)).bind(run_id).bind(why.to_owned()).bind(now);
    give_up.execute(db.pool()).await.map(drop)
}

const FINISH: &str = "
UPDATE {s}.recon_runs SET state = 3, report = $2, report_sha256 = $3, ended_at = $4, last_error = NULL
WHERE run_id = $1 AND state IN (1, 2)";

/// Ends a run with its report.
///
/// # Errors
/// Whatever the database says.
pub async fn finish(
    db: &Db,
    run_id: Uuid,
    (report, sha256): (&str, [u8; 32]),
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let finish =
        sqlx::query(db.sql(FINISH)).bind(run_id).bind(report.to_owned()).bind(sha256.to_vec()).bind(now);
    finish.execute(db.pool()).await.map(drop)
}

const REPORT: &str = "SELECT report FROM {s}.recon_runs WHERE run_id = $1";

/// A run's report; the outer `None` where there is no such run, the inner one where it has none yet.
///
/// # Errors
/// Whatever the database says.
pub async fn find_report(db: &Db, run_id: Uuid) -> Result<Option<Option<String>>, sqlx::Error> {
    sqlx::query_scalar(db.sql(REPORT)).bind(run_id).fetch_optional(db.pool()).await
}

/// A step that is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub step_no: i32,
    pub kind: StepKind,
}

const NEXT_STEP: &str = "
SELECT step_no, partition FROM {s}.run_steps WHERE run_id = $1 AND state = 1 ORDER BY step_no LIMIT 1";

/// The next step of a run; `None` where all are done.
///
/// # Errors
/// Whatever the database says.
pub async fn find_next_step(db: &Db, run_id: Uuid) -> Result<Option<Step>, sqlx::Error> {
    let Some(row) = sqlx::query(db.sql(NEXT_STEP)).bind(run_id).fetch_optional(db.pool()).await? else {
        return Ok(None);
    };
    let kind = match row.try_get::<Option<i16>, _>("partition")? {
        Some(number) => {
            StepKind::Logs(Partition::try_from(number).map_err(|e| sqlx::Error::Decode(e.into()))?)
        }
        None => StepKind::Bills,
    };
    Ok(Some(Step { step_no: row.try_get("step_no")?, kind }))
}

const END_STEP: &str = "
UPDATE {s}.run_steps SET state = 2, rows_done = $3, result = $4, ended_at = now()
WHERE run_id = $1 AND step_no = $2 AND state = 1";

/// Marks a step as done, unless another node was first.
///
/// # Errors
/// Whatever the database says.
pub async fn end_step_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    (run_id, step_no): (Uuid, i32),
    (rows, result): (i64, &Value),
) -> Result<bool, sqlx::Error> {
    let end = sqlx::query(db.sql(END_STEP)).bind(run_id).bind(step_no).bind(rows).bind(result);
    Ok(end.execute(tx).await?.rows_affected() == 1)
}

/// How far a run's steps are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub steps_done: i64,
    pub steps_total: i64,
    pub rows_done: i64,
}

const PROGRESS: &str = "
SELECT count(*) FILTER (WHERE state = 2) AS done, count(*) AS total, coalesce(sum(rows_done), 0)::bigint AS rows
FROM {s}.run_steps WHERE run_id = $1";

/// How far a run is.
///
/// # Errors
/// Whatever the database says.
pub async fn progress(db: &Db, run_id: Uuid) -> Result<Progress, sqlx::Error> {
    let row = sqlx::query(db.sql(PROGRESS)).bind(run_id).fetch_one(db.pool()).await?;
    Ok(Progress {
        steps_done: row.try_get("done")?,
        steps_total: row.try_get("total")?,
        rows_done: row.try_get("rows")?,
    })
}

const RESULTS: &str = "
SELECT result FROM {s}.run_steps WHERE run_id = $1 AND state = 2 AND kind = $2 ORDER BY step_no";

/// What a run's steps of a kind found, in order.
///
/// # Errors
/// Whatever the database says.
pub async fn list_results(db: &Db, run_id: Uuid, of: &'static str) -> Result<Vec<Value>, sqlx::Error> {
    sqlx::query_scalar(db.sql(RESULTS)).bind(run_id).bind(of).fetch_all(db.pool()).await
}
