//! Heals what rules name, by the owning services' own idempotent commands, under caps.
//!
//! A rule proposes and approves in one transaction; the rest of the way is that of any approved proposal. The caps
//! are looked at while the head of the trail is held, so that two nodes cannot both take the last place.

use super::act_on_break::Desk;
use super::commands::request_of;
use super::desk_error::DeskError;
use super::order_rows::healing_action;
use super::run_desk::system_step;
use crate::domain::action::{Action, proposal_digest};
use crate::domain::break_state::{BreakState, BreakStep, Hand};
use crate::domain::canonical::hex;
use crate::domain::chain::Step;
use crate::domain::healing::{Cap, Healing, within_caps};
use crate::store::audit;
use crate::store::breaks::{self, BreakView, SYSTEM_ACTOR};
use crate::store::desk::{self, Move, Moved};
use crate::store::proposals::{self, DecidedBy, Decision, NewProposal};
use chrono::{DateTime, TimeDelta, Utc};
use ids::{BreakId, Uuid, named_id};
use serde_json::json;
use std::collections::BTreeSet;

/// Breaks one turn looks at.
const HEAL_MAX: i64 = 50;

/// Breaks remembered as a person's work because their rows do not allow a rule; beyond that all are looked at again.
const LEFT_MAX: usize = 10_000;

/// The maker of what rules propose. No person has this id.
pub fn system_maker() -> Uuid {
    named_id("system", SYSTEM_ACTOR)
}

/// What became of one break.
enum Healed {
    Yes,
    Moved,
    Capped(Cap),
}

/// The healing's rules and what it remembers.
pub struct Healer {
    healing: Healing,
    left: BTreeSet<BreakId>,
    /// The cap that was told of and still holds.
    told: Option<Cap>,
}

impl Healer {
    pub fn new(healing: Healing) -> Healer {
        Healer { healing, left: BTreeSet::new(), told: None }
    }

    /// Heals what has waited long enough, until a cap is reached.
    ///
    /// # Errors
    /// [`DeskError`]; what was not healed is looked at in the next turn.
    pub async fn heal(&mut self, desk: &Desk, now: DateTime<Utc>) -> Result<(), DeskError> {
        let offered = |rule: &&crate::domain::healing::HealingRule| desk.commands.offers(rule.action);
        let kinds: Vec<&str> =
            self.healing.rules.iter().filter(offered).map(|rule| rule.kind.as_str()).collect();
        if kinds.is_empty() {
            return Ok(());
        }
        if self.left.len() > LEFT_MAX {
            self.left.clear();
        }
        let until = now - TimeDelta::seconds(i64::from(self.healing.after_s));
        let limit = HEAL_MAX.saturating_add(i64::try_from(self.left.len()).unwrap_or(i64::MAX));
        let mut capped = None;
        for break_id in proposals::list_to_heal(&desk.db, &kinds, until, limit).await? {
            if self.left.contains(&break_id) {
                continue;
            }
            let Some(found) = breaks::find(&desk.db, break_id).await? else { continue };
            let Some(kind) = self.healing.action_of(found.kind) else { continue };
            let Some(action) = healing_action(&desk.sources, &found, kind).await? else {
                tracing::warn!(%break_id, "the logs' rows do not allow to heal a break; a person must look");
                self.left.insert(break_id);
                continue;
            };
            if let Healed::Capped(cap) = self.heal_one(desk, &found, action).await? {
                capped = Some(cap);
                break;
            }
        }
        self.tell(desk, capped, now).await
    }

    async fn heal_one(&self, desk: &Desk, found: &BreakView, action: Action) -> Result<Healed, DeskError> {
        let (db, now, break_id) = (&desk.db, Utc::now(), found.break_id);
        let (proposal_id, maker_id) = (Uuid::now_v7(), system_maker());
        let rule = format!("{}:{}", found.kind.as_str(), action.kind().as_str());
        let reason = format!("healed by the rule {rule}");
        let parameters = NewProposal::parameters(&action);
        let digest = proposal_digest((proposal_id, break_id, maker_id), &parameters, &reason);
        let request_id = request_of(proposal_id, proposal_id, &action);
        let change = Move {
            break_id,
            from: (found.state, found.version),
            to: found.state.after(BreakStep::Heal, &[Hand::System])?,
            assignee_id: None,
            waits_until: None,
            closed: None,
        };
        let mut tx = db.begin().await?;
        if desk::move_in_tx(&mut tx, db, &change).await? == Moved::No {
            tx.rollback().await?;
            return Ok(Healed::Moved);
        }
        let new = NewProposal { proposal_id, break_id, maker_id, action, reason, digest, now };
        proposals::insert_in_tx(&mut tx, db, &new).await?;
        let approved = (Decision::Approved, DecidedBy::Rule(&rule), "");
        let decided = proposals::decide_in_tx(&mut tx, db, (proposal_id, digest), approved, now).await?;
        debug_assert_eq!(decided, Moved::Yes, "it was made in this transaction");
        proposals::intend_in_tx(&mut tx, db, (proposal_id, break_id, request_id), now).await?;
        let body = json!({
            "proposal_id": proposal_id, "rule": rule, "parameters": parameters, "digest": hex(&digest),
            "request_id": request_id,
        });
        let steps = vec![system_step(break_id, BreakStep::Heal.done(), body)];
        audit::append_in_tx(&mut tx, db, steps, now).await?;
        let healed = proposals::healed_in_tx(&mut tx, db, now - TimeDelta::hours(1)).await?;
        if let Err(cap) = within_caps(&self.healing, healed) {
            tx.rollback().await?;
            return Ok(Healed::Capped(cap));
        }
        tx.commit().await?;
        tracing::info!(%break_id, rule, "a break is healed by a rule");
        Ok(Healed::Yes)
    }

    /// Counts a cap that keeps breaks waiting, at every turn, so that the alert lasts as long as it does; the log and
    /// the trail hear of it once.
    async fn tell(&mut self, desk: &Desk, capped: Option<Cap>, now: DateTime<Utc>) -> Result<(), DeskError> {
        let Some(cap) = capped else {
            self.told = None;
            return Ok(());
        };
        metrics::counter!("largesse_recon_healing_capped_total", "cap" => cap.as_str()).increment(1);
        if self.told == Some(cap) {
            return Ok(());
        }
        tracing::error!(cap = cap.as_str(), "healing has reached its cap; a person must look");
        let body = json!({
            "cap": cap.as_str(), "count_max_per_hour": self.healing.count_max_per_hour,
            "coins_max_per_hour": self.healing.coins_max_per_hour,
        });
        let subject = "healing".to_owned();
        let step = Step { actor: SYSTEM_ACTOR.to_owned(), act: "capped", subject, body };
        let mut tx = desk.db.begin().await?;
        audit::append_in_tx(&mut tx, &desk.db, vec![step], now).await?;
        tx.commit().await?;
        self.told = Some(cap);
        Ok(())
    }
}

const _: () = assert!(BreakState::Open.code() == 2, "list_to_heal names the code");
