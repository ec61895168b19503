//! What people do with a break: each act is one transaction with its row in the trail, once per key.
//!
//! Round trips: one look for the key, one for the break, then the transaction: claim the key, what the act adds, the
//! break's compare-and-set, the trail, the answer. Locks are taken in that order, the head of the trail last but for
//! the answer, which only this transaction can touch.

use super::commands::{CommandError, Commands, request_of};
use super::desk_error::{DeskError, checked_text};
use super::order_rows::{refund_owner, resettle_seq};
use super::settle_receivable::settling;
use super::sources::Sources;
use crate::domain::action::{Action, ActionKind, ActionRefused, Limits, Subject, proposal_digest};
use crate::domain::break_state::{BreakState, BreakStep, Hand};
use crate::domain::canonical::{Hash, hash_of_hex, hex};
use crate::domain::chain::Step;
use crate::domain::controls::FaceValue;
use crate::domain::severity::Severities;
use crate::store::audit;
use crate::store::breaks::{self, BreakView};
use crate::store::desk::{self, Known, Move, Moved, Request};
use crate::store::proposals::{self, DecidedBy, Decision, NewProposal, ProposalView};
use chrono::{DateTime, Utc};
use contracts::digest::body_hash;
use contracts::log::AccountingZone;
use ids::{BreakId, SendKey, Uuid, derive_id, partition_of};
use pg::Db;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgConnection;
use std::sync::Arc;
use utoipa::ToSchema;

/// Proposals looked at to find the one to decide.
const PROPOSALS_MAX: i64 = 50;

/// What work on breaks needs.
#[derive(Clone)]
pub struct Desk {
    pub db: Db,
    pub sources: Sources,
    pub commands: Arc<dyn Commands>,
    pub limits: Limits,
    pub severities: Arc<Severities>,
    /// What one coin is worth from a day on.
    pub face_values: Arc<[FaceValue]>,
    /// Whose day a break's minute is of.
    pub zone: AccountingZone,
}

/// Who acts.
#[derive(Clone, Copy, Debug)]
pub struct Actor {
    pub sub: Uuid,
    pub hands: &'static [Hand],
}

/// What somebody does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum Act {
    Assign { assignee_id: Uuid },
    Comment { text: String },
    Propose { proposed: Action, reason: String },
    Approve { proposal_id: Uuid, digest: String },
    Reject { proposal_id: Uuid, digest: String, reason: String },
    Reopen { reason: String },
}

/// An act, by whom, on what, under which key.
#[derive(Clone, Debug)]
pub struct Asked {
    pub actor: Actor,
    pub key: SendKey,
    pub break_id: BreakId,
    pub act: Act,
}

/// What an act did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Deed {
    /// The break after it: the new one, where one was reopened.
    #[serde(rename = "break")]
    pub found: BreakView,
    /// The proposal that was made or decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proposal_id: Option<Uuid>,
    /// What a decision on that proposal repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The act's row in the trail.
    pub audit_seq: i64,
}

/// What an act adds besides the break's own step.
enum Addition {
    Assignee(Uuid),
    Comment(String),
    Proposal(NewProposal),
    Decision { proposal: Box<ProposalView>, digest: Hash, decision: Decision, reason: String },
    Reopening(String),
}

impl Desk {
    /// Does what is asked, once per key: a repeat gets the first answer.
    ///
    /// # Errors
    /// [`DeskError`]; nothing has changed then.
    pub async fn act(&self, asked: Asked) -> Result<Deed, DeskError> {
        let request = Request {
            key: asked.key.uuid(),
            actor_id: asked.actor.sub,
            body_hash: body_hash(&(asked.break_id, &asked.act)),
        };
        if let Some(deed) = self.known(request).await? {
            return Ok(deed);
        }
        let found = breaks::find(&self.db, asked.break_id).await?.ok_or(DeskError::NoSuchBreak)?;
        let now = Utc::now();
        let to = match step_of(&asked.act) {
            Some(step) => found.state.after(step, asked.actor.hands)?,
            None => found.state,
        };
        let addition = self.prepare(&asked, &found, now).await?;
        let mut tx = self.db.begin().await?;
        if desk::claim_in_tx(&mut tx, &self.db, request).await? == Moved::No {
            tx.rollback().await?;
            return self.known(request).await?.ok_or(DeskError::Moved);
        }
        let deed = self.take_in_tx(&mut tx, (&asked, &found), (to, addition), now).await?;
        let answer = serde_json::to_value(&deed).map_err(|e| sqlx::Error::Decode(e.into()))?;
        desk::answer_in_tx(&mut tx, &self.db, request.key, &answer).await?;
        tx.commit().await?;
        tracing::info!(break_id = %asked.break_id, actor = %asked.actor.sub, state = deed.found.state.as_str(),
            "somebody worked on a break");
        Ok(deed)
    }

    async fn known(&self, request: Request) -> Result<Option<Deed>, DeskError> {
        match desk::find_request(&self.db, request).await? {
            Some(Known::Answered(answer)) => {
                let deed = serde_json::from_value(answer).map_err(|e| sqlx::Error::Decode(e.into()))?;
                Ok(Some(deed))
            }
            Some(Known::Reused) => Err(DeskError::KeyReused),
            None => Ok(None),
        }
    }

    /// Checks everything that needs no transaction, and asks the logs where the act needs their rows.
    async fn prepare(
        &self,
        asked: &Asked,
        found: &BreakView,
        now: DateTime<Utc>,
    ) -> Result<Addition, DeskError> {
        match &asked.act {
            Act::Assign { assignee_id } => Ok(Addition::Assignee(*assignee_id)),
            Act::Comment { text } => Ok(Addition::Comment(checked_text(text)?.to_owned())),
            Act::Reopen { reason } => Ok(Addition::Reopening(checked_text(reason)?.to_owned())),
            Act::Propose { proposed, reason } => {
                let action = self.checked_action(found, proposed).await?;
                let (maker_id, break_id) = (asked.actor.sub, found.break_id);
                let of_break = break_id.uuid();
                let parts: [&[u8]; 2] = [maker_id.as_bytes(), of_break.as_bytes()];
                let proposal_id = derive_id(asked.key.uuid(), "proposal", &parts, partition_of(of_break));
                let parameters = NewProposal::parameters(&action);
                let reason = checked_text(reason)?.to_owned();
                let digest = proposal_digest((proposal_id, break_id, maker_id), &parameters, &reason);
                Ok(Addition::Proposal(NewProposal {
                    proposal_id,
                    break_id,
                    maker_id,
                    action,
                    reason,
                    digest,
                    now,
                }))
            }
            Act::Approve { proposal_id, digest } => {
                self.decision(asked, (*proposal_id, digest), (Decision::Approved, "")).await
            }
            Act::Reject { proposal_id, digest, reason } => {
                let reason = checked_text(reason)?;
                self.decision(asked, (*proposal_id, digest), (Decision::Rejected, reason)).await
            }
        }
    }

    async fn checked_action(&self, found: &BreakView, action: &Action) -> Result<Action, DeskError> {
        let subject =
            Subject { kind: found.kind, logs: &found.logs, coins: found.coins, order_id: found.order_id };
        action.check(subject, self.limits)?;
        let kind = action.kind();
        if kind.is_command() && !self.commands.offers(kind) {
            return Err(CommandError::NotOffered(kind).into());
        }
        match action {
            Action::RefundOrder { order_id, viewer_id } => {
                let owner = refund_owner(&self.sources, found).await?;
                if viewer_id.is_some_and(|said| said != owner) {
                    return Err(DeskError::OrderDiffers("it is another viewer's"));
                }
                Ok(Action::RefundOrder { order_id: *order_id, viewer_id: Some(owner) })
            }
            Action::Resettle { order_id, order_seq } => {
                let seq = resettle_seq(&self.sources, found).await?;
                if order_seq.is_some_and(|said| said != seq) {
                    return Err(DeskError::OrderDiffers("the break is about another row"));
                }
                Ok(Action::Resettle { order_id: *order_id, order_seq: Some(seq) })
            }
            Action::SettleReceivable { end, .. } => {
                settling(&self.sources, found, (*end, &self.face_values)).await
            }
            Action::WriteOff { coins, .. } => {
                let lines = self.write_off_lines(found).ok_or(refused_write_off(found))?;
                if !lines.is_empty() && !self.commands.offers(kind) {
                    return Err(CommandError::NotOffered(kind).into());
                }
                Ok(Action::WriteOff { coins: *coins, lines })
            }
            Action::GrantCoins { .. } | Action::AdjustVoucher { .. } | Action::Wait { .. } => {
                Ok(action.clone())
            }
        }
    }

    async fn decision(
        &self,
        asked: &Asked,
        (proposal_id, said): (Uuid, &str),
        (decision, reason): (Decision, &str),
    ) -> Result<Addition, DeskError> {
        let listed = proposals::list(&self.db, asked.break_id, PROPOSALS_MAX).await?;
        let is_it = |it: &ProposalView| it.proposal_id == proposal_id && it.decision.is_none();
        let proposal = listed.into_iter().find(is_it).ok_or(DeskError::NoSuchProposal)?;
        if proposal.maker_id == asked.actor.sub {
            return Err(DeskError::MakerIsChecker);
        }
        let parameters = NewProposal::parameters(&proposal.action);
        let of = (proposal_id, asked.break_id, proposal.maker_id);
        let digest = proposal_digest(of, &parameters, &proposal.reason);
        // What is stored must still be what was hashed, and what was hashed what the checker saw.
        if hash_of_hex(said) != Some(digest) || proposal.digest != hex(&digest) {
            return Err(DeskError::ProposalChanged);
        }
        Ok(Addition::Decision { proposal: Box::new(proposal), digest, decision, reason: reason.to_owned() })
    }

    async fn take_in_tx(
        &self,
        tx: &mut PgConnection,
        (asked, found): (&Asked, &BreakView),
        (to, addition): (BreakState, Addition),
        now: DateTime<Utc>,
    ) -> Result<Deed, DeskError> {
        let db = &self.db;
        let assignee_id = match &addition {
            Addition::Assignee(assignee_id) => Some(*assignee_id),
            _ => None,
        };
        let is_comment = matches!(addition, Addition::Comment(_));
        let step = Move {
            break_id: found.break_id,
            from: (found.state, found.version),
            to,
            assignee_id,
            waits_until: None,
            closed: None,
        };
        if !is_comment && desk::move_in_tx(tx, db, &step).await? == Moved::No {
            return Err(DeskError::Moved);
        }
        let taken = self.add_in_tx(tx, (asked, found), addition, now).await?;
        let audit_seq = audit::append_in_tx(tx, db, taken.steps, now).await?;
        let found = breaks::get_in_tx(tx, db, taken.shown).await?;
        let (proposal_id, digest) = taken.proposal.unzip();
        Ok(Deed { found, proposal_id, digest: digest.map(|hash| hex(&hash)), audit_seq })
    }

    async fn add_in_tx(
        &self,
        tx: &mut PgConnection,
        (asked, found): (&Asked, &BreakView),
        addition: Addition,
        now: DateTime<Utc>,
    ) -> Result<Taken, DeskError> {
        let (db, break_id) = (&self.db, found.break_id);
        let step = |body: Value| Step {
            actor: asked.actor.sub.to_string(),
            act: step_of(&asked.act).map_or("commented", BreakStep::done),
            subject: break_id.to_string(),
            body,
        };
        let taken = |body: Value| Taken { steps: vec![step(body)], shown: break_id, proposal: None };
        match addition {
            Addition::Assignee(assignee_id) => {
                Ok(taken(json!({ "assignee_id": assignee_id, "before": found.assignee_id })))
            }
            Addition::Comment(text) => {
                desk::comment_in_tx(tx, db, (break_id, asked.actor.sub), &text, now).await?;
                Ok(taken(json!({ "text": text })))
            }
            Addition::Proposal(new) => {
                proposals::insert_in_tx(tx, db, &new).await?;
                let body = json!({
                    "proposal_id": new.proposal_id, "parameters": NewProposal::parameters(&new.action),
                    "reason": new.reason, "digest": hex(&new.digest),
                });
                Ok(Taken { proposal: Some((new.proposal_id, new.digest)), ..taken(body) })
            }
            Addition::Decision { proposal, digest, decision, reason } => {
                let decided = (proposal.proposal_id, digest);
                let by = DecidedBy::Checker(asked.actor.sub);
                let done = proposals::decide_in_tx(tx, db, decided, (decision, by, &reason), now).await?;
                if done == Moved::No {
                    return Err(DeskError::Moved);
                }
                let mut body = json!({
                    "proposal_id": proposal.proposal_id, "maker_id": proposal.maker_id, "reason": reason,
                    "digest": hex(&digest),
                });
                if decision == Decision::Approved {
                    let request_id = request_of(Uuid::now_v7(), proposal.proposal_id, &proposal.action);
                    proposals::intend_in_tx(tx, db, (proposal.proposal_id, break_id, request_id), now)
                        .await?;
                    body["request_id"] = json!(request_id);
                }
                Ok(Taken { proposal: Some(decided), ..taken(body) })
            }
            Addition::Reopening(reason) => {
                let judged = self.severities.judge_new(found.kind, found.coins, now);
                let reopened = desk::reopen_in_tx(tx, db, break_id, judged, now).await?;
                let new = reopened.ok_or(DeskError::OpenAlready)?;
                let first = found.reopens_id.unwrap_or(break_id);
                let closed = step(json!({ "reason": reason, "reopened_as": new, "first": first }));
                let body = json!({ "reason": reason, "reopens": break_id, "first": first });
                let opened = Step { act: "opened", subject: new.to_string(), body, ..closed.clone() };
                Ok(Taken { steps: vec![closed, opened], shown: new, proposal: None })
            }
        }
    }
}

fn refused_write_off(found: &BreakView) -> ActionRefused {
    ActionRefused::DoesNotFit { action: ActionKind::WriteOff, kind: found.kind }
}

/// What an act left to say.
struct Taken {
    steps: Vec<Step>,
    shown: BreakId,
    proposal: Option<(Uuid, Hash)>,
}

/// The step that an act is; a comment is none.
fn step_of(act: &Act) -> Option<BreakStep> {
    match act {
        Act::Assign { .. } => Some(BreakStep::Assign),
        Act::Comment { .. } => None,
        Act::Propose { .. } => Some(BreakStep::Propose),
        Act::Approve { .. } => Some(BreakStep::Approve),
        Act::Reject { .. } => Some(BreakStep::Reject),
        Act::Reopen { .. } => Some(BreakStep::Reopen),
    }
}
