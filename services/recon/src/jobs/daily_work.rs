//! Works on daily runs: asks for yesterday's at its time of day, and takes the steps of those that are to be done.
//!
//! One node does it, the one that compares minutes. Two for a moment do no harm: a step is ended once.

use crate::app::daily_error::DailyError;
use crate::app::run_day::Daily;
use crate::store::runs::{self, Run};
use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use contracts::class::{Classed, ErrorClass};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

/// How often is looked for runs to be done.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The pause before a step that failed is tried again; it doubles up to the longest, in seconds.
const PAUSE_MAX_S: i64 = 60;

/// When runs are due, and how long they may take to become possible.
#[derive(Clone, Copy, Debug)]
pub struct Timetable {
    /// In the accounting zone; `None`: only what is asked for.
    pub run_at: Option<NaiveTime>,
    pub give_up_after: TimeDelta,
}

/// The worker's state between looks.
pub struct DailyWork {
    daily: Daily,
    timetable: Timetable,
}

/// What a look ended with.
enum Looked {
    Worked,
    Idle,
}

impl DailyWork {
    pub fn new(daily: Daily, timetable: Timetable) -> DailyWork {
        DailyWork { daily, timetable }
    }

    /// Works until told to stop. A step under way is dropped while it reads, and stored where it has read.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !*shutdown.borrow() {
            tokio::select! {
                biased;
                _ = shutdown.changed() => break,
                _ = looks.tick() => {}
            }
            if let Err(error) = self.schedule().await {
                tracing::warn!(%error, "a daily run was not asked for; tried again");
            }
            loop {
                match self.look(&mut shutdown).await {
                    Ok(Looked::Worked) => {}
                    Ok(Looked::Idle) => break,
                    Err(error) => {
                        tracing::warn!(%error, "daily runs could not be looked at; tried again");
                        break;
                    }
                }
            }
        }
    }

    /// Asks for the run of the day that ended last, from its time of day on.
    async fn schedule(&self) -> Result<(), DailyError> {
        let Some(run_at) = self.timetable.run_at else { return Ok(()) };
        let zone = self.daily.zone;
        let now = Utc::now();
        // It is past the time of day where that much earlier it is the same day.
        let since = run_at.signed_duration_since(NaiveTime::MIN);
        let today = zone.day_of(now);
        if zone.day_of(now - since) != today {
            return Ok(());
        }
        let Some(yesterday) = today.pred_opt() else { return Ok(()) };
        self.daily.ask_by_schedule(yesterday).await.map(drop)
    }

    async fn look(&self, shutdown: &mut watch::Receiver<bool>) -> Result<Looked, DailyError> {
        if *shutdown.borrow() {
            return Ok(Looked::Idle);
        }
        let now = Utc::now();
        let Some(run) = runs::find_next(&self.daily.db, now).await? else { return Ok(Looked::Idle) };
        let computed = tokio::select! {
            biased;
            _ = shutdown.changed() => return Ok(Looked::Idle), // Nothing of the step is stored: it is taken again.
            computed = self.daily.compute(&run) => computed,
        };
        let done = match computed {
            Ok(Some(computed)) => self.daily.store(&run, computed).await,
            Ok(None) => self.daily.finish(&run).await,
            Err(error) => Err(error),
        };
        match done {
            Ok(()) => Ok(Looked::Worked),
            Err(error) => self.put_off(&run, &error, now).await.map(|()| Looked::Worked),
        }
    }

    async fn put_off(&self, run: &Run, error: &DailyError, now: DateTime<Utc>) -> Result<(), DailyError> {
        let why = reasons(error);
        let is_for_good = error.class() != ErrorClass::Transient;
        let waited = now - run.started_at.unwrap_or(now);
        if is_for_good || waited > self.timetable.give_up_after {
            metrics::counter!("largesse_recon_runs_total", "outcome" => "given_up").increment(1);
            tracing::error!(run_id = %run.run_id, day = %run.day, why, "a daily run was given up");
            return Ok(runs::give_up(&self.daily.db, run.run_id, &why, Utc::now()).await?);
        }
        metrics::counter!("largesse_recon_runs_total", "outcome" => "retried").increment(1);
        tracing::warn!(run_id = %run.run_id, day = %run.day, why, "a step of a daily run is tried again");
        let pause =
            1_i64.checked_shl(run.attempts.unsigned_abs()).unwrap_or(PAUSE_MAX_S).clamp(1, PAUSE_MAX_S);
        let next_at = Utc::now() + TimeDelta::seconds(pause);
        Ok(runs::put_off(&self.daily.db, run.run_id, &why, next_at).await?)
    }
}

/// An error with its causes.
fn reasons(error: &DailyError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(of) = cause {
        text.push_str(&format!(": {of}"));
        cause = of.source();
    }
    text
}
