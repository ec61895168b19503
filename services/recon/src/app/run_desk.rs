//! What happens to breaks without anybody: they open, grow worse, wake, and are closed when it is proven.
//!
//! One node does it. Two for a moment do no harm: every step is a compare-and-set, and every command has one id.

use super::act_on_break::Desk;
use super::desk_error::DeskError;
use super::find_agreement::Agreement;
use super::heal_breaks::Healer;
use crate::domain::break_state::{BreakState, BreakStep, Hand};
use crate::domain::chain::Step;
use crate::domain::severity::Judged;
use crate::store::breaks::{self, BreakView, ClosedWhy, SYSTEM_ACTOR, Timed};
use crate::store::desk::{self, Move, Moved};
use crate::store::{audit, proposals};
use chrono::{DateTime, TimeDelta, Utc};
use ids::BreakId;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

/// Breaks one turn looks at for each thing that time brings; the next turn goes on.
const BREAKS_MAX: i64 = 500;

/// How often the end of the trail is written to the log, where it is out of the database's reach.
const ANCHOR_EVERY: Duration = Duration::from_secs(3_600);

/// When things are due.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub turn_every: Duration,
    pub open_after: TimeDelta,
    pub recheck_every: Duration,
}

/// Where a break stands, as a step was decided on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub break_id: BreakId,
    pub state: BreakState,
    pub version: i32,
}

impl From<&BreakView> for Standing {
    fn from(found: &BreakView) -> Standing {
        Standing { break_id: found.break_id, state: found.state, version: found.version }
    }
}

/// What a step of the system leaves behind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Left {
    pub waits_until: Option<DateTime<Utc>>,
    pub closed: Option<ClosedWhy>,
}

/// The timers' state between turns.
pub struct DeskWork {
    desk: Desk,
    pace: Pace,
    agreement: Agreement,
    healer: Healer,
    /// Breaks up to this number were judged again in this round.
    judged_to: i64,
}

impl DeskWork {
    pub fn new(desk: Desk, pace: Pace, healer: Healer) -> DeskWork {
        DeskWork { desk, pace, agreement: Agreement::default(), healer, judged_to: 0 }
    }

    /// Works until told to stop; finishes the turn in progress.
    pub async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        let mut turns = tokio::time::interval(self.pace.turn_every);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut next_recheck, mut next_anchor) = (Instant::now(), Instant::now());
        while !*shutdown.borrow() {
            tokio::select! {
                biased;
                _ = shutdown.changed() => break,
                _ = turns.tick() => {}
            }
            if let Err(error) = self.turn().await {
                tracing::warn!(%error, "a turn of the desk failed and will be repeated");
            }
            if next_recheck <= Instant::now() {
                next_recheck = Instant::now() + self.pace.recheck_every;
                if let Err(error) = self.agreement.look(&self.desk).await {
                    tracing::warn!(%error, "breaks were not compared again; tried again later");
                }
            }
            if next_anchor <= Instant::now() {
                next_anchor = Instant::now() + ANCHOR_EVERY;
                self.say_anchor().await;
            }
        }
    }

    async fn say_anchor(&self) {
        match audit::find_head(&self.desk.db).await {
            Ok(Some(head)) => {
                tracing::info!(anchor = %head.anchor, "the audit trail ends here; keep this line to verify it by");
            }
            Ok(None) => tracing::error!("the audit trail has lost its head"),
            Err(error) => tracing::warn!(%error, "the audit trail's end was not read"),
        }
    }

    async fn turn(&mut self) -> Result<(), DeskError> {
        let (desk, now) = (&self.desk, Utc::now());
        let ripe = now - self.pace.open_after;
        // A step that is not taken here was taken by another node, or another step by a person.
        for found in breaks::list_timed(&desk.db, Timed::ToOpen, ripe, BREAKS_MAX).await? {
            let _ = desk.step(Standing::from(&found), BreakStep::Open, Left::default(), json!({})).await?;
        }
        for found in breaks::list_timed(&desk.db, Timed::ToWake, now, BREAKS_MAX).await? {
            let _ = desk.step(Standing::from(&found), BreakStep::Wake, Left::default(), json!({})).await?;
        }
        self.judge_again(now).await?;
        self.desk.run_effects(now).await?;
        self.desk.prove_effects(now).await?;
        self.desk.post_settlements(now).await?;
        self.healer.heal(&self.desk, now).await?;
        let overdue = breaks::count_overdue(&self.desk.db, now).await?;
        let overdue = u32::try_from(overdue).unwrap_or(u32::MAX);
        metrics::gauge!("largesse_recon_overdue_breaks").set(f64::from(overdue));
        Ok(())
    }

    async fn judge_again(&mut self, now: DateTime<Utc>) -> Result<(), DeskError> {
        let page = breaks::list_not_closed(&self.desk.db, self.judged_to, BREAKS_MAX).await?;
        self.judged_to = page.last().map_or(0, |found| found.break_no);
        for found in page {
            let known = Judged { severity: found.severity, due_at: found.due_at.unwrap_or(now) };
            let about = (found.coins, found.detected_at);
            if let Some(judged) = self.desk.severities.judge_again(about, known, now) {
                self.desk.escalate(&found, judged, now).await?;
            }
        }
        Ok(())
    }
}

impl Desk {
    /// Takes a step that nobody takes, unless somebody took another first.
    ///
    /// # Errors
    /// [`DeskError::Step`] where the table has no such step, and whatever the database says.
    pub async fn step(
        &self,
        standing: Standing,
        step: BreakStep,
        left: Left,
        body: Value,
    ) -> Result<Moved, DeskError> {
        let Standing { break_id, state, version } = standing;
        let to = state.after(step, &[Hand::System])?;
        let now = Utc::now();
        let mut tx = self.db.begin().await?;
        let change = Move {
            break_id,
            from: (state, version),
            to,
            assignee_id: None,
            waits_until: left.waits_until,
            closed: left.closed.map(|why| (now, why)),
        };
        if desk::move_in_tx(&mut tx, &self.db, &change).await? == Moved::No {
            tx.rollback().await?;
            return Ok(Moved::No);
        }
        if step == BreakStep::Clear {
            proposals::withdraw_in_tx(&mut tx, &self.db, break_id, now).await?;
        }
        let steps = vec![system_step(break_id, step.done(), body)];
        audit::append_in_tx(&mut tx, &self.db, steps, now).await?;
        tx.commit().await?;
        Ok(Moved::Yes)
    }

    async fn escalate(&self, found: &BreakView, judged: Judged, now: DateTime<Utc>) -> Result<(), DeskError> {
        let mut tx = self.db.begin().await?;
        let of = (found.break_id, found.version);
        if desk::escalate_in_tx(&mut tx, &self.db, of, judged).await? == Moved::No {
            return Ok(tx.rollback().await?); // It has moved: judged again in the next round.
        }
        let body = json!({
            "severity": judged.severity.as_str(), "before": found.severity.as_str(), "due_at": judged.due_at,
        });
        let steps = vec![system_step(found.break_id, "escalated", body)];
        audit::append_in_tx(&mut tx, &self.db, steps, now).await?;
        Ok(tx.commit().await?)
    }
}

/// A row of the trail for what recon does by itself.
pub fn system_step(break_id: BreakId, act: &'static str, body: Value) -> Step {
    Step { actor: SYSTEM_ACTOR.to_owned(), act, subject: break_id.to_string(), body }
}
