//! Breaks: each fact once, however often it is found.

use crate::domain::break_kind::BreakKind;
use crate::domain::break_state::BreakState;
use crate::domain::chain::Step;
use crate::domain::saying::name_of;
use crate::domain::severity::{Judged, Severities, Severity};
use crate::store::audit;
use chrono::{DateTime, NaiveDate, Utc};
use contracts::digest::Pair;
use contracts::log::Minute;
use ids::{BreakId, OrderId, Partition, Uuid, named_id};
use pg::Db;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, Row};
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// Who acts where nobody does, in the trail.
pub const SYSTEM_ACTOR: &str = "recon";

/// A difference to be recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct NewBreak {
    /// What exactly differs: the same at every run.
    pub fact_key: String,
    pub kind: BreakKind,
    /// The pair, or the source of the vouchers.
    pub logs: String,
    pub partition: Partition,
    pub minute: Option<Minute>,
    pub order_id: Option<OrderId>,
    pub coins: i64,
    pub evidence: serde_json::Value,
    /// The accounting day whose run found it; none where the comparison of minutes did.
    pub day: Option<NaiveDate>,
}

const INSERT: &str = "
INSERT INTO {s}.breaks (break_id, fact_key, kind, logs, partition, minute, order_id, coins, evidence, severity,
    due_at, day, detected_at)
SELECT b.*, $13 FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::smallint[], $6::integer[],
    $7::uuid[], $8::bigint[], $9::jsonb[], $10::smallint[], $11::timestamptz[], $12::date[]) AS b
ON CONFLICT (fact_key) DO NOTHING
RETURNING break_id";

/// Records differences, each with its first step in the trail; returns the kinds of those that are new.
///
/// # Errors
/// Whatever the database says.
pub async fn insert_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    breaks: &[NewBreak],
    severities: &Severities,
) -> Result<Vec<BreakKind>, sqlx::Error> {
    if breaks.is_empty() {
        return Ok(Vec::new());
    }
    let now = Utc::now();
    let judge = |found: &NewBreak| severities.judge_new(found.kind, found.coins, now);
    let judged: Vec<Judged> = breaks.iter().map(judge).collect();
    let new: Vec<Uuid> = sqlx::query_scalar(db.sql(INSERT))
        .bind(breaks.iter().map(NewBreak::id).collect::<Vec<_>>())
        .bind(breaks.iter().map(|found| found.fact_key.as_str()).collect::<Vec<_>>())
        .bind(breaks.iter().map(|found| found.kind.as_str()).collect::<Vec<_>>())
        .bind(breaks.iter().map(|found| found.logs.as_str()).collect::<Vec<_>>())
        .bind(breaks.iter().map(|found| found.partition.number()).collect::<Vec<_>>())
        .bind(breaks.iter().map(|found| found.minute).collect::<Vec<_>>())
        .bind(breaks.iter().map(|found| found.order_id.map(OrderId::uuid)).collect::<Vec<_>>())
        .bind(breaks.iter().map(|found| found.coins).collect::<Vec<_>>())
        .bind(breaks.iter().map(|found| found.evidence.clone()).collect::<Vec<_>>())
        .bind(judged.iter().map(|judged| judged.severity.code()).collect::<Vec<_>>())
        .bind(judged.iter().map(|judged| judged.due_at).collect::<Vec<_>>())
        .bind(breaks.iter().map(|found| found.day).collect::<Vec<_>>())
        .bind(now)
        .fetch_all(&mut *tx)
        .await?;
    let new: BTreeSet<Uuid> = new.into_iter().collect();
    let is_new = |(found, _): &(&NewBreak, &Judged)| new.contains(&found.id());
    let found: Vec<(&NewBreak, &Judged)> = breaks.iter().zip(&judged).filter(is_new).collect();
    let steps = found.iter().map(|(found, judged)| detected(found, judged)).collect();
    if !found.is_empty() {
        audit::append_in_tx(tx, db, steps, now).await?;
    }
    Ok(found.iter().map(|(found, _)| found.kind).collect())
}

impl NewBreak {
    pub fn id(&self) -> Uuid {
        named_id("break", &self.fact_key)
    }
}

fn detected(found: &NewBreak, judged: &Judged) -> Step {
    let body = serde_json::json!({
        "fact": found.fact_key, "kind": found.kind.as_str(), "coins": found.coins, "evidence": found.evidence,
        "severity": judged.severity.as_str(), "due_at": judged.due_at,
    });
    Step { actor: SYSTEM_ACTOR.to_owned(), act: "detected", subject: found.id().to_string(), body }
}

pub(super) fn kind_named(name: &str) -> Option<BreakKind> {
    serde_json::from_value(serde_json::Value::String(name.to_owned())).ok()
}

/// Why a break is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClosedWhy {
    /// What was late arrived: both logs say the same now.
    LogsAgree,
    /// The owning service's own record of the command was read again.
    EffectProven,
    WrittenOff,
}

impl ClosedWhy {
    const ALL: [ClosedWhy; 3] = [ClosedWhy::LogsAgree, ClosedWhy::EffectProven, ClosedWhy::WrittenOff];

    /// The number in the column `closed_why`. Part of the stored format.
    pub const fn code(self) -> i16 {
        match self {
            ClosedWhy::LogsAgree => 1,
            ClosedWhy::EffectProven => 2,
            ClosedWhy::WrittenOff => 3,
        }
    }
}

/// A difference found by reconciliation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BreakView {
    pub break_id: BreakId,
    /// Where it stands in the list; pass the last one as `before` for the next page.
    pub break_no: i64,
    pub kind: BreakKind,
    pub state: BreakState,
    /// The two logs compared, or the log whose vouchers were.
    pub logs: String,
    pub partition: Partition,
    /// The Unix minute of the rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minute: Option<Minute>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
    /// Coins in question.
    pub coins: i64,
    /// What each side says.
    #[schema(value_type = Object)]
    pub evidence: serde_json::Value,
    pub detected_at: DateTime<Utc>,
    /// Counts the steps: a step is taken on the version it was decided on, or not at all.
    pub version: i32,
    pub severity: Severity,
    /// When it should be closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignee_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_until: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_why: Option<ClosedWhy>,
    /// The first break about the same fact, where this one is not the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reopens_id: Option<BreakId>,
    /// The accounting day whose run found it; missing where the comparison of minutes did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<NaiveDate>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT break_no, break_id, kind, logs, partition, minute, order_id, coins, state, evidence, detected_at, \
             version, severity, due_at, assignee_id, waits_until, closed_at, closed_why, reopens_id, day FROM \
             {s}.breaks ",
            $rest
        )
    };
}

/// Which breaks are listed.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub state: Option<BreakState>,
    pub kind: Option<BreakKind>,
    /// This severity or worse.
    pub severity: Option<Severity>,
    pub assignee_id: Option<Uuid>,
    pub order_id: Option<OrderId>,
    /// Only those that should be closed by now.
    pub due_before: Option<DateTime<Utc>>,
    /// Only those found before this instant.
    pub detected_before: Option<DateTime<Utc>>,
    pub closed: Closed,
}

/// Whether closed breaks are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Closed {
    #[default]
    Listed,
    Left,
}

macro_rules! list {
    ($also:literal) => {
        concat!(
            select!(
                "WHERE ($1::bigint IS NULL OR break_no < $1) AND ($2::smallint IS NULL OR state = $2)
       AND ($4::text IS NULL OR kind = $4) AND ($5::smallint IS NULL OR severity >= $5)
       AND ($6::uuid IS NULL OR assignee_id = $6) AND ($7::uuid IS NULL OR order_id = $7)
       AND ($8::timestamptz IS NULL OR (due_at < $8 AND state <> 7))
       AND ($9::timestamptz IS NULL OR detected_at < $9) "
            ),
            $also,
            " ORDER BY break_no DESC LIMIT $3"
        )
    };
}

const LIST: &str = list!("");
/// Said in so many words, and not as a parameter: only so does the index of what is not closed serve it, however many
/// breaks were closed since.
const LIST_WORK: &str = list!("AND state <> 7");

/// Breaks, newest first.
///
/// # Errors
/// Whatever the database says.
pub async fn list(
    db: &Db,
    before: Option<i64>,
    filter: &Filter,
    limit: i64,
) -> Result<Vec<BreakView>, sqlx::Error> {
    let reading = db.reading();
    let listed = match filter.closed {
        Closed::Listed => LIST,
        Closed::Left => LIST_WORK,
    };
    let list = sqlx::query(reading.sql(listed))
        .bind(before)
        .bind(filter.state.map(BreakState::code))
        .bind(limit)
        .bind(filter.kind.map(BreakKind::as_str))
        .bind(filter.severity.map(Severity::code))
        .bind(filter.assignee_id)
        .bind(filter.order_id.map(OrderId::uuid))
        .bind(filter.due_before)
        .bind(filter.detected_before);
    let rows = reading.fetch_all(list).await?;
    rows.iter().map(break_of_row).collect()
}

const FIND: &str = select!("WHERE break_id = $1");

/// One break, as it stands.
///
/// # Errors
/// Whatever the database says.
pub async fn find(db: &Db, break_id: BreakId) -> Result<Option<BreakView>, sqlx::Error> {
    let row = sqlx::query(db.sql(FIND)).bind(break_id.uuid()).fetch_optional(db.pool()).await?;
    row.as_ref().map(break_of_row).transpose()
}

/// One break within a transaction, after a step of it.
///
/// # Errors
/// Whatever the database says; [`sqlx::Error::RowNotFound`] where there is none.
pub async fn get_in_tx(tx: &mut PgConnection, db: &Db, break_id: BreakId) -> Result<BreakView, sqlx::Error> {
    break_of_row(&sqlx::query(db.sql(FIND)).bind(break_id.uuid()).fetch_one(tx).await?)
}

const LIST_TO_OPEN: &str = select!("WHERE state = 1 AND detected_at <= $1 ORDER BY break_no LIMIT $2");
const LIST_TO_WAKE: &str = select!("WHERE state = 8 AND waits_until <= $1 ORDER BY break_no LIMIT $2");
const LIST_POSTED: &str =
    select!("WHERE state = 6 AND detected_at <= $1 ORDER BY version, break_no LIMIT $2");
const LIST_NOT_CLOSED: &str = select!("WHERE state <> 7 AND break_no > $1 ORDER BY break_no LIMIT $2");

/// Breaks that wait for time to pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timed {
    /// Detected before an instant and not gone since.
    ToOpen,
    /// Put off until before an instant.
    ToWake,
    /// Done, and to be proven.
    Posted,
}

/// Breaks whose time has come by `until`, at most `limit`.
///
/// # Errors
/// Whatever the database says.
pub async fn list_timed(
    db: &Db,
    timed: Timed,
    until: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<BreakView>, sqlx::Error> {
    let list = match timed {
        Timed::ToOpen => LIST_TO_OPEN,
        Timed::ToWake => LIST_TO_WAKE,
        Timed::Posted => LIST_POSTED,
    };
    let rows = sqlx::query(db.sql(list)).bind(until).bind(limit).fetch_all(db.pool()).await?;
    rows.iter().map(break_of_row).collect()
}

/// Breaks that are not closed, after `after`, at most `limit`.
///
/// # Errors
/// Whatever the database says.
pub async fn list_not_closed(db: &Db, after: i64, limit: i64) -> Result<Vec<BreakView>, sqlx::Error> {
    let rows = sqlx::query(db.sql(LIST_NOT_CLOSED)).bind(after).bind(limit).fetch_all(db.pool()).await?;
    rows.iter().map(break_of_row).collect()
}

const LIST_OPEN_FACTS: &str = "
SELECT break_no, break_id, state, version, split_part(fact_key, '#', 1) AS fact, logs, partition, minute
FROM {s}.breaks WHERE state NOT IN (5, 7) AND minute IS NOT NULL AND break_no > $1 ORDER BY break_no LIMIT $2";

/// A break between two logs that is not closed, and no command under way for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenFact {
    pub break_no: i64,
    pub break_id: BreakId,
    pub state: BreakState,
    pub version: i32,
    /// The key of the first break about the fact.
    pub fact: String,
    pub pair: Pair,
    pub partition: Partition,
    pub minute: Minute,
}

/// Open breaks between two logs, after `after`, at most `limit`.
///
/// # Errors
/// Whatever the database says.
pub async fn list_open_facts(db: &Db, after: i64, limit: i64) -> Result<Vec<OpenFact>, sqlx::Error> {
    let rows = sqlx::query(db.sql(LIST_OPEN_FACTS)).bind(after).bind(limit).fetch_all(db.pool()).await?;
    let one = |row: &sqlx::postgres::PgRow| {
        let (logs, partition): (String, i16) = (row.try_get("logs")?, row.try_get("partition")?);
        let pair = Pair::ALL.into_iter().find(|pair| name_of(*pair) == logs);
        Ok(OpenFact {
            break_no: row.try_get("break_no")?,
            break_id: BreakId::from_uuid(row.try_get("break_id")?),
            state: BreakState::of_code(row.try_get("state")?).ok_or(sqlx::Error::RowNotFound)?,
            version: row.try_get("version")?,
            fact: row.try_get("fact")?,
            pair: pair.ok_or(sqlx::Error::RowNotFound)?,
            partition: Partition::try_from(partition).map_err(|e| sqlx::Error::Decode(e.into()))?,
            minute: row.try_get("minute")?,
        })
    };
    rows.iter().map(one).collect()
}

pub(super) fn break_of_row(row: &sqlx::postgres::PgRow) -> Result<BreakView, sqlx::Error> {
    let partition: i16 = row.try_get("partition")?;
    Ok(BreakView {
        break_id: BreakId::from_uuid(row.try_get("break_id")?),
        break_no: row.try_get("break_no")?,
        kind: kind_named(&row.try_get::<String, _>("kind")?).ok_or(sqlx::Error::RowNotFound)?,
        state: BreakState::of_code(row.try_get("state")?).ok_or(sqlx::Error::RowNotFound)?,
        logs: row.try_get("logs")?,
        partition: Partition::try_from(partition).map_err(|e| sqlx::Error::Decode(e.into()))?,
        minute: row.try_get("minute")?,
        order_id: row.try_get::<Option<Uuid>, _>("order_id")?.map(OrderId::from_uuid),
        coins: row.try_get("coins")?,
        evidence: row.try_get("evidence")?,
        detected_at: row.try_get("detected_at")?,
        version: row.try_get("version")?,
        severity: Severity::of_code(row.try_get("severity")?).ok_or(sqlx::Error::RowNotFound)?,
        due_at: row.try_get("due_at")?,
        assignee_id: row.try_get("assignee_id")?,
        waits_until: row.try_get("waits_until")?,
        closed_at: row.try_get("closed_at")?,
        closed_why: row
            .try_get::<Option<i16>, _>("closed_why")?
            .and_then(|code| ClosedWhy::ALL.into_iter().find(|why| why.code() == code)),
        reopens_id: row.try_get::<Option<Uuid>, _>("reopens_id")?.map(BreakId::from_uuid),
        day: row.try_get("day")?,
    })
}

const COUNT_NOT_CLOSED: &str = "SELECT count(*) FROM {s}.breaks WHERE state <> 7";

/// How many breaks are not closed.
///
/// # Errors
/// Whatever the database says.
pub async fn count_not_closed(db: &Db) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(db.sql(COUNT_NOT_CLOSED)).fetch_one(db.pool()).await
}

const COUNT_OVERDUE: &str = "SELECT count(*) FROM {s}.breaks WHERE state <> 7 AND due_at < $1";

/// How many breaks should be closed by now and are not.
///
/// # Errors
/// Whatever the database says.
pub async fn count_overdue(db: &Db, now: DateTime<Utc>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(db.sql(COUNT_OVERDUE)).bind(now).fetch_one(db.pool()).await
}

/// Found first and sorted after: the index of what evidence names has no order.
const ABOUT_ROW: &str = select!(
    r#"WHERE break_no = ANY (ARRAY(
        SELECT b.break_no FROM {s}.breaks b
        WHERE b.logs LIKE ANY (ARRAY['channel.%', 'bank.%', 'funds.%', 'payments_entries', 'cashier.payments'])
          AND jsonb_path_query_array(b.evidence, '$.** ? (@.type() == "string")') @> jsonb_build_array($1::text)))
    ORDER BY break_no DESC LIMIT $2"#
);

/// Breaks whose evidence shows a payment or a bill's row, newest first.
///
/// # Errors
/// Whatever the database says.
pub async fn list_about_row(db: &Db, row_id: &str, limit: i64) -> Result<Vec<BreakView>, sqlx::Error> {
    let reading = db.reading();
    let list = sqlx::query(reading.sql(ABOUT_ROW)).bind(row_id.to_owned()).bind(limit);
    reading.fetch_all(list).await?.iter().map(break_of_row).collect()
}
