//! Brings about what was approved: the owning service's command, once, and its proof.
//!
//! The intent was committed with the approval. The command runs outside any transaction, under the intent's request
//! id; a crash, or an answer that is lost, costs asking again under the same id.

use super::act_on_break::Desk;
use super::commands::CommandError;
use super::desk_error::DeskError;
use super::run_desk::{Left, Standing, system_step};
use crate::domain::action::{Action, ActionKind};
use crate::domain::break_state::{BreakState, BreakStep, Hand};
use crate::store::audit;
use crate::store::breaks::{self, ClosedWhy, Timed};
use crate::store::desk::{self, Move, Moved};
use crate::store::proposals::{self, Effect};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::time::Duration;

/// Effects one turn brings about, and breaks it proves.
const EFFECTS_MAX: i64 = 50;

/// How long one command may take before its outcome counts as unknown.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(20);

/// The longest pause before a command without an answer is asked for again, in seconds.
const PAUSE_MAX_S: i64 = 300;

impl Desk {
    /// Runs the commands whose time has come.
    ///
    /// # Errors
    /// Whatever the database says; what was done is found done when it is asked for again.
    pub async fn run_effects(&self, now: DateTime<Utc>) -> Result<(), DeskError> {
        for effect in proposals::list_effects(&self.db, now, EFFECTS_MAX).await? {
            let outcome = match &effect.action {
                Action::WriteOff { coins, lines } if lines.is_empty() => {
                    Ok(json!({ "written_off_coins": coins, "limit_coins": self.limits.write_off_coins_max }))
                }
                Action::Wait { days } => Ok(json!({ "until": now + TimeDelta::days(i64::from(*days)) })),
                action => {
                    let asked = self.commands.run(effect.request_id, action, &effect.agreed);
                    let unanswered =
                        |_| Err(CommandError::NoAnswer(format!("nothing within {COMMAND_TIMEOUT:?}")));
                    tokio::time::timeout(COMMAND_TIMEOUT, asked).await.unwrap_or_else(unanswered)
                }
            };
            let label = match &outcome {
                Ok(_) => "done",
                Err(CommandError::NoAnswer(_)) => "unanswered",
                Err(CommandError::Refused(_) | CommandError::NotOffered(_)) => "refused",
            };
            metrics::counter!("largesse_recon_commands_total", "outcome" => label).increment(1);
            match outcome {
                Ok(proof) => self.end_effect(&effect, Ok(&proof)).await?,
                Err(CommandError::NoAnswer(why)) => {
                    tracing::warn!(break_id = %effect.break_id, why, "a command has no answer; asked again");
                    let pause = 1_i64.checked_shl(effect.attempts.unsigned_abs()).unwrap_or(PAUSE_MAX_S);
                    let next_at = Utc::now() + TimeDelta::seconds(pause.clamp(1, PAUSE_MAX_S));
                    proposals::put_off(&self.db, effect.proposal_id, &why, next_at).await?;
                }
                Err(error @ (CommandError::Refused(_) | CommandError::NotOffered(_))) => {
                    let why = error.to_string();
                    tracing::error!(break_id = %effect.break_id, why, "an approved command was refused");
                    self.end_effect(&effect, Err(&why)).await?;
                }
            }
        }
        Ok(())
    }

    async fn end_effect(&self, effect: &Effect, ended: Result<&Value, &str>) -> Result<(), DeskError> {
        let now = Utc::now();
        let Some(found) = breaks::find(&self.db, effect.break_id).await? else {
            return Err(DeskError::NoSuchBreak);
        };
        let (step, waits_until) = match (ended, &effect.action) {
            (Ok(_), Action::Wait { days }) => {
                (BreakStep::Wait, Some(now + TimeDelta::days(i64::from(*days))))
            }
            (Ok(_), _) => (BreakStep::Post, None),
            (Err(_), _) if effect.rule.is_some() => (BreakStep::FailHealing, None),
            (Err(_), _) => (BreakStep::Refuse, None),
        };
        let to = found.state.after(step, &[Hand::System])?;
        let mut tx = self.db.begin().await?;
        let change = Move {
            break_id: found.break_id,
            from: (found.state, found.version),
            to,
            assignee_id: None,
            waits_until: waits_until.filter(|_| to == BreakState::Waiting),
            closed: None,
        };
        let moved = desk::move_in_tx(&mut tx, &self.db, &change).await?;
        let is_ended = proposals::end_in_tx(&mut tx, &self.db, effect.proposal_id, ended, now).await?;
        if (moved, is_ended) != (Moved::Yes, Moved::Yes) {
            return Ok(tx.rollback().await?); // Another node was first.
        }
        let mut body = json!({ "proposal_id": effect.proposal_id, "request_id": effect.request_id });
        match ended {
            Ok(proof) => body["proof"] = proof.clone(),
            Err(why) => body["why"] = json!(why),
        }
        let steps = vec![system_step(found.break_id, step.done(), body)];
        audit::append_in_tx(&mut tx, &self.db, steps, now).await?;
        Ok(tx.commit().await?)
    }

    /// Closes what is done and whose proof is read again from the owning service.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn prove_effects(&self, now: DateTime<Utc>) -> Result<(), DeskError> {
        for found in breaks::list_timed(&self.db, Timed::Posted, now, EFFECTS_MAX).await? {
            let Some(effect) = proposals::find_done(&self.db, found.break_id).await? else { continue };
            let why = match effect.action.kind() {
                ActionKind::WriteOff => ClosedWhy::WrittenOff,
                _ => ClosedWhy::EffectProven,
            };
            let proof = match &effect.action {
                Action::WriteOff { lines, .. } if lines.is_empty() => Some(Value::Null),
                action => {
                    let asked = self.commands.find_proof(effect.request_id, action);
                    match tokio::time::timeout(COMMAND_TIMEOUT, asked).await {
                        Ok(Ok(proof)) => proof,
                        Ok(Err(error)) => {
                            tracing::warn!(break_id = %found.break_id, %error, "a proof was not read; tried again");
                            continue;
                        }
                        Err(_) => continue,
                    }
                }
            };
            match proof {
                Some(proof) => {
                    let body = json!({ "why": why, "request_id": effect.request_id, "proof": proof });
                    let left = Left { closed: Some(why), ..Left::default() };
                    let _ = self.step(Standing::from(&found), BreakStep::Close, left, body).await?; // Or another did.
                }
                None => {
                    tracing::error!(break_id = %found.break_id, request_id = %effect.request_id,
                        "a command that was answered has left no record; the break stays posted");
                }
            }
        }
        Ok(())
    }
}
