//! Runs as finance sees them, their reports, and a day's figures.

use super::daily_error::DailyError;
use super::match_bills::BillMatching;
use super::run_day::read_results;
use crate::domain::bill_line::BillScope;
use crate::domain::canonical::hex;
use crate::domain::report::{BillsResult, ChannelResult, LogsResult, ReportDiff, diff};
use crate::store::ageing::{self, AgeGroup};
use crate::store::runs::{self, Run, RunState};
use chrono::{DateTime, NaiveDate, Utc};
use ids::Uuid;
use pg::Db;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunView {
    pub run_id: Uuid,
    pub day: NaiveDate,
    pub state: RunState,
    /// A person's id, or `recon` for the schedule.
    pub requested_by: String,
    pub requested_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
    /// The step it is at, in words.
    pub step: String,
    pub steps_done: i64,
    pub steps_total: i64,
    pub rows_done: i64,
    /// Known when all steps are done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_total: Option<i64>,
    /// Of the report, in hexadecimal: the same for the same books.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report_sha256: Option<String>,
    /// How often a step was tried again, and why the last time.
    pub attempts: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// A run with what it found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunDetail {
    #[serde(flatten)]
    pub run: RunView,
    /// Payments of the day that channels' bills have, and their sum.
    pub matched_count: i64,
    pub matched_minor: i64,
    pub unmatched_ours: i64,
    pub unmatched_theirs: i64,
    pub differences: i64,
    pub channels: Vec<ChannelResult>,
}

/// How far a run is.
///
/// # Errors
/// Whatever the database says.
pub async fn view(db: &Db, run: Run) -> Result<RunView, DailyError> {
    let progress = runs::progress(db, run.run_id).await?;
    let is_read = progress.steps_done == progress.steps_total;
    let step = match run.state {
        RunState::Queued => "waiting".to_owned(),
        RunState::Done => "done".to_owned(),
        RunState::Failed => "given up".to_owned(),
        RunState::Running if is_read => "report".to_owned(),
        RunState::Running if progress.steps_done + 1 == progress.steps_total => "bills".to_owned(),
        RunState::Running => format!("logs of partition {}", progress.steps_done),
    };
    Ok(RunView {
        run_id: run.run_id,
        day: run.day,
        state: run.state,
        requested_by: run.requested_by,
        requested_at: run.requested_at,
        started_at: run.started_at,
        ended_at: run.ended_at,
        step,
        steps_done: progress.steps_done,
        steps_total: progress.steps_total,
        rows_done: progress.rows_done,
        rows_total: is_read.then_some(progress.rows_done),
        report_sha256: run.report_sha256.as_deref().map(hex),
        attempts: run.attempts,
        last_error: run.last_error,
    })
}

/// One run with what it found so far.
///
/// # Errors
/// [`DailyError::NoSuchRun`], and whatever the database says.
pub async fn detail(db: &Db, run_id: Uuid) -> Result<RunDetail, DailyError> {
    let run = runs::find(db, run_id).await?.ok_or(DailyError::NoSuchRun(run_id))?;
    let (run, logs, bills) = tokio::try_join!(
        view(db, run),
        read_results::<LogsResult>(db, run_id, "logs"),
        read_results::<BillsResult>(db, run_id, "bills"),
    )?;
    let bills = bills.into_iter().next().unwrap_or_default();
    let findings = logs.iter().map(|part| part.findings.len()).sum::<usize>() + bills.findings.len();
    let of_channels = bills.channels.iter().filter(|channel| channel.scope == BillScope::Channel);
    let sum = |of: fn(&ChannelResult) -> i64| of_channels.clone().map(of).fold(0_i64, i64::saturating_add);
    Ok(RunDetail {
        matched_count: sum(|channel| channel.matched_count),
        matched_minor: sum(|channel| channel.matched_minor),
        unmatched_ours: sum(|channel| channel.unmatched_ours),
        unmatched_theirs: sum(|channel| channel.unmatched_theirs),
        differences: i64::try_from(findings).unwrap_or(i64::MAX),
        run,
        channels: bills.channels,
    })
}

/// The report of a run.
///
/// # Errors
/// [`DailyError::NoSuchRun`], [`DailyError::NoReport`], and whatever the database says.
pub async fn report_of(db: &Db, run_id: Uuid) -> Result<String, DailyError> {
    let found = runs::find_report(db, run_id).await?.ok_or(DailyError::NoSuchRun(run_id))?;
    found.ok_or(DailyError::NoReport(run_id))
}

/// What changed from one run's report to another's.
///
/// # Errors
/// As [`report_of`].
pub async fn compare(db: &Db, a: Uuid, b: Uuid) -> Result<ReportDiff, DailyError> {
    Ok(diff(&report_of(db, a).await?, &report_of(db, b).await?))
}

/// A channel's file of a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileOfDay {
    pub scope: BillScope,
    pub channel: String,
    /// Whether payments came through the channel, so that there must be one.
    pub expected: bool,
    /// Files that cover the day.
    pub arrived: i64,
    /// `arrived`, `missing` or `not_expected`.
    pub state: String,
}

/// A day in figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Today {
    pub day: NaiveDate,
    /// The newest run of the day that is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<RunDetail>,
    pub files: Vec<FileOfDay>,
    /// Of the day's payments, in parts per million; missing where there are none or no run is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub match_rate_count_ppm: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub match_rate_amount_ppm: Option<i64>,
    /// Of all days.
    pub open_breaks: i64,
    pub overdue_breaks: i64,
    /// Of open breaks about money outside.
    pub cash_at_risk_minor: i64,
    /// Of all open breaks.
    pub at_risk_coins: i64,
}

/// A day in figures.
///
/// # Errors
/// Whatever the database says.
pub async fn today(matching: &BillMatching<'_>) -> Result<Today, DailyError> {
    let (db, day) = (matching.db, matching.day);
    let (run, places, open) = tokio::try_join!(newest_done(db, day), matching.places(), open_now(db))?;
    let channels = run.as_ref().map(|run| run.channels.as_slice()).unwrap_or_default();
    let of_channels = || channels.iter().filter(|channel| channel.scope == BillScope::Channel);
    let rate = |part: fn(&ChannelResult) -> i64, whole: fn(&ChannelResult) -> i64| {
        let part: i128 = of_channels().map(|channel| i128::from(part(channel))).sum();
        let whole: i128 = of_channels().map(|channel| i128::from(whole(channel))).sum();
        if whole == 0 { None } else { i64::try_from(part * 1_000_000 / whole).ok() }
    };
    let match_rate_count_ppm = rate(|channel| channel.matched_count, |channel| channel.ours_count);
    let match_rate_amount_ppm = rate(|channel| channel.matched_minor, |channel| channel.ours_minor);
    let mut files = Vec::new();
    for ((scope, channel), bills) in places {
        let expected = scope == BillScope::Channel;
        let state = match (bills.is_empty(), expected) {
            (false, _) => "arrived",
            (true, true) => "missing",
            (true, false) => "not_expected",
        };
        let arrived = i64::try_from(bills.len()).unwrap_or(i64::MAX);
        files.push(FileOfDay { scope, channel, expected, arrived, state: state.to_owned() });
    }
    let sum = |of: fn(&AgeGroup) -> i64| open.iter().map(of).fold(0_i64, i64::saturating_add);
    Ok(Today {
        day,
        run,
        files,
        match_rate_count_ppm,
        match_rate_amount_ppm,
        open_breaks: sum(|group| group.count),
        overdue_breaks: sum(|group| group.overdue_count),
        cash_at_risk_minor: sum(|group| group.amount_minor),
        at_risk_coins: sum(|group| group.coins),
    })
}

async fn newest_done(db: &Db, day: NaiveDate) -> Result<Option<RunDetail>, DailyError> {
    match runs::find_newest_done(db, day).await? {
        Some(run) => detail(db, run.run_id).await.map(Some),
        None => Ok(None),
    }
}

async fn open_now(db: &Db) -> Result<Vec<AgeGroup>, DailyError> {
    Ok(ageing::list_groups(db, Utc::now()).await?)
}
