//! Steps of periods: proposed by one person, agreed on by another where it takes two, then taken day by day.
//!
//! Each statement boundary: the request is stored, or agreed on, in one transaction; each closed day is one more; the
//! request is finished last. A process that dies between them leaves a request that is agreed and not done, and the
//! same call again goes on where it was. Nothing outside is asked while a transaction is open.

use crate::app::check_close::end_of;
use crate::app::close_error::{CloseError, REASON_CHARS_MAX};
use crate::app::close_facts::CloseFacts;
use crate::app::tell_period;
use crate::domain::period::{PeriodState, PeriodStep};
use crate::domain::span::Span;
use crate::store::period_requests::{self, PeriodRequest, RequestState};
use crate::store::{closings, periods};
use chrono::{NaiveDate, Utc};
use contracts::log::AccountingZone;
use contracts::owner::ClosedDay;
use ids::{PeriodRequestId, Uuid};
use pg::Db;
use sqlx::PgConnection;
use std::sync::Arc;
use std::time::Duration;

/// Closed days before a period whose seals and balances are made again when the period is closed. `largesse check` makes
/// them of every day.
const RECHECKED_DAYS: i64 = 35;

/// What closing depends on, from the settings.
#[derive(Clone, Debug)]
pub struct CloseSettings {
    /// Channels that send a bill for every day.
    pub expected_bills: Vec<String>,
    /// Accounts at banks that send a statement for every day.
    pub expected_statements: Vec<String>,
    /// How long the sealing of one day may take: it reads every voucher of the day.
    pub seal_within: Duration,
}

/// Takes steps of periods.
#[derive(Clone)]
pub struct Closing {
    pub db: Db,
    pub facts: Arc<dyn CloseFacts>,
    pub zone: AccountingZone,
    pub settings: CloseSettings,
}

/// What whoever asks may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hands {
    pub may_propose: bool,
    pub may_agree: bool,
}

/// A step that somebody asks for.
#[derive(Clone, Debug)]
pub struct Ask {
    pub request_id: PeriodRequestId,
    pub span: Span,
    pub step: PeriodStep,
    pub reason: Option<String>,
    pub by: Uuid,
    pub hands: Hands,
}

impl Closing {
    /// Proposes a step, or agrees to what another person proposed and takes it. The same call again changes nothing
    /// and answers the request as it is.
    ///
    /// # Errors
    /// [`CloseError`].
    pub async fn take_step(&self, ask: Ask) -> Result<PeriodRequest, CloseError> {
        if ask.request_id.uuid().get_version_num() != 7 {
            return Err(CloseError::BadRequestId);
        }
        // Asked before any transaction: others are asked too. A request that is done needs no checklist.
        let blocked = match ask.step {
            PeriodStep::Close => self.blocking(&ask.span).await?,
            PeriodStep::SoftLock | PeriodStep::Reopen => Vec::new(),
        };
        let mut tx = self.db.begin().await?;
        let asked = match self.ask_in_tx(&mut tx, &ask, blocked).await {
            Ok(asked) => {
                tx.commit().await?;
                asked
            }
            Err(error) => {
                let _ = tx.rollback().await; // A lost connection rolls back by itself.
                return Err(error);
            }
        };
        let (request_id, state) = asked;
        if state == RequestState::Agreed {
            self.carry_out(request_id, &ask.span, ask.step).await?;
            self.finish(request_id).await?;
        }
        period_requests::find(&self.db, request_id).await?.ok_or(CloseError::Moved)
    }

    /// What keeps a period from being closed: the checklist, and closed days before it that are not what they were.
    async fn blocking(&self, span: &Span) -> Result<Vec<String>, CloseError> {
        let mut blocking = self.checklist(span).await?.blocking();
        let limits = (RECHECKED_DAYS, self.settings.seal_within);
        let closed = closings::look_at_closed(&self.db, span.first, limits).await?;
        if let Some(ClosedDay { day, .. }) = closed.iter().find(|closed| !closed.is_as_closed) {
            blocking.push(format!("closed-day-{day}-is-not-as-it-was-closed"));
        }
        Ok(blocking)
    }

    /// Says that every day of a request is through, once, with its row in the trail.
    async fn finish(&self, request_id: PeriodRequestId) -> Result<(), CloseError> {
        let mut tx = self.db.begin().await?;
        if !period_requests::finish_in_tx(&mut tx, &self.db, request_id).await? {
            return Ok(tx.rollback().await?); // The same call came twice, and the other was first.
        }
        trail::append_in_tx(&mut tx, &self.db, vec![tell_period::done(request_id)], Utc::now()).await?;
        Ok(tx.commit().await?)
    }

    async fn ask_in_tx(
        &self,
        tx: &mut PgConnection,
        ask: &Ask,
        blocked: Vec<String>,
    ) -> Result<(PeriodRequestId, RequestState), CloseError> {
        if let Some(found) = period_requests::lock_in_tx(tx, &self.db, ask.request_id).await? {
            if found.period != ask.span.name || found.step != ask.step {
                return Err(CloseError::RequestReused);
            }
            return match found.state {
                RequestState::Waiting if found.proposed_by != ask.by => {
                    self.agree_in_tx(tx, ask, &found, blocked).await
                }
                state @ (RequestState::Waiting | RequestState::Agreed | RequestState::Done) => {
                    Ok((found.request_id, state))
                }
            };
        }
        let waiting = period_requests::lock_waiting_in_tx(tx, &self.db, (&ask.span, ask.step)).await?;
        match waiting {
            Some(waiting) if waiting.proposed_by == ask.by => {
                Err(CloseError::WaitsAlready(waiting.request_id))
            }
            Some(waiting) => self.agree_in_tx(tx, ask, &waiting, blocked).await,
            None => self.propose_in_tx(tx, ask, blocked).await,
        }
    }

    async fn propose_in_tx(
        &self,
        tx: &mut PgConnection,
        ask: &Ask,
        blocked: Vec<String>,
    ) -> Result<(PeriodRequestId, RequestState), CloseError> {
        if !ask.hands.may_propose {
            return Err(CloseError::NotAMaker);
        }
        if Utc::now() < end_of(self.zone, ask.span.last) {
            return Err(CloseError::NotOver(ask.span.last));
        }
        self.check_states_in_tx(tx, ask).await?;
        if !blocked.is_empty() {
            return Err(CloseError::Blocked(blocked));
        }
        let reason = ask.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
        let fits = reason.is_none_or(|reason| reason.chars().count() <= REASON_CHARS_MAX);
        if !fits || (ask.step == PeriodStep::Reopen && reason.is_none()) {
            return Err(CloseError::BadReason);
        }
        let what = (&ask.span, ask.step, reason);
        period_requests::insert_in_tx(tx, &self.db, ask.request_id, what, ask.by).await?;
        let mut told = vec![tell_period::proposed(ask)];
        if ask.step.takes_two() {
            trail::append_in_tx(tx, &self.db, told, Utc::now()).await?;
            return Ok((ask.request_id, RequestState::Waiting));
        }
        period_requests::agree_in_tx(tx, &self.db, ask.request_id, ask.by, ask.request_id).await?;
        told.push(tell_period::agreed(ask.request_id, ask));
        trail::append_in_tx(tx, &self.db, told, Utc::now()).await?;
        Ok((ask.request_id, RequestState::Agreed))
    }

    async fn agree_in_tx(
        &self,
        tx: &mut PgConnection,
        ask: &Ask,
        waiting: &PeriodRequest,
        blocked: Vec<String>,
    ) -> Result<(PeriodRequestId, RequestState), CloseError> {
        if !ask.hands.may_agree {
            return Err(CloseError::NotAChecker);
        }
        self.check_states_in_tx(tx, ask).await?;
        if !blocked.is_empty() {
            return Err(CloseError::Blocked(blocked));
        }
        period_requests::agree_in_tx(tx, &self.db, waiting.request_id, ask.by, ask.request_id).await?;
        let told = vec![tell_period::agreed(waiting.request_id, ask)];
        trail::append_in_tx(tx, &self.db, told, Utc::now()).await?;
        Ok((waiting.request_id, RequestState::Agreed))
    }

    /// Whether the step can be taken and changes anything.
    async fn check_states_in_tx(&self, tx: &mut PgConnection, ask: &Ask) -> Result<(), CloseError> {
        let days: Vec<NaiveDate> = ask.span.days().collect();
        let states = periods::lock_in_tx(tx, &self.db, &days).await?;
        moves_of(&states, ask.step)?;
        Ok(())
    }

    async fn carry_out(
        &self,
        request_id: PeriodRequestId,
        span: &Span,
        step: PeriodStep,
    ) -> Result<(), CloseError> {
        match step {
            PeriodStep::SoftLock | PeriodStep::Reopen => {
                let mut tx = self.db.begin().await?;
                match self.lock_days_in_tx(&mut tx, span, step, request_id).await {
                    Ok(()) => Ok(tx.commit().await?),
                    Err(error) => {
                        let _ = tx.rollback().await; // A lost connection rolls back by itself.
                        Err(error)
                    }
                }
            }
            PeriodStep::Close => {
                for day in span.days() {
                    self.close_day(day, request_id).await?;
                }
                Ok(())
            }
        }
    }

    async fn lock_days_in_tx(
        &self,
        tx: &mut PgConnection,
        span: &Span,
        step: PeriodStep,
        request_id: PeriodRequestId,
    ) -> Result<(), CloseError> {
        let days: Vec<NaiveDate> = span.days().collect();
        let states = periods::lock_in_tx(tx, &self.db, &days).await?;
        match moves_of(&states, step) {
            Ok((moved, to)) => {
                periods::set_in_tx(tx, &self.db, &moved, to).await?;
                let told = tell_period::days_moved(&moved, step, request_id);
                trail::append_in_tx(tx, &self.db, told, Utc::now()).await?;
                Ok(())
            }
            Err(CloseError::NothingToChange) => Ok(()), // Done before, and not yet written down as done.
            Err(error) => Err(error),
        }
    }

    /// Seals and closes one day; a day that is closed stays as it is.
    async fn close_day(&self, day: NaiveDate, request_id: PeriodRequestId) -> Result<(), CloseError> {
        let mut tx = self.db.begin().await?;
        match self.close_day_in_tx(&mut tx, day, request_id).await {
            Ok(()) => Ok(tx.commit().await?),
            Err(error) => {
                let _ = tx.rollback().await; // A lost connection rolls back by itself.
                Err(error)
            }
        }
    }

    async fn close_day_in_tx(
        &self,
        tx: &mut PgConnection,
        day: NaiveDate,
        request_id: PeriodRequestId,
    ) -> Result<(), CloseError> {
        periods::lock_table_in_tx(tx, &self.db, self.settings.seal_within).await?;
        let states = periods::lock_in_tx(tx, &self.db, &[day]).await?;
        match moves_of(&states, PeriodStep::Close) {
            Ok(_) => {}
            Err(CloseError::NothingToChange) => return Ok(()),
            Err(error) => return Err(error),
        }
        let earlier = periods::list_earlier_not_closed_in_tx(tx, &self.db, day, 1).await?;
        if let Some((earlier, _)) = earlier.first() {
            return Err(CloseError::EarlierOpen(*earlier));
        }
        if let Some(account) = closings::find_wrong_sum_in_tx(tx, &self.db, day).await? {
            return Err(CloseError::SumsDiffer { day, account });
        }
        let sealed = closings::seal_in_tx(tx, &self.db, day, request_id).await?;
        let restated = closings::restate_later_in_tx(tx, &self.db, (day, sealed.version), request_id).await?;
        periods::set_in_tx(tx, &self.db, &[day], PeriodState::Closed).await?;
        let told = vec![tell_period::day_closed(day, &sealed, request_id)];
        trail::append_in_tx(tx, &self.db, told, Utc::now()).await?;
        tracing::info!(%day, version = sealed.version, restated, "an accounting day is closed");
        Ok(())
    }
}

/// The days that a step changes, and what they become.
fn moves_of(
    states: &[(NaiveDate, PeriodState)],
    step: PeriodStep,
) -> Result<(Vec<NaiveDate>, PeriodState), CloseError> {
    let mut moved = Vec::new();
    let mut to = None;
    for (day, state) in states {
        let after = state.after(step);
        let after = after.ok_or(CloseError::WrongState { day: *day, state: *state, step })?;
        if after != *state {
            moved.push(*day);
            to = Some(after);
        }
    }
    to.map(|to| (moved, to)).ok_or(CloseError::NothingToChange)
}
